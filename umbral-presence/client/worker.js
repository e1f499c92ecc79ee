// The hub: one stream for all tabs. The reasons are in internal.d.ts.
const LINGER = 2000;
const PROOF = 10000;
const FIRST = 10;

const NAMES = new Map([["+", "join"], ["-", "leave"], ["~", "update"]]);

// Over plain HTTP a browser sends no `Sec-Fetch-Site`, and no `Origin` with a GET: that it is no
// picture that asks, and whose page it is, is said by these two.
export const STREAM = {
  headers: { accept: "text/event-stream" },
  referrerPolicy: /** @type {const} */ ("origin"),
  credentials: /** @type {const} */ ("include"),
  cache: /** @type {const} */ ("no-store"),
};

const random = (below = 1) => Math.random() * below;

/** @type {CreateRoster} */
export const createRoster = () => ({ members: new Map(), v: -1, id: random(), status: "wanted", error: null });

/** @type {Fold} */
export const fold = (roster, { e, d, v, k }) => {
  if (e === "presence:sync") {
    if (v === roster.v) return [];
    const members = new Map(k.map((key, i) => [key, d[i]]));
    Object.assign(roster, { members, v, lost: false, status: "live", error: null });
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

/** @type {CreateHub} */
export const createHub = (base) => ({
  tabs: new Map(),
  rosters: new Map(),
  stream: null,
  me: undefined,
  status: "connecting",
  error: null,
  full: { limit: Infinity },
  attempt: 0,
  clock: 0,
  lock: `umbral-presence-hub-${random()}`,

  serve(port) {
    port.onmessage = (/** @type {{data: Message}} */ { data }) => this[data.t](port, data);
  },

  async attach(port, { lock, groups }) {
    const tab = { port, groups: new Set(), confirmed: false, since: ++this.clock, held: [] };
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

  vanish(port) {
    const tab = this.tabs.get(port);
    Object.assign(tab ?? {}, { confirmed: false, since: Infinity });
    setTimeout(() => {
      if (this.tabs.get(port) === tab) this.tabs.delete(port);
      this.plan();
    }, LINGER);
  },

  identity() {
    for (const tab of this.tabs.values()) [tab.confirmed, tab.since] = [false, ++this.clock];
    this.attempt = 0;
    this.retry();
  },

  retry() {
    if (this.status === "denied") this.say("connecting");
    this.hurry?.();
    this.plan();
  },

  show(group, tabs) {
    const roster = this.rosters.get(group);
    if (!roster || roster.status === "wanted") return;
    const { status, error, v, id } = roster;
    const members = v < 0 ? null : [...roster.members];
    this.tell(group, { t: "room", group, room: { status, error }, members, roster: id }, tabs);
  },

  tell(channel, message, tabs) {
    for (const tab of tabs ?? this.tabs.values()) {
      if (channel[0] !== "@" && !tab.groups.has(channel)) continue;
      // Its cookies may be another user's.
      if (tab.confirmed) tab.port.postMessage(message);
      else tab.held.push(message);
    }
  },

  say(status, error = null, reset = false) {
    Object.assign(this, { status, error });
    for (const tab of this.tabs.values()) this.greet(tab, reset);
  },

  greet({ port, confirmed }, reset) {
    const { status, error, me } = this;
    port.postMessage({ t: "status", page: { status, error, me: confirmed ? me : null }, reset });
  },

  plan() {
    this.planned ??= setTimeout(() => {
      this.planned = undefined;
      if (!this.tabs.size) this.goodbye();
      else if (this.stream) this.control();
      else if (this.status !== "denied") this.open();
    });
  },

  groups() {
    const wanted = new Set([...this.tabs.values()].flatMap((tab) => [...tab.groups]));
    for (const group of wanted) if (!this.rosters.has(group)) this.rosters.set(group, createRoster());
    const groups = [...this.rosters.keys()].filter((group) => wanted.has(group));
    for (const group of groups.splice(this.full.limit)) this.settle(group, "denied", this.full);
    return groups;
  },

  async control() {
    const { stream } = this;
    if (!stream || this.opening) return;
    stream.changed = true;
    if (stream.calling) return;
    [stream.calling, stream.changed] = [true, false];
    const at = ++this.clock;
    const groups = this.groups();
    for (const [group, roster] of this.rosters)
      if (!groups.includes(group)) Object.assign(roster, { v: -1, id: random(), lost: true });
    const { status = 0, body, wait = 0 } = await this.post(stream, groups);
    if (stream !== this.stream) return;
    if (body?.denied) {
      this.settleAll(groups, body.denied);
      this.confirm(at);
      if (Date.now() - stream.since > 10000) this.attempt = 0;
    } else {
      stream.changed = true;
      if (status === 409) this.reset();
      if (status > 400 && status < 410) return this.open();
      if (!this.isFull(body)) await this.pause(wait || this.backoff());
    }
    stream.calling = false;
    if (stream.changed) this.plan();
  },

  post(stream, groups, last = false) {
    const sync = groups.filter((group) => this.rosters.get(group)?.lost);
    stream.proved = Date.now();
    return fetch(`${base}control`, {
      method: "POST",
      credentials: "include",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ conn: stream.conn, n: ++stream.n, groups, sync }),
      keepalive: last,
      signal: AbortSignal.timeout(10000),
    }).then(this.reply, () => ({}));
  },

  async reply(response) {
    const wait = 1000 * Number(response.headers.get("retry-after")) || 0;
    return { status: response.status, body: await response.json().catch(() => null), wait: wait + random(wait) };
  },

  isFull(body) {
    const full = body?.error;
    if (full?.code !== "too_many_groups" || full.limit >= this.full.limit) return false;
    return (this.full = full);
  },

  settleAll(groups, denied) {
    for (const group of this.rosters.keys())
      if (groups.includes(group)) this.settle(group, denied.includes(group) ? "denied" : "live");
      else this.rosters.delete(group);
  },

  settle(group, status, error = null) {
    const roster = this.rosters.get(group);
    if (!roster || (status === "live" && roster.status === status)) return;
    if (status === "denied") {
      roster.v = -1;
      error ??= { code: status, message: `you are not let into ${group}` };
    }
    Object.assign(roster, { status, error });
    this.show(group);
  },

  confirm(at) {
    for (const tab of this.tabs.values()) {
      if (tab.confirmed || tab.since > at) continue;
      tab.confirmed = true;
      this.greet(tab);
      for (const message of tab.held.splice(0)) tab.port.postMessage(message);
    }
  },

  async open(delay = 0) {
    if (this.opening) return;
    this.opening = true;
    for (await this.pause(delay); this.tabs.size; await this.pause(delay)) {
      const { live, status = 0, body, wait = 0 } = await new Promise((done) => this.connect(done));
      if (live) break;
      if (this.isFull(body)) delay = 0;
      else if (status > 399 && status < 404) {
        this.drop();
        this.say("denied", body?.error ?? { code: `${status}` });
        break;
      } else {
        if (!this.stream) this.say(this.me === undefined ? "connecting" : "reconnecting");
        delay = wait || this.backoff();
      }
    }
    this.opening = false;
    this.plan();
  },

  backoff() {
    return random(Math.min(30000, 1000 * 2 ** this.attempt++));
  },

  pause(ms) {
    return new Promise((done) => {
      const timer = setTimeout(done, ms);
      this.hurry = () => done(clearTimeout(timer));
    });
  },

  async connect(done) {
    const abort = new AbortController();
    const stream = this.createStream(() => abort.abort());
    const url = `${base}sse?v=1&groups=${encodeURIComponent(stream.groups.join())}`;
    try {
      const { signal } = abort;
      const response = await fetch(url, { ...STREAM, signal });
      if (!response.ok || !response.body) done(await this.reply(response));
      else {
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let rest = "", piece; !(piece = await reader.read()).done; ) {
          this.heard(stream);
          const lines = (rest + piece.value).split("\n");
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
    const stream = { groups, close, conn: "", n: 0, at: ++this.clock, silence: 37500, since: Date.now(), proved: Date.now() };
    this.heard(stream);
    return stream;
  },

  heard(stream) {
    clearTimeout(stream.watchdog);
    stream.watchdog = setTimeout(stream.close, stream.silence);
    if (Date.now() - stream.proved > PROOF) this.plan();
  },

  lose(stream) {
    clearTimeout(stream.watchdog);
    stream.close();
    if (stream !== this.stream) return;
    this.drop();
    this.say("reconnecting");
    this.open(this.backoff());
  },

  drop() {
    this.stream?.close();
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
        this.plan();
      } else if (came === "sync") {
        this.show(c);
      } else if (came.length) this.tell(c, { t: "diff", group: c, changes: came });
    } else {
      if (e === "@denied") for (const group of d.groups) this.settle(group, "denied");
      if (e === "@drain") setTimeout(() => stream === this.stream && this.open(), random(1000 * d.within));
      this.tell(c, { t: "event", c, e, d });
    }
  },

  hello(stream, { conn, me, denied, heartbeat }) {
    // Nothing of the user before is left.
    if (this.me !== undefined && this.me !== me) this.reset();
    this.drop();
    this.groups();
    Object.assign(stream, { conn, silence: 2500 * heartbeat });
    Object.assign(this, { stream, me });
    this.settleAll(stream.groups, denied);
    this.say("live");
    this.confirm(stream.at);
  },

  reset() {
    this.drop();
    this.me = undefined;
    this.rosters.clear();
    for (const tab of this.tabs.values()) [tab.confirmed, tab.held] = [false, []];
    this.say("connecting", null, true);
  },

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
