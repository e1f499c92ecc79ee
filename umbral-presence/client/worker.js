// The hub: one stream to the server for all tabs of a browser.
//
//   page (client.js) ── port ── hub ── stream ── server
//
// It runs in a SharedWorker; in one of the tabs where there is none (leader.js); in each tab where
// Web Locks or channels cannot be used. ws.js makes it speak over a WebSocket. The stream is fetched,
// since an EventSource hides why the server has refused.
//
//   connecting ──▶ live ⇄ reconnecting        denied: by 401 or 403, until a page is looked at
//
// Whatever fails, a stream or a call, counts in `failures` and makes the next pause longer. No
// answers of a server, in whatever order, make the hub ask without end.

const DENIED = { code: "denied", message: "you may not join" };
const NO_PRESENCE = { code: "no_presence", message: "it has no presence" };

// Over plain HTTP a browser sends no `Sec-Fetch-Site`, and no `Origin` with a GET. The header shows
// that no picture is asking, and the referrer shows whose page it is.
export const STREAM = {
  headers: { accept: "text/event-stream" },
  referrerPolicy: /** @type {const} */ ("origin"),
  credentials: /** @type {const} */ ("include"),
  cache: /** @type {const} */ ("no-store"),
};

/** A number of the server's, within bounds; another one where it is none, or less than one.
 * @param {any} value @param {number} most @param {number} other */
const bounded = (value, most, other = 0) => (value >= 1 ? Math.min(value, most) : other);

/** Takes a `presence:*` frame into a roster; gives what it came to. @type {Fold} */
export const fold = (roster, { e, d, v, k }) => {
  if (e === "presence:sync") {
    if (v === roster.v) return [];
    const members = new Map(k.map((key, i) => [key, d[i]]));
    Object.assign(roster, { members, v, mustAsk: false, status: "live", error: null });
    return "sync";
  }
  const changes = e === "presence:diff" ? d : [[e.slice(9), k, d]];
  // The snapshot holds what comes before it; the roster holds what comes twice.
  const fresh = roster.v < 0 ? [] : changes.slice(Math.max(0, roster.v - v + changes.length));
  if (!fresh.length) return fresh;
  if (v - fresh.length !== roster.v) return "gap";
  roster.v = v;
  return fresh.map(([sign, key, member]) => {
    const event = /** @type {any} */ ({ "+": "join", "-": "leave", "~": "update" })[sign] ?? sign;
    if (event === "leave") roster.members.delete(key);
    else roster.members.set(key, member);
    return [event, key, member];
  });
};

