// The hub: one stream for all tabs of a browser, the rosters that it carries, and who
// wants which of them. It runs in a SharedWorker, or in the tab itself where there is none.

/**
 * @typedef {{postMessage(message: any): void, onmessage: ((event: any) => any) | null}} Port
 * @typedef {{groups: Set<string>, confirmed: boolean, since: number}} Tab
 * @typedef {["+" | "~", number, any] | ["-", number]} Change
 * @typedef {{c: string, e: string, d: any, v?: number, k?: any}} Frame
 * @typedef {{abort: AbortController, groups: Set<string>, asks: number, told: number,
 *   conn: string, n: number, proved: number, at: number}} Stream
 */

/** How long the groups of a vanished tab are kept, for it may be a reload. */
const LINGER = 2000;
/** How long after a sign of life the server is shown another, once it says something itself:
 * its heartbeat wakes a hidden page too, where timers run once a minute. */
const PROOF = 10000;
/** Longer lists of groups are sent by `control` instead of in the URL. */
const MAX_QUERY = 4000;

/** One group's members, folded from frames. */
export class Roster {
  constructor() {
    /** @type {Map<number, any> | null} `null` until the first snapshot. */
    this.members = null;
    this.v = 0;
    /** @type {"wanted" | "live" | "denied"} what the server has said of it */
    this.status = "wanted";
  }

  /**
   * Takes a `presence:*` frame in.
   * @param {Frame} frame
   * @returns {"sync" | "gap" | Change[]} what it came to
   */
  apply({ e, d, v = this.v + 1, k }) {
    if (e === "presence:sync") {
      this.members = new Map(d.map((/** @type {any} */ payload, /** @type {number} */ i) => [k[i], payload]));
      this.v = v;
      return "sync";
    }
    /** @type {Record<string, Change[]>} */
    const single = {
      "presence:join": [["+", k, d]],
      "presence:leave": [["-", k]],
      "presence:update": [["~", k, d]],
    };
    /** @type {Change[]} */
    const changes = e === "presence:diff" ? d : (single[e] ?? []);
    // What comes before the snapshot is in it; what it holds already is not new.
    const fresh = this.members ? changes.slice(Math.max(0, this.v - (v - changes.length))) : [];
    if (!this.members || !fresh.length) return [];
    if (v - fresh.length !== this.v) return "gap";
    for (const [sign, key, payload] of fresh) {
      if (sign === "-") this.members.delete(key);
      else this.members.set(key, payload);
    }
    this.v = v;
    return fresh;
  }
}

/**
 * Reads an event stream.
 * @param {(data: string) => void} onData called with the data of each event
 * @returns {(text: string) => void} takes the stream's next piece, cut anywhere
 */
export function eventReader(onData) {
  let rest = "";
  let data = "";
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines.map((l) => l.replace(/\r$/, ""))) {
      if (line.startsWith("data:")) data += line.slice(line[5] === " " ? 6 : 5);
      else if (line === "") {
        if (data) onData(data);
        data = "";
      }
    }
  };
}

/** @param {number} ms */
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
/** @param {number} below */
const random = (below) => Math.random() * below;
/** @param {Response} response */
const retryAfter = (response) => 1000 * (Number(response.headers.get("retry-after")) || 0);

export class Hub {
  /** @param {string} base the URL that everything is under, with a slash at its end */
  constructor(base) {
    this.base = base;
    /** @type {Map<Port, Tab>} */
    this.tabs = new Map();
    /** @type {Map<string, Roster>} */
    this.rooms = new Map();
    /** @type {Map<string, number>} groups of vanished tabs, and until when they are kept */
    this.lingering = new Map();
    /** @type {Stream | null} */
    this.stream = null;
    /** @type {string | null | undefined} */
    this.me = undefined;
    this.status = "connecting";
    this.opening = false;
    this.calling = false;
    this.attempt = 0;
    /** Orders what tabs ask and what is asked of the server. */
    this.clock = 0;
    /** @type {(() => void) | null} ends the wait before the next attempt */
    this.hurry = null;
    this.planned = false;
    // Held for as long as this hub lives, so that tabs notice when it dies.
    this.lock = `umbral-presence-hub-${Math.random()}`;
    /** @type {Promise<void>} */
    this.held = new Promise((held) => {
      if (!navigator.locks) return held();
      navigator.locks.request(this.lock, () => (held(), new Promise(() => {}))).catch(() => held());
    });
  }

