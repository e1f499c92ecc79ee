// The hub: one stream to the server for all tabs of a browser.
//
//   page (client.js) ── port ── hub ── stream ── server
//
// It is in a SharedWorker; in one of the tabs where there is none (leader.js); in each tab where
// Web Locks or channels cannot be used. Over a WebSocket it is extended by ws.js. A stream is fetched
// and not an EventSource, which hides why it was refused. Comments are not sent to browsers.
//
//   connecting ──▶ live ⇄ reconnecting        denied: by 401 or 403, until a page is looked at
//
// All that fails, a stream or a call, counts in `attempt`, and makes the next pause longer. So
// there are no answers, in whatever order, that have the hub ask without end.

/** How long the groups of a tab that is gone are kept, for it may be a reload. */
const LINGER = 2000;

/** So long after a call the next word of the server has the hub make another one, to prove that it
 * lives: the server's heartbeat wakes a hidden page, where timers sleep. */
const PROOF = 20000;

/** Half of what has failed is forgotten with a call that succeeds, once in so long, and not before
 * the stream is so old: else a server that fails between two calls, or ends each stream at once,
 * would be asked as often as it fails. */
const SETTLED = 60000;

/** So many groups fit into a URL; a call asks for the others. */
const FIRST = 10;

/** Calls that follow one another begin so far apart: the server takes 20 in a second. */
const GAP = 60;

/** In a row: the first calls that fail are a bad moment, after so many a new stream is opened. */
const FEW = 3;

const NAMES = new Map([["+", "join"], ["-", "leave"], ["~", "update"]]);

// Over plain HTTP a browser sends no `Sec-Fetch-Site`, and no `Origin` with a GET: that it is no
// picture that asks, and whose page it is, is said by these two.
export const STREAM = {
  headers: { accept: "text/event-stream" },
  referrerPolicy: /** @type {const} */ ("origin"),
  credentials: /** @type {const} */ ("include"),
  cache: /** @type {const} */ ("no-store"),
};

// Not the clock on the wall, which may be set.
const now = () => performance.now();

const random = (below = 1) => Math.random() * below;

/** A number of the server, within bounds; what is none, or is smaller, is not believed.
 * @param {any} value @param {number} least @param {number} most @param {number} other */
const clamp = (value, least, most, other) => (value >= least ? Math.min(value, most) : other);

// A roster is stale until its snapshot comes.
/** @type {CreateRoster} */
export const createRoster = () => ({ members: new Map(), v: -1, id: random(), status: "wanted", error: null, presence: true });

/** @type {Fold} */
export const fold = (roster, { e, d, v, k }) => {
  if (e === "presence:sync") {
    if (v === roster.v) return [];
    const members = new Map(k.map((key, i) => [key, d[i]]));
    Object.assign(roster, { members, v, lost: false, status: "live", error: null, presence: true });
    return "sync";
  }
  const changes = e === "presence:diff" ? d : [[e.slice(9), k, d]];
  // What comes before the snapshot is in it; what it holds already is not new.
  const fresh = roster.v < 0 ? [] : changes.slice(Math.max(0, roster.v - v + changes.length));
  if (!fresh.length) return fresh;
  if (v - fresh.length !== roster.v) return "gap";
  roster.v = v;
  return fresh.map(([sign, key, member]) => {
    const event = NAMES.get(sign) ?? sign;
    if (event === "leave") roster.members.delete(key);
    else roster.members.set(key, member);
    return [event, key, member];
  });
};

// Why something failed, in the server's words where it has any.
/** @type {Explain} */
export const explain = (path, { status, body }) => {
  const { code, message } = body?.error ?? {};
  if (code && message) return body.error;
  const what = status ? `an answer ${status} that is not the server's` : "no answer, or none that this page may read";
  return { code: `${status || "unreachable"}`, message: `${path}: ${what}` };
};