/** @type {CreateHub} */
export const createHub = (base, { fetch } = globalThis) => ({
  tabs: new Map(),
  rosters: new Map(),
  stream: null,
  me: undefined,
  status: "connecting",
  error: null,
  tooMany: { limit: Infinity },
  failures: 0,
  failedCalls: 0,
  moment: 0,
  lock: `${Math.random()}`,

  // What tabs say -----------------------------------------------------------------------------

  serve(port) {
    port.onmessage = (/** @type {{data: TabMessage}} */ { data }) => this.receive(port, data);
    port.postMessage({ t: "here" });
  },

  receive(port, message) {
    const { attach, want, vanish, identity, retry } = this;
    /** @type {Record<string, (port: Port, message: TabMessage) => unknown>} */
    const entrances = { attach, want, vanish, identity, retry };
    entrances[message.t]?.call(this, port, message);
  },

  // A tab's lock is free once the tab has closed or crashed. Tabs notice in the same way that the
  // hub has died, so the hub holds its lock before it tells a tab its name. The wait for a tab's lock
  // is shared, so that a leader that is frozen in the back/forward cache is in nobody's way.
  async attach(port, { lock, groups, debug }) {
    if (debug) import("./debug.js").then(({ follow }) => follow(this, port));
    const tab = { port, groups: new Set(), confirmed: false, moment: ++this.moment, waiting: [], debug };
    this.tabs.set(port, tab);
    this.want(port, { groups });
    this.retry();
    if (lock) {
      navigator.locks.request(lock, { mode: "shared" }, () => this.tabs.get(port) === tab && this.vanish(port));
      await (this.locked ??= new Promise((done) =>
        navigator.locks.request(this.lock, () => new Promise((release) => done((this.release = release)))),
      ));
    }
    port.postMessage({ t: "ready", lock: this.lock });
  },

  want(port, { groups }) {
    const tab = this.tabs.get(port);
    if (!tab) return;
    const before = tab.groups;
    tab.groups = new Set(groups);
    for (const group of groups) if (!before.has(group)) this.show(group, [tab]);
    this.plan();
  },

  // The tab may be in the back/forward cache, from which a message would throw it out. Its groups are
  // kept for a while, since it may be a reload.
  vanish(port) {
    const tab = this.tabs.get(port);
    if (tab) [tab.confirmed, tab.moment] = [false, Infinity];
    setTimeout(() => {
      if (this.tabs.get(port) === tab) this.tabs.delete(port);
      this.plan();
    }, 2000);
  },

  // Somebody may have signed in or out. Tabs hear nothing until a call with the cookies of now has
  // been answered. The one that has said so is shown its groups anew.
  identity(port) {
    for (const tab of this.tabs.values()) [tab.confirmed, tab.moment] = [false, ++this.moment];
    this.tabs.get(port)?.groups.clear();
    this.failures = 0;
    this.retry();
    port.postMessage({ t: "ready", lock: this.lock });
  },

  // Somebody looks at a page, or the network is back: the next attempt is made at once.
  retry() {
    if (this.status === "denied") this.say(null, "connecting");
    this.hurry?.();
    this.plan();
  },

  // What tabs are told ------------------------------------------------------------------------

  show(group, tabs) {
    const roster = this.rosters.get(group);
    if (!roster || roster.status === "wanted") return;
    const { status, error, v, id } = roster;
    const members = v < 0 ? null : [...roster.members];
    this.tell(group, { t: "room", group, room: { status, error }, members, rosterId: id }, tabs);
  },

  tell(channel, message, tabs) {
    for (const tab of tabs ?? this.tabs.values()) {
      if (channel[0] !== "@" && !tab.groups.has(channel)) continue;
      // The cookies of a tab that is not confirmed may be another user's.
      if (tab.confirmed) tab.port.postMessage(message);
      else tab.waiting.push(message);
    }
  },

  say(error, status, forget) {
    Object.assign(this, { status: status ?? this.status, error });
    for (const tab of this.tabs.values()) this.greet(tab, forget);
  },

  // While the stream is live, an error is that of calls. It concerns the tabs that wait for a call,
  // and after a few failures everybody.
  greet({ port, confirmed, groups }, forget) {
    const { status, me } = this;
    const waits = !confirmed || [...groups].some((group) => this.rosters.get(group)?.status === "wanted");
    const error = status !== "live" || waits || this.failedCalls >= 3 ? this.error : null;
    port.postMessage({ t: "status", page: { status, error, me: confirmed ? me : null }, forget });
  },

  // Which groups are wanted -------------------------------------------------------------------

  // There is something to tell the server, which is done in the next task, however often it was asked
  // for.
  plan() {
    this.changed = true;
    this.planned ??= setTimeout(() => {
      this.planned = undefined;
      if (!this.tabs.size) this.goodbye();
      else if (this.stream) this.control();
      else if (this.status !== "denied") this.open();
    });
  },

  // The oldest first; those over the server's limit are denied.
  groups() {
    const wanted = new Set([...this.tabs.values()].flatMap((tab) => [...tab.groups]));
    for (const group of wanted)
      if (!this.rosters.has(group))
        this.rosters.set(group, { members: new Map(), v: -1, id: Math.random(), status: "wanted", error: null });
    const groups = [...this.rosters.keys()].filter((group) => wanted.has(group));
    for (const group of groups.splice(this.tooMany.limit)) this.decide(group, this.tooMany);
    return groups;
  },

  // Tells the server which groups there are. One call at a time, and none while a stream is being
  // opened, whose address names its groups. It is not known what a call that fails has done: a roster
  // that it would have ended is asked for again once it is wanted again.
  async control() {
    const { stream } = this;
    if (!stream || this.opening || stream.calling) return;
    stream.calling = true;
    // The server takes 20 calls a second.
    if (stream.n && performance.now() - stream.provedAt < 60) await this.pause(60);
    if (stream !== this.stream) return;
    this.changed = false;
    const moment = ++this.moment;
    const groups = this.groups();
    for (const [group, roster] of this.rosters)
      if (!groups.includes(group)) Object.assign(roster, { v: -1, id: Math.random(), mustAsk: true });
    const reply = await this.post(stream, groups);
    if (stream !== this.stream) return;
    if (Array.isArray(reply.body?.denied)) this.succeed(stream, groups, moment, reply.body);
    else await this.fail(reply);
    stream.calling = false;
    if (this.changed) this.plan();
  },

  // Half of the failures are forgiven, if the stream is a minute old, and then not again for a minute.
  // Otherwise a server that fails every second call, or ends each stream at once, would be asked as
  // often as it fails.
  succeed(stream, groups, moment, body) {
    if (performance.now() - stream.steadyAt > 60000) {
      this.failures = Math.min(this.failures, 6) >> 1;
      stream.steadyAt = performance.now();
    }
    this.failedCalls = 0;
    this.isProven = true;
    this.decideAll(groups, body);
    this.confirm(moment);
    if (this.error) this.say(null);
  },

  // One call that fails is a bad moment. After three in a row a new stream is opened, since its address
  // has the groups and its cookies confirm who asks; meanwhile the old one stands, and nobody is seen
  // to leave.
  async fail(reply) {
    const { status, wait } = reply;
    const pause = this.delay(wait);
    this.changed = true;
    const error = this.judge("control", reply);
    if (!error) return;
    if (status === 409) {
      this.reset();
      return this.open(this.failures > 1 ? pause : 0);
    }
    // Too many calls or groups are no fault of the stream.
    const isOften = status !== 429 && error !== this.tooMany && ++this.failedCalls >= 3;
    this.say(error);
    if (status === 404) return this.open(pause);
    if (isOften) return this.open(this.failures > 3 ? pause : wait);
    return this.pause(pause);
  },

  async post(stream, groups) {
    stream.provedAt = performance.now();
    const response = await fetch(`${base}control`, {
      method: "POST",
      credentials: "include",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ conn: stream.conn, n: ++stream.n, groups, sync: groups.filter((group) => this.rosters.get(group)?.mustAsk) }),
      // The worker may end while it says goodbye.
      keepalive: !groups.length,
      signal: AbortSignal.timeout(10000),
    }).catch(() => null);
    return this.reply("control", response);
  },

  async reply(path, response) {
    if (!response) return {};
    const { status, headers } = response;
    const wait = 1000 * bounded(headers.get("retry-after"), 600);
    return { status, body: await response.json().catch(() => null), wait: wait + Math.random() * wait };
  },

  // The server has answered for these groups, and knows of no other.
  decideAll(groups, { denied, no_presence = [] }) {
    for (const group of this.rosters.keys())
      if (!groups.includes(group)) this.rosters.delete(group);
      else this.decide(group, denied.includes(group) ? DENIED : no_presence.includes(group) ? NO_PRESENCE : null);
  },

  decide(group, error) {
    const roster = this.rosters.get(group);
    const status = error && error !== NO_PRESENCE ? "denied" : "live";
    // The server says once that a group has no presence, and its snapshot says that it has.
    if (!roster || (status === "live" && roster.status === status && (!error || roster.error))) return;
    if (error) roster.v = -1;
    Object.assign(roster, { status, error });
    this.show(group);
  },

  // A tab that was there before this moment has the identity of the stream; one that has come or
  // signed in since may have other cookies.
  confirm(moment) {
    for (const tab of this.tabs.values()) {
      if (tab.confirmed || tab.moment > moment) continue;
      tab.confirmed = true;
      this.greet(tab);
      for (const message of tab.waiting.splice(0)) tab.port.postMessage(message);
    }
  },

  // The stream --------------------------------------------------------------------------------

  // The stream that is open is closed once the new one is live.
  async open(delay) {
    if (this.opening) return;
    this.opening = true;
    for (await this.pause(delay); this.tabs.size; await this.pause(delay)) {
      const reply = await new Promise((/** @type {(reply: Reply) => void} */ done) => this.connect(done));
      const error = !reply.live && this.judge("sse", reply);
      if (!error) break;
      delay = this.delay(reply.wait);
      this.say(error);
    }
    this.opening = false;
    if (this.changed) this.plan();
  },

  // Why a request failed, in the server's words where it has any. Nothing where the server lets nobody
  // in: it would not do so in a moment either. Where there are too many groups there will be fewer.
  judge(path, { status, body }) {
    let error = body?.error;
    if (!error?.code || !error.message)
      error = { code: `${status ?? "unreachable"}`, message: `${path}: no readable answer` };
    if (error.code === "too_many_groups" && error.limit >= 0 && error.limit < this.tooMany.limit) this.tooMany = error;
    if (status !== 401 && status !== 403) return error;
    this.drop();
    this.say(error, "denied");
  },

  // How long to wait after a failure. Never less than the backoff: a server that says "1" does so
  // each time.
  delay(wait = 0) {
    const most = Math.min(30000, 1000 * 2 ** this.failures);
    // The first wait may be next to nothing, but not the next ones: by chance they would be many.
    const least = this.failures++ && most / 2;
    return Math.max(wait, least + Math.random() * (most - least));
  },

  // `hurry` ends it.
  pause(ms) {
    return new Promise((done) => {
      setTimeout(done, ms);
      this.hurry = done;
    });
  },

  // One connection, from its attempt to its end; `done` hears whether it is live or has failed.
  async connect(done) {
    const abort = new AbortController();
    const stream = this.createStream(done, () => abort.abort());
    try {
      const response = await fetch(`${base}sse?v=1&groups=${encodeURIComponent(stream.groups.join())}`, { ...STREAM, signal: abort.signal });
      const { body, headers } = response;
      if (!body || !headers.get("content-type")?.startsWith("text/event-stream")) done(await this.reply("sse", response));
      else {
        const reader = body.pipeThrough(new TextDecoderStream()).getReader();
        for (let rest = "", piece; !(piece = await reader.read()).done; ) {
          this.heard(stream);
          // The stream may be cut anywhere, and a line may come in a thousand pieces: each of
          // them is split once. The data of an event is one line.
          const lines = piece.value.split("\n");
          lines[0] = rest + lines[0];
          [rest] = lines.splice(-1);
          for (const line of lines) if (line.startsWith("data:")) this.take(stream, JSON.parse(line.slice(5)));
        }
      }
    } catch {
      // An end like any other.
    }
    done({});
    this.lose(stream);
  },

  createStream(done, close) {
    const groups = this.groups();
    // A URL has room for the names of ten groups, and a call asks for the others. The first call of all
    // is made in any case, to see whether calls come through.
    const first = groups.splice(0, 10);
    this.changed = !this.isProven || !!groups.length;
    const stream = {
      groups: first,
      done,
      close,
      n: 0,
      moment: ++this.moment,
      // Two and a half heartbeats.
      silence: 37500,
      steadyAt: performance.now(),
      provedAt: performance.now(),
    };
    this.heard(stream);
    return stream;
  },

  // The stream has shown that it is alive. A watchdog that itself runs late, on a page that was
  // hidden or frozen, gives what waits behind it one more chance.
  heard(stream, isLate = false) {
    clearTimeout(stream.watchdog);
    const due = performance.now() + stream.silence;
    stream.watchdog = setTimeout(
      () => (!isLate && performance.now() > due + 1000 ? this.heard(stream, true) : stream.close()),
      stream.silence,
    );
    // A call proves to the server that this side is alive. The server's heartbeat is the occasion for
    // it, since the timers of a hidden page may be a minute late.
    if (performance.now() - stream.provedAt > 20000) this.control();
  },

  lose(stream) {
    clearTimeout(stream.watchdog);
    stream.close();
    if (stream !== this.stream) return;
    this.drop();
    this.failedCalls = 0;
    this.say({ code: "lost", message: "connection lost" }, "reconnecting");
    this.open(this.delay());
  },

  // Closes the stream without a goodbye.
  drop() {
    this.stream?.close();
    // A stream that had one call has cost two requests.
    if (this.stream?.n === 1) this.failures++;
    this.stream = null;
    for (const roster of this.rosters.values()) Object.assign(roster, { v: -1, id: Math.random(), mustAsk: false });
  },

  take(stream, frame) {
    const { c, e, d } = frame;
    if (e === "@hello") this.hello(stream, d);
    else if (!c || stream !== this.stream) return;
    else if (e.startsWith("presence:")) {
      const roster = this.rosters.get(c);
      if (!roster) return;
      const came = fold(roster, frame);
      if (came === "gap") {
        Object.assign(roster, { v: -1, mustAsk: true });
        // The snapshot of this group alone is asked for.
        stream.gap ??= setTimeout(() => {
          stream.gap = undefined;
          this.plan();
        }, this.delay());
      } else if (came === "sync") this.show(c);
      else if (came.length) this.tell(c, { t: "diff", group: c, changes: came });
    } else {
      if (e === "@denied") for (const group of d.groups) this.decide(group, DENIED);
      // A call with the cookies of now shows that the sign-in goes on.
      if (e === "@expiring") this.plan();
      if (e === "@drain")
        stream.drained ??= setTimeout(
          () => stream === this.stream && this.open(),
          this.delay(1000 * Math.random() * bounded(d?.within, 3600)),
        );
      this.tell(c, { t: "event", c, e, d });
    }
  },

  // The stream is live. Where it is another user's, nothing of the one before is left when anything of
  // the new one is seen.
  hello(stream, hello) {
    const { conn, me, heartbeat } = hello;
    if (this.me !== undefined && this.me !== me) this.reset();
    this.drop();
    this.groups();
    Object.assign(stream, { conn, silence: 2500 * bounded(heartbeat, 300, 15) });
    Object.assign(this, { stream, me });
    this.decideAll(stream.groups, hello);
    this.say(this.failedCalls ? this.error : null, "live");
    this.confirm(stream.moment);
    stream.done({ live: true });
  },

  // Forgets everything that an identity has seen, and has the tabs forget it.
  reset() {
    this.drop();
    this.me = undefined;
    this.rosters.clear();
    for (const tab of this.tabs.values()) [tab.confirmed, tab.waiting] = [false, []];
    this.say(null, "connecting", true);
  },

  // The last tab is gone. Others see the user leave at once.
  goodbye() {
    const { stream } = this;
    this.stream = null;
    this.reset();
    if (stream) this.post(stream, []).finally(stream.close);
  },
});

if (!globalThis.document) {
  const hub = createHub(import.meta.url.replace(/[^/]*$/, ""));
  globalThis.onconnect = ({ ports: [port] }) => hub.serve(port);
}