  /** @param {Port} port a tab's */
  serve(port) {
    port.onmessage = ({ data }) => {
      if (data.t === "attach") this.attach(port, data.lock, data.groups);
      const tab = this.tabs.get(port);
      if (!tab) return;
      if (data.t === "groups") this.want(port, tab, data.groups);
      if (data.t === "retry") this.retry(data.group);
      if (data.t === "detach") this.vanish(port, tab);
      if (data.t === "wake") this.wake();
      if (data.t === "identity") this.checkIdentity();
    };
  }

  /** @param {Port} port @param {string | null} lock held for as long as the tab lives
   * @param {string[]} groups */
  async attach(port, lock, groups) {
    // Cookies may have changed since the stream was opened, so the tab sees nothing until
    // a call with those of now has been answered.
    const tab = { groups: new Set(groups), confirmed: false, since: ++this.clock };
    this.tabs.set(port, tab);
    if (this.status === "refused") this.status = "connecting";
    if (lock) navigator.locks.request(lock, () => this.vanish(port, tab));
    this.plan();
    await this.held;
    port.postMessage({ t: "ready", lock: navigator.locks ? this.lock : null });
    port.postMessage({ t: "status", status: this.status, me: this.me });
  }

  /** @param {Port} port @param {Tab} tab @param {string[]} groups */
  want(port, tab, groups) {
    const before = tab.groups;
    tab.groups = new Set(groups);
    if (tab.confirmed) for (const group of groups) if (!before.has(group)) this.show(port, group);
    this.plan();
  }

  /** Tells a tab what is known of a group. @param {Port} port @param {string} group */
  show(port, group) {
    const room = this.rooms.get(group);
    if (!room) return;
    port.postMessage({ t: "room", group, status: room.status });
    if (room.members) port.postMessage({ t: "sync", group, members: [...room.members] });
  }

  /** A tab is gone, or hidden for good. @param {Port} port @param {Tab} tab */
  vanish(port, tab) {
    if (this.tabs.get(port) !== tab) return;
    this.tabs.delete(port);
    for (const group of tab.groups) this.lingering.set(group, Date.now() + LINGER);
    setTimeout(() => this.plan(), LINGER + 10);
  }

  /** The next attempt need not wait: the page is looked at, or the network is back. */
  wake() {
    if (this.status === "refused") this.open();
    setTimeout(() => this.hurry?.(), random(500));
  }

  /** Somebody may have signed in or out. */
  checkIdentity() {
    for (const tab of this.tabs.values()) [tab.confirmed, tab.since] = [false, ++this.clock];
    this.attempt = 0;
    if (this.status === "refused") this.open();
    this.hurry?.();
    this.plan();
  }

  /** Changes of one macrotask are sent together. */
  plan() {
    if (this.planned) return;
    this.planned = true;
    setTimeout(() => {
      this.planned = false;
      this.reconcile();
    });
  }

  wanted() {
    const now = Date.now();
    for (const [group, until] of this.lingering) if (until <= now) this.lingering.delete(group);
    const wanted = new Set(this.lingering.keys());
    for (const tab of this.tabs.values()) for (const group of tab.groups) wanted.add(group);
    return wanted;
  }

  /** Makes the stream what the tabs want it to be. */
  reconcile() {
    const wanted = this.wanted();
    if (!this.tabs.size && !wanted.size) return this.goodbye();
    for (const group of wanted) if (!this.rooms.has(group)) this.rooms.set(group, new Roster());
    if (!this.stream) return void (this.status === "refused" || this.open());
    const { groups, asks, told } = this.stream;
    const same = groups.size === wanted.size && [...wanted].every((group) => groups.has(group));
    if (!same || told !== asks || [...this.tabs.values()].some((tab) => !tab.confirmed)) this.control();
  }