/** @type {CreateHub} */
export const createHub = (base) => ({
  tabs: new Map(),
  rosters: new Map(),
  stream: null,
  me: undefined,
  status: "connecting",
  error: null,
  trouble: null,
  full: { limit: Infinity },
  attempt: 0,
  failed: 0,
  fast: 0,
  clock: 0,
  lock: `umbral-presence-hub-${random()}`,

  // What tabs say -----------------------------------------------------------------------------

  serve(port) {
    port.onmessage = (/** @type {{data: Message}} */ { data }) => this.receive(port, data);
  },

  receive(port, message) {
    switch (message.t) {
      case "attach":
        return this.attach(port, message);
      case "want":
        return this.want(port, message);
      case "vanish":
        return this.vanish(port);
      case "identity":
        return this.identity();
      case "retry":
        return this.retry();
    }
  },

  // A tab is there; its lock is free when it has closed or crashed. The hub's own lock, by which
  // tabs notice that it has died, must be held before they are told its name. The wait for it is
  // shared, so that a leader that is frozen in the back/forward cache is in nobody's way.
  async attach(port, { lock, groups, debug }) {
    const tab = { port, groups: new Set(), confirmed: false, since: ++this.clock, held: [], debug };
    this.tabs.set(port, tab);
    if (lock) navigator.locks.request(lock, { mode: "shared" }, () => this.tabs.get(port) === tab && this.vanish(port));
    this.want(port, { groups });
    this.retry();
    this.held ??= new Promise((held) => {
      if (!lock) return held(0);
      navigator.locks.request(this.lock, () => new Promise((release) => held((this.release = release))));
    });
    await this.held;
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

  // A tab is gone, be it into the back/forward cache, from which a message would throw it out.
  vanish(port) {
    const tab = this.tabs.get(port);
    Object.assign(tab ?? {}, { confirmed: false, since: Infinity });
    setTimeout(() => {
      if (this.tabs.get(port) === tab) this.tabs.delete(port);
      this.plan();
    }, LINGER);
  },

  // Whether there are tabs whose cookies have not been checked.
  isUnsure() {
    return [...this.tabs.values()].some((tab) => !tab.confirmed && tab.since < Infinity);
  },

  // Somebody may have signed in or out: until a call with the cookies of now is answered, tabs
  // hear nothing.
  identity() {
    for (const tab of this.tabs.values()) [tab.confirmed, tab.since] = [false, ++this.clock];
    this.attempt = 0;
    this.retry();
  },

  // The page is looked at, or the network is back: the next attempt is made at once.
  retry() {
    if (this.status === "denied") this.say("connecting");
    this.hurry?.();
    this.plan();
  },

  // What tabs are told ------------------------------------------------------------------------

  show(group, tabs) {
    const roster = this.rosters.get(group);
    if (!roster || roster.status === "wanted") return;
    const { status, error, presence, v, id } = roster;
    const members = v < 0 ? null : [...roster.members];
    this.tell(group, { t: "room", group, room: { status, error, presence }, members, roster: id }, tabs);
  },

  tell(channel, message, tabs) {
    for (const tab of tabs ?? this.tabs.values()) {
      if (channel[0] !== "@" && !tab.groups.has(channel)) continue;
      // Its cookies may be another user's.
      if (tab.confirmed) tab.port.postMessage(message);
      else tab.held.push(message);
    }
  },

  // `reset` where all that tabs know is somebody else's.
  say(status, error = null, reset = false) {
    Object.assign(this, { status, error });
    for (const tab of this.tabs.values()) this.greet(tab, reset);
  },

  greet({ port, confirmed, groups }, reset) {
    const { status, me, trouble } = this;
    // What calls have failed for concerns a tab that waits for one; in the end it concerns all.
    const waits = !confirmed || [...groups].some((group) => this.rosters.get(group)?.status === "wanted");
    const error = this.error ?? (waits || this.failed >= FEW ? trouble : null);
    port.postMessage({ t: "status", page: { status, error, me: confirmed ? me : null }, reset });
  },

  // A worker's requests are in no tab's network panel.
  log(text) {
    for (const { port, debug } of this.tabs.values()) if (debug) port.postMessage({ t: "log", text });
  },

  // Which groups there are --------------------------------------------------------------------

  // Does what is to be done in the next task, however often it was asked for.
  plan() {
    this.planned ??= setTimeout(() => {
      this.planned = undefined;
      if (!this.tabs.size) this.goodbye();
      else if (this.stream) this.control();
      else if (this.status !== "denied") this.open();
    });
  },

  // The oldest first; those beyond the limit are refused.
  groups() {
    const wanted = new Set([...this.tabs.values()].flatMap((tab) => [...tab.groups]));
    for (const group of wanted) if (!this.rosters.has(group)) this.rosters.set(group, createRoster());
    const groups = [...this.rosters.keys()].filter((group) => wanted.has(group));
    for (const group of groups.splice(this.full.limit)) this.settle(group, "denied", this.full);
    return groups;
  },

  // One call at a time; none while a stream is being opened, which has its groups in its address.
  // A call that fails may have been taken or not: rosters that it would have ended are asked for
  // again when they are wanted again.
  async control() {
    const { stream } = this;
    if (!stream || this.opening) return;
    stream.changed = true;
    if (stream.calling) return;
    stream.calling = true;
    const early = stream.n && stream.proved + GAP - now();
    if (early > 0) await this.pause(early);
    if (stream !== this.stream) return;
    stream.changed = false;
    const at = ++this.clock;
    const groups = this.groups();
    const wanted = new Set(groups);
    for (const [group, roster] of this.rosters)
      if (!wanted.has(group)) Object.assign(roster, { v: -1, id: random(), lost: true });
    const reply = await this.post(stream, groups);
    if (stream !== this.stream) return;
    if (reply.status === 200 && Array.isArray(reply.body?.denied)) this.succeed(stream, groups, at, reply.body);
    else if (await this.fail(stream, reply)) return;
    stream.calling = false;
    if (stream.changed) this.plan();
  },

  succeed(stream, groups, at, body) {
    if (now() - stream.since > SETTLED) {
      this.attempt = Math.min(this.attempt, 6) >> 1;
      stream.since = now();
    }
    Object.assign(this, { failed: 0, fast: 0, proven: true });
    this.settleAll(groups, body);
    this.confirm(at);
    if (this.trouble) this.say(this.status, (this.trouble = null));
  },

  // Gives whether this stream makes no more calls, for one that takes its place does. Where calls
  // fail and the stream stands, a new one has its groups in its address and confirms who asks, while
  // nobody is seen to leave.
  async fail(stream, reply) {
    const { status, body } = reply;
    const isFirst = !this.attempt;
    // Calls that come too fast say nothing of the server: they have a pause of their own.
    const wait = status === 429 ? Math.max(reply.wait ?? 0, Math.min(30000, 1000 * 2 ** this.fast++)) : this.delay(reply);
    stream.changed = true;
    const error = explain("control", reply);
    if (this.isDenied(reply, error)) return true;
    if (status === 409) {
      this.reset();
      this.open(isFirst ? 0 : wait);
    } else {
      const counts = !this.isFull(body) && status !== 429;
      if (counts) this.failed++;
      this.fret(error);
      if (status === 404) this.open(wait);
      else if (counts && this.failed >= FEW) this.open(this.attempt > FEW ? wait : reply.wait);
      else {
        await this.pause(wait);
        return stream !== this.stream;
      }
    }
    return true;
  },

  post(stream, groups, last = false) {
    const sync = groups.filter((group) => this.rosters.get(group)?.lost);
    stream.proved = now();
    return fetch(`${base}control`, {
      method: "POST",
      credentials: "include",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ conn: stream.conn, n: ++stream.n, groups, sync }),
      keepalive: last,
      signal: AbortSignal.timeout(10000),
    }).then((response) => this.reply("control", response), () => this.reply("control"));
  },

  async reply(path, response) {
    this.log(`${path}: ${response?.status ?? "no answer"}`);
    if (!response) return {};
    const wait = 1000 * clamp(response.headers.get("retry-after"), 0, 600, 0);
    return { status: response.status, body: await response.json().catch(() => null), wait: wait + random(wait) };
  },

  // Whether this is the refusal of too many groups; from then on there will be fewer.
  isFull(body) {
    const full = body?.error;
    if (full?.code !== "too_many_groups" || !(full.limit >= 0 && full.limit < this.full.limit)) return false;
    return (this.full = full);
  },

  // The server has answered for these groups, and knows of no other.
  settleAll(groups, { denied, no_presence = [] }) {
    const known = new Set(groups);
    for (const group of this.rosters.keys())
      if (!known.has(group)) this.rosters.delete(group);
      else if (denied.includes(group)) this.settle(group, "denied");
      else this.settle(group, "live", null, !no_presence.includes(group));
  },

  settle(group, status, error = null, presence = true) {
    const roster = this.rosters.get(group);
    if (!roster || (status === "live" && roster.status === status && (presence || !roster.presence))) return;
    if (status === "denied") {
      roster.v = -1;
      error ??= { code: status, message: `you are not let into ${group}` };
    }
    Object.assign(roster, { status, error, presence });
    this.show(group);
  },

  // Tabs that were there at this time have the identity of the stream; those that have come or
  // signed in since may have other cookies.
  confirm(at) {
    for (const tab of this.tabs.values()) {
      if (tab.confirmed || tab.since > at) continue;
      tab.confirmed = true;
      this.greet(tab);
      for (const message of tab.held.splice(0)) tab.port.postMessage(message);
    }
  },

  // The stream --------------------------------------------------------------------------------

  // The one that is open is closed once the new one is live.
  async open(delay = 0) {
    if (this.opening) return;
    this.opening = true;
    let reply;
    for (await this.pause(delay); this.tabs.size; await this.pause(delay)) {
      reply = await new Promise((/** @type {(reply: Reply) => void} */ done) => this.connect(done));
      if (reply.live) break;
      const error = explain("sse", reply);
      if (this.isDenied(reply, error)) break;
      this.isFull(reply.body);
      delay = this.delay(reply);
      if (this.stream) this.fret(error);
      else this.say(this.me === undefined ? "connecting" : "reconnecting", error);
    }
    this.opening = false;
    // The first call shows whether calls come through; later ones are made where one is due.
    const { groups } = this.stream ?? {};
    const isKnown = this.proven && groups?.join() === this.groups().join();
    if (!isKnown || this.isUnsure()) this.plan();
  },

  // Something has failed while there is a stream.
  fret(error) {
    this.trouble = error;
    this.say(this.status, this.error);
  },

  // Who is not let in is not so in a moment either.
  isDenied({ status }, error) {
    if (status !== 401 && status !== 403) return false;
    this.drop();
    this.say("denied", error);
    return true;
  },

  // How long to wait after a failure. Never less than the backoff: a server that says "1" does so
  // each time.
  delay({ wait = 0 }) {
    return Math.max(wait, this.backoff());
  },

  backoff() {
    const most = Math.min(30000, 1000 * 2 ** this.attempt);
    // The first wait may be next to nothing, the others not, or chance would make them many.
    const least = this.attempt++ && most / 2;
    return least + random(most - least);
  },

  // `hurry` ends it.
  pause(ms = 0) {
    if (ms) this.log(`${Math.round(ms)} ms until the next attempt`);
    return new Promise((done) => {
      const timer = setTimeout(done, ms);
      this.hurry = () => done(clearTimeout(timer));
    });
  },

  // One connection, from its attempt to its end; `done` is told when it is live, or has failed.
  async connect(done) {
    const abort = new AbortController();
    const stream = this.createStream(() => abort.abort());
    const url = `${base}sse?v=1&groups=${encodeURIComponent(stream.groups.join())}`;
    try {
      const { signal } = abort;
      const response = await fetch(url, { ...STREAM, signal });
      const { body, headers } = response;
      const isStream = headers.get("content-type")?.startsWith("text/event-stream");
      if (!response.ok || !body || !isStream) done(await this.reply("sse", response));
      else {
        const reader = body.pipeThrough(new TextDecoderStream()).getReader();
        for (let rest = "", piece; !(piece = await reader.read()).done; ) {
          this.heard(stream);
          // The stream may be cut anywhere, and a line may come in a thousand pieces: each is
          // split once. The data of an event is one line.
          const lines = piece.value.split("\n");
          lines[0] = rest + lines[0];
          rest = lines.pop() ?? "";
          for (const line of lines)
            if (line.startsWith("data:")) this.take(stream, JSON.parse(line.slice(5)), done);
        }
      }
    } catch {
      // An end like any other.
    }
    done({});
    this.lose(stream);
  },

  createStream(close) {
    const groups = this.groups().slice(0, FIRST);
    const stream = { groups, close, conn: "", n: 0, at: ++this.clock, silence: 37500, since: now(), proved: now() };
    this.log("a stream is opened");
    this.heard(stream);
    return stream;
  },

  // The stream has shown that it is alive. A watchdog that itself runs late, on a page that was
  // hidden or frozen, gives what waits behind it one more chance.
  heard(stream, isLate = false) {
    clearTimeout(stream.watchdog);
    const due = now() + stream.silence;
    const bite = () => (!isLate && now() > due + 1000 ? this.heard(stream, true) : stream.close());
    stream.watchdog = setTimeout(bite, stream.silence);
    // Without a timer, which may be a minute late.
    if (now() - stream.proved > PROOF) this.control();
  },

  lose(stream) {
    clearTimeout(stream.watchdog);
    stream.close();
    if (stream !== this.stream) return;
    this.log("the stream has ended");
    this.drop();
    this.say("reconnecting", { code: "lost", message: "the connection has ended" });
    this.open(this.backoff());
  },

  // Closes the current stream, without a goodbye.
  drop() {
    this.stream?.close();
    // It has cost two requests.
    if (this.stream?.n === 1) this.attempt++;
    this.stream = null;
    for (const roster of this.rosters.values()) Object.assign(roster, { v: -1, id: random(), lost: false });
  },

  take(stream, frame, done) {
    const { c, e, d } = frame;
    if (e === "@hello") {
      this.hello(stream, d);
      done({ live: true });
    } else if (!c || stream !== this.stream) return;
    else if (e.startsWith("presence:")) {
      const roster = this.rosters.get(c);
      const came = roster ? fold(roster, frame) : [];
      if (came === "gap") {
        Object.assign(roster ?? {}, { v: -1, lost: true });
        // The snapshot of this group alone is asked for.
        stream.gap ??= setTimeout(() => {
          stream.gap = undefined;
          this.plan();
        }, this.backoff());
      } else if (came === "sync") {
        this.show(c);
      } else if (came.length) this.tell(c, { t: "diff", group: c, changes: came });
    } else {
      if (e === "@denied") for (const group of d.groups) this.settle(group, "denied");
      if (e === "@drain")
        stream.drained ??= setTimeout(
          () => stream === this.stream && this.open(),
          this.delay({ wait: random(1000 * clamp(d?.within, 0, 3600, 0)) }),
        );
      this.tell(c, { t: "event", c, e, d });
    }
  },

  // The stream is live. Nothing that was for somebody else is left before anything of the new
  // user is seen.
  hello(stream, hello) {
    const { conn, me, heartbeat } = hello;
    this.log("the stream is live");
    if (this.me !== undefined && this.me !== me) this.reset();
    this.drop();
    this.groups();
    Object.assign(stream, { conn, silence: 2500 * clamp(heartbeat, 1, 300, 15) });
    Object.assign(this, { stream, me, trouble: this.failed ? this.trouble : null });
    this.settleAll(stream.groups, hello);
    this.say("live");
    this.confirm(stream.at);
  },

  // Forgets everything that an identity has seen, and has the tabs forget it.
  reset() {
    this.drop();
    this.me = undefined;
    this.rosters.clear();
    for (const tab of this.tabs.values()) [tab.confirmed, tab.held] = [false, []];
    this.say("connecting", null, true);
  },

  // The last tab is gone: others see it at once.
  goodbye() {
    const { stream } = this;
    this.stream = null;
    this.reset();
    if (stream) this.post(stream, [], true).finally(stream.close);
  },
});

if ("onconnect" in globalThis && !globalThis.document) {
  const hub = createHub(new URL(".", location.href).href);
  globalThis.onconnect = ({ ports: [port] }) => {
    hub.serve(port);
    port.postMessage({ t: "here" });
  };
}