  /** Says to the server which groups this browser is in, and that it is there. */
  async control() {
    const stream = this.stream;
    // An opening stream has the groups of its own; what changes meanwhile comes after.
    if (!stream || this.calling || this.opening) return;
    this.calling = true;
    const groups = [...this.wanted()];
    this.narrow(stream, groups);
    const { asks } = stream;
    stream.told = -1;
    const at = ++this.clock;
    const response = await this.post(stream, groups).catch(() => null);
    const answer = response?.ok ? await response.json().catch(() => null) : null;
    this.calling = false;
    if (stream !== this.stream) return this.plan();
    if (answer) {
      stream.told = asks;
      for (const group of groups) this.settle(group, answer.denied.includes(group));
      this.confirm(at);
      return this.plan();
    }
    if (response?.status === 409) this.reset();
    if (response?.status === 404 || response?.status === 409) return void this.open();
    let wait = 1000;
    if (response && response.status < 429) {
      // The same call would be answered in the same way: this is for the developer.
      console.error(`umbral.realtime: ${response.status}`, await response.text());
      stream.told = asks;
      wait = 10000;
    } else if (response) wait = retryAfter(response) || wait;
    await sleep(wait + random(wait));
    this.plan();
  }

  /** From here on the stream has these groups, and what is known of others is not kept up.
   * @param {Stream} stream @param {Iterable<string>} groups */
  narrow(stream, groups) {
    stream.groups = new Set(groups);
    for (const group of this.rooms.keys()) if (!stream.groups.has(group)) this.rooms.delete(group);
    for (const group of groups) if (!this.rooms.has(group)) this.rooms.set(group, new Roster());
  }

  /** @param {Stream} stream @param {string[]} groups @param {boolean} [last] */
  post(stream, groups, last = false) {
    stream.n += 1;
    stream.proved = Date.now();
    return fetch(`${this.base}control`, {
      method: "POST",
      credentials: "same-origin",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ conn: stream.conn, n: stream.n, groups }),
      keepalive: last,
      signal: AbortSignal.timeout(10000),
    });
  }

  /** The server has said whether a group may be joined.
   * @param {string} group @param {boolean} denied */
  settle(group, denied) {
    const room = this.rooms.get(group);
    const status = denied ? "denied" : "live";
    if (!room || room.status === status) return;
    room.status = status;
    if (denied) room.members = null;
    this.tell(group, { t: "room", group, status });
  }

  /** A denied group is asked for again. @param {string} group */
  retry(group) {
    const room = this.rooms.get(group);
    if (room?.status !== "denied" || !this.stream) return;
    room.status = "wanted";
    this.stream.asks += 1;
    this.plan();
  }

  /** Tabs may see what this identity sees; not those that have come, or have signed in, since
   * the request that tells was sent: its cookies may be older. @param {number} at */
  confirm(at) {
    for (const [port, tab] of this.tabs) {
      if (tab.confirmed || tab.since > at) continue;
      tab.confirmed = true;
      for (const group of tab.groups) this.show(port, group);
    }
  }

  /** Opens a stream; one that is open is closed once the new one is there.
   * @param {number} [delay] before the first attempt */
  async open(delay = 0) {
    if (this.opening) return;
    this.opening = true;
    if (delay) await this.pause(delay);
    while (this.tabs.size || this.wanted().size) {
      const refused = await this.connect();
      if (refused === null) break;
      if (refused && [400, 401, 403].includes(refused.status)) {
        console.error(`umbral.realtime: ${refused.status}`, await refused.text());
        this.opening = false;
        return this.say("refused");
      }
      const wait = refused ? retryAfter(refused) : 0;
      if (!this.stream) this.say(this.me === undefined ? "connecting" : "reconnecting");
      await this.pause(wait ? wait + random(wait) : this.backoff());
    }
    this.opening = false;
    this.plan();
  }

  backoff() {
    return random(Math.min(30000, 1000 * 2 ** this.attempt++));
  }

  /** @param {number} ms */
  pause(ms) {
    return new Promise((/** @type {(value?: any) => void} */ done) => {
      const timer = setTimeout(done, ms);
      this.hurry = () => (clearTimeout(timer), done());
    }).finally(() => (this.hurry = null));
  }

  /**
   * One attempt.
   * @returns {Promise<Response | null | undefined>} `null` where it is live, a refusal, or
   *   `undefined` where there was no answer
   */
  async connect() {
    const abort = new AbortController();
    let query = "";
    const groups = new Set();
    for (const group of this.wanted()) {
      const more = `${query && ","}${encodeURIComponent(group)}`;
      if (query.length + more.length > MAX_QUERY) break;
      query += more;
      groups.add(group);
    }
    /** @type {Stream} */
    const stream = { abort, groups, asks: 0, told: 0, conn: "", n: 0, proved: Date.now(), at: ++this.clock };
    const slow = setTimeout(() => abort.abort(), 30000);
    try {
      const response = await fetch(`${this.base}sse?v=1&groups=${query}`, {
        credentials: "same-origin",
        cache: "no-store",
        signal: abort.signal,
      });
      if (!response.ok || !response.body) return response;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      return await new Promise((done) => {
        this.read(stream, reader, () => done(null)).then(() => done(undefined));
      });
    } catch {
      return undefined;
    } finally {
      clearTimeout(slow);
    }
  }

  /**
   * Reads a stream to its end.
   * @param {Stream} stream
   * @param {ReadableStreamDefaultReader<string>} reader
   * @param {() => void} live called once it has said hello
   */
  async read(stream, reader, live) {
    let silence = 37500;
    /** @type {any} */
    let watchdog;
    const feed = eventReader((data) => {
      const frame = JSON.parse(data);
      if (frame.e === "@hello") {
        silence = 2500 * frame.d.heartbeat;
        this.hello(stream, frame.d);
        live();
      } else if (frame.c && stream === this.stream) this.take(stream, frame);
    });
    try {
      for (;;) {
        watchdog = setTimeout(() => stream.abort.abort(), silence);
        const { done, value } = await reader.read();
        clearTimeout(watchdog);
        if (done) break;
        feed(value);
        if (stream === this.stream && Date.now() - stream.proved > PROOF) this.control();
      }
    } catch {
      // Broken off, which is an end like any other.
    }
    clearTimeout(watchdog);
    stream.abort.abort();
    if (stream !== this.stream) return;
    this.stream = null;
    this.say("reconnecting");
    this.open(this.backoff());
  }

  /** @param {Stream} stream @param {{conn: string, me: string | null, denied: string[]}} hello */
  hello(stream, { conn, me, denied }) {
    // Nothing that was for somebody else is left before anything of the new one is seen.
    if (this.me !== undefined && this.me !== me) this.reset();
    const old = this.stream;
    this.stream = stream;
    old?.abort.abort();
    stream.conn = conn;
    this.me = me;
    this.narrow(stream, stream.groups);
    for (const group of stream.groups) this.settle(group, denied.includes(group));
    this.say("live");
    this.confirm(stream.at);
    setTimeout(() => {
      if (stream === this.stream) this.attempt = 0;
    }, 10000);
  }

  /** @param {Stream} stream @param {Frame} frame */
  take(stream, frame) {
    const { c, e, d } = frame;
    if (e === "@denied") return this.settle(d.group, true);
    if (e === "@drain") {
      const replace = () => stream === this.stream && this.open();
      return void setTimeout(replace, random(1000 * d.within));
    }
    if (!e.startsWith("presence:")) return this.tell(c, { t: "event", c, e, d });
    const room = this.rooms.get(c);
    const came = room?.apply(frame);
    if (!room || !came) return;
    // Two streams of one user show nothing to others, so a new one is the way to a
    // snapshot that nobody notices.
    if (came === "gap") return void this.open();
    if (came === "sync") for (const [port, tab] of this.tabs) {
      if (tab.confirmed && tab.groups.has(c)) this.show(port, c);
    }
    else if (came.length) this.tell(c, { t: "diff", group: c, changes: came });
  }

  /** @param {string} channel a group, or one that concerns every tab @param {any} message */
  tell(channel, message) {
    for (const [port, tab] of this.tabs) {
      if (tab.confirmed && (channel[0] === "@" || tab.groups.has(channel))) port.postMessage(message);
    }
  }

  /** @param {string} status */
  say(status) {
    this.status = status;
    for (const port of this.tabs.keys()) port.postMessage({ t: "status", status, me: this.me });
  }

  /** Forgets everything that an identity has seen. */
  reset() {
    for (const group of this.rooms.keys()) this.rooms.set(group, new Roster());
    for (const [port, tab] of this.tabs) {
      tab.confirmed = false;
      port.postMessage({ t: "reset" });
    }
  }

  /** The last tab is gone: others see it at once. */
  goodbye() {
    const stream = this.stream;
    this.stream = null;
    this.me = undefined;
    this.status = "connecting";
    this.rooms.clear();
    if (stream) this.post(stream, [], true).catch(() => {}).finally(() => stream.abort.abort());
  }
}

if ("SharedWorkerGlobalScope" in globalThis) {
  const hub = new Hub(new URL(".", location.href).href);
  /** @type {any} */ (globalThis).onconnect = (/** @type {any} */ event) => hub.serve(event.ports[0]);
}
