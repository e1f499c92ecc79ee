// `umbral.realtime`. The reasons for what is done here are in internal.d.ts.
(() => {
  // An element named `umbral` is no property of the window's own.
  const before = Object.hasOwn(globalThis, "umbral") ? globalThis.umbral : null;
  if (before?.realtime) return;

  // The server puts the hash of what is loaded here. In a package there is none, and there the
  // script's address says nothing of the server's.
  const HASH = "__HASH__";
  const isServed = HASH[0] !== "_";
  const VERSION = isServed ? HASH : "0.1.0";

  /** So many messages wait for a hub at most. */
  const MOST_UNSENT = 100;

  // A property of the document itself, and not an element of that name, which would cover it.
  /** @param {string} name */
  const ofDocument = (name) => globalThis.document && Reflect.get(Document.prototype, name, document);

  /** Without the user and password of whoever looks at the page. @type {(url: string | URL, from?: URL) => URL} */
  const bare = (url, from) => Object.assign(new URL(url, from), { username: "", password: "" });

  /** The server's URL, with a slash at its end. @type {(base: string) => string} */
  const place = (base) => {
    const url = new URL(`${base}`.replace(/\/?$/, "/"), bare(globalThis.location?.href ?? "http://server"));
    // An empty query or fragment is one, too: what follows would be part of it.
    if (!base || !/^https?:\/\/[^/@]+\/[^?#]*$/.test(url.href))
      throw new TypeError(`umbral.realtime: base is a path or URL without user, query and hash, not ${bare(url)}`);
    return url.href;
  };

  // Once while it lasts.
  /** @type {(about: {said?: string | null}, error: import("./client.mjs").Failure | null, group?: string) => void} */
  const report = (about, error, group = "") => {
    const text = error && `${group}${error.message} (${error.code})`;
    if (text && text !== about.said) console.warn("umbral.realtime:", text);
    about.said = text;
  };

  /** Pairs the entries of two rosters by a name; gives those of each that are left.
   * @type {(old: Entry[], now: Entry[], nameOf: (entry: Entry) => unknown) => [Entry[], Entry[]]} */
  const unpaired = (old, now, nameOf) => {
    /** @type {Map<unknown, Entry[]>} */
    const named = new Map();
    for (const each of old) named.get(nameOf(each))?.push(each) ?? named.set(nameOf(each), [each]);
    const rest = now.filter((each) => !named.get(nameOf(each))?.pop());
    return [[...named.values()].flat(), rest];
  };

  /** @type {CreateRoom} */
  const createRoom = (group) => ({
    status: "connecting",
    error: null,
    presence: true,
    members: null,
    list: null,
    shown: null,
    watches: new Set(),
    listeners: new Set(),

    // Two members may be shown alike, so it is counted who has come and gone. Keys tell them
    // apart, but those of another roster are others: then the id does, or all that is shown.
    sync(entries, roster) {
      const { members } = this;
      const isSame = roster === this.roster;
      Object.assign(this, { members: new Map(entries), roster, list: null, shown: null });
      if (members) {
        /** @type {(entry: Entry) => unknown} */
        const nameOf = ([key, each]) => (isSame ? key : JSON.stringify(each?.id ?? each));
        const [gone, come] = unpaired([...members], entries, (entry) => JSON.stringify([nameOf(entry), entry[1]]));
        const [left, joined] = unpaired(gone, come, nameOf);
        const isNew = new Set(joined);
        for (const [, member] of left) this.emit("leave", member);
        for (const entry of come) this.emit(isNew.has(entry) ? "join" : "update", entry[1]);
      }
      for (const watch of this.watches) watch.start();
    },

    change(changes) {
      const { members } = this;
      if (!members) return;
      for (const [event, key, payload] of changes) {
        const member = event === "leave" ? members.get(key) : payload;
        if (event === "leave") members.delete(key);
        else members.set(key, member);
        this.list = this.shown = null;
        this.emit(event, member);
      }
    },

    emit(event, member) {
      for (const watch of this.watches) if (watch.synced) watch.emit(event, member);
    },

    failure() {
      if (this.presence || !this.watches.size) return this.error;
      return { code: "no_presence", message: "the server declares no presence for this group" };
    },

    tell() {
      this.shown = null;
      report(this, this.failure(), `${group}: `);
      for (const watch of this.watches) watch.tell();
    },

    forget() {
      Object.assign(this, { status: "connecting", error: null, presence: true, members: null, list: null });
      for (const watch of this.watches) watch.synced = false;
    },

    snapshot() {
      const members = (this.list ??= Object.freeze([...(this.members?.values() ?? [])]));
      const { me } = page;
      const status = this.status === "denied" || page.status === "live" ? this.status : page.status;
      const error = this.error ?? page.error ?? this.failure();
      return (this.shown ??= Object.freeze({ members, count: members.length, me, status, error }));
    },
  });

  const script = isServed && ofDocument("currentScript");

  /** @type {Page} */
  const page = {
    base: isServed ? script?.src && bare(".", script.src).href : "/realtime/",
    hub: "worker",
    debug: false,
    rooms: new Map(),
    everywhere: new Set(),
    port: null,
    unsent: [],
    status: "connecting",
    me: null,
    error: null,
    starts: 0,
    tries: 0,
    since: -Infinity,
    again: "",
    locks: null,

    url(script) {
      return `${this.base}${script}.js?v=${VERSION}`;
    },

    load(script) {
      return import(/* webpackIgnore: true */ /* @vite-ignore */ this.url(script) + this.again);
    },

    log(text) {
      if (this.debug) console.debug("umbral.realtime:", text);
    },

    call(handler, ...values) {
      try {
        handler(...values);
      } catch (error) {
        reportError(error);
      }
    },

    enter(group) {
      if (!this.base) throw new Error("umbral.realtime: call configure({ base }) first");
      if (typeof group !== "string" || !/^(?!@)[^\s,\p{Cc}\p{Cs}\p{DI}\u2800\uFFF9-\uFFFB]+$/u.test(group) || new Blob([group]).size > 200) {
        const rule = "1 to 200 bytes without white space, invisible characters, comma or leading @";
        throw new TypeError(`umbral.realtime: a group name is ${rule}, not ${JSON.stringify(group)}`);
      }
      const room = this.rooms.get(group) ?? createRoom(group);
      this.rooms.set(group, room);
      if (room.status === "denied") {
        room.forget();
        room.tell();
      }
      this.plan();
      return room;
    },

    plan() {
      if (!this.begun) this.begin();
      if (this.planned) return;
      this.planned = true;
      queueMicrotask(() => {
        this.planned = false;
        // A group that is left and entered in one task keeps its members.
        for (const [group, { watches, listeners }] of this.rooms)
          if (!watches.size && !listeners.size) this.rooms.delete(group);
        this.post({ t: "want", groups: [...this.rooms.keys()] });
      });
    },

    // A hub is told what is wanted when there is one.
    post(message) {
      if (this.port) this.port.postMessage(message);
      else if (message.t === "send" && this.unsent.push(message) > MOST_UNSENT)
        console.error("umbral.realtime: not connected, and not sent:", this.unsent.pop()?.text);
    },

    receive(data) {
      const { t, group, e, d, c } = data;
      const room = this.rooms.get(group ?? c);
      if (t === "event") {
        const listeners = c[0] === "@" ? this.everywhere : room?.listeners;
        for (const { handlers } of listeners ?? [])
          if (typeof handlers === "function") this.call(handlers, e, d, c);
          else if (Object.hasOwn(handlers, e)) this.call(handlers[e], d, c);
      } else if (t === "log") this.log(data.text);
      else if (t === "status") {
        Object.assign(this, data.page);
        report(this, this.error);
        for (const each of this.rooms.values()) {
          if (data.reset) each.forget();
          each.tell();
        }
      } else if (room) {
        if (t === "diff") room.change(data.changes);
        else {
          if (data.room.status === "denied" || data.room.presence === false) room.forget();
          Object.assign(room, data.room);
          if (data.members) room.sync(data.members, data.roster);
        }
        room.tell();
      }
    },

    begin() {
      this.base = place(this.base ?? "");
      this.begun = true;
      // Outside of a page, that is on a server, nothing is ever known.
      if (!globalThis.document) return;
      this.listen();
      // A page that is prerendered may never be looked at.
      if (ofDocument("prerendering")) addEventListener.call(document, "prerenderingchange", () => this.start());
      else this.start();
    },

    async start() {
      const nth = ++this.starts;
      const isOver = () => nth !== this.starts;
      const url = this.url(this.hub);
      const name = `umbral-presence ${url}`;
      const fallBack = async () => {
        this.alone = true;
        try {
          const { join } = await this.load("leader");
          const port = await join(this.base, url + this.again, name, this.locks);
          if (!isOver()) this.attach(port);
        } catch (error) {
          this.again = `#${nth}`;
          this.receive({ t: "status", page: { error: { code: "script", message: `${error}` } } });
          this.restart(nth);
        }
      };
      if (this.status === "live") this.receive({ t: "status", page: { status: "reconnecting" } });
      const isLed = await this.isLed(`${name}-leader`);
      if (isOver()) return;
      this.log(`locks: ${!!this.locks}, leader: ${isLed}`);
      if (!this.locks || isLed || this.alone) return fallBack();
      try {
        const worker = new SharedWorker(url, { type: "module", name, extendedLifetime: true });
        const { port } = worker;
        const refused = () => {
          if (this.port || isOver()) return;
          this.log("no worker");
          // It may come yet, and is not to serve this page then.
          port.postMessage({ t: "vanish" });
          port.close();
          fallBack();
        };
        worker.onerror = refused;
        // In two steps, since a page that was busy may hear of the time before it hears of the worker.
        setTimeout(setTimeout, 2000, refused, 1000);
        // The first word of a worker says that it runs.
        port.onmessage = () => isOver() || this.attach(port);
      } catch {
        fallBack();
      }
    },

    restart(nth) {
      const now = performance.now();
      this.tries = now - this.since < 40000 ? this.tries + 1 : 0;
      this.since = now;
      setTimeout(() => nth === this.starts && this.start(), Math.min(30000, 100 * 2 ** this.tries));
    },

    async isLed(lock) {
      this.locks = null;
      try {
        const { locks } = navigator;
        const isLed = await locks.request(lock, { mode: "shared", ifAvailable: true }, (held) => !held);
        this.locks = locks;
        return isLed;
      } catch {
        // There are none, or this page may not use them.
      }
    },

    attach(port) {
      this.leave?.();
      const { debug, locks } = this;
      const name = `umbral-presence-tab ${this.base} ${Math.random()}`;
      const lock = locks && name;
      const hello = () => port.postMessage({ t: "attach", lock, debug, groups: [...this.rooms.keys()] });
      port.onmessage = ({ data }) => {
        if (data.t === "ready") this.use(port, data.lock);
        else if (!this.deaf) this.receive(data);
      };
      if (!locks) return hello();
      locks.request(name, () => (hello(), new Promise((done) => (this.leave = done))));
    },

    use(port, lock) {
      if (this.port) return (this.deaf = false);
      this.port = port;
      if (this.deaf) this.post({ t: "identity" });
      for (const message of this.unsent.splice(0)) this.post(message);
      this.plan();
      if (this.deaf) this.attach(port);
      this.locks?.request(lock, { mode: "shared" }, () => {
        if (this.port !== port) return;
        this.port = null;
        this.restart(this.starts);
      });
    },

    listen() {
      addEventListener("pagehide", () => {
        this.port?.postMessage({ t: "vanish" });
        this.port = null;
        this.starts++;
        this.leave?.();
      });
      addEventListener("pageshow", (event) => event.persisted && this.start());
      const wake = () => setTimeout(() => this.post({ t: "retry" }), 500 * Math.random());
      addEventListener("online", wake);
      addEventListener.call(document, "visibilitychange", () => ofDocument("hidden") || wake());
    },
  };

  /** @type {Client} */
  const realtime = {
    presence(group, handlers = {}) {
      const room = page.enter(group);
      /** @type {Watch} */
      const watch = {
        on: new Set([(event, value) => handlers[event]?.(value)]),
        synced: false,
        status: room.snapshot().status,
        emit(event, value) {
          for (const handler of this.on) page.call(handler, event, value);
        },
        add(handler) {
          this.on.add(handler);
          return () => this.on.delete(handler);
        },
        start() {
          this.synced = true;
          this.emit("sync", self.members);
        },
        tell() {
          const { status } = self;
          if (status !== this.status) this.emit("status", (this.status = status));
          this.emit("change");
        },
      };

      /** @type {Subscribed} */
      const self = {
        get members() {
          return self.snapshot().members;
        },
        get count() {
          return self.snapshot().count;
        },
        get me() {
          return self.snapshot().me;
        },
        get status() {
          return self.snapshot().status;
        },
        get error() {
          return self.snapshot().error;
        },
        snapshot: () => watch.last ?? room.snapshot(),
        on: (event, handler) => watch.add((name, value) => name === event && handler(value)),
        subscribe(changed) {
          page.call(changed, self.snapshot());
          return watch.add((name) => name === "change" && changed(self.snapshot()));
        },
        unsubscribe() {
          watch.last = Object.freeze({ ...room.snapshot(), status: "closed" });
          room.watches.delete(watch);
          watch.tell();
          watch.on.clear();
          page.plan();
        },
        async *[Symbol.asyncIterator]() {
          const { iterate } = await page.load("iterate");
          yield* iterate(self, watch.synced);
        },
      };
      const { dispose, asyncDispose } = Symbol;
      if (dispose) Object.assign(self, { [dispose]: self.unsubscribe, [asyncDispose]: self.unsubscribe });

      room.watches.add(watch);
      queueMicrotask(() => {
        if (!room.presence) room.tell();
        if (!room.members || watch.synced) return;
        watch.start();
        watch.tell();
      });
      return self;
    },

    subscribe(groups, handlers) {
      const listener = { handlers };
      const sets = [page.everywhere, ...[groups].flat().map((group) => page.enter(group).listeners)];
      for (const set of sets) set.add(listener);
      return {
        unsubscribe() {
          for (const set of sets) set.delete(listener);
          page.plan();
        },
      };
    },

    send(group, event, data) {
      if (page.hub !== "ws") throw new Error('umbral.realtime: send() needs configure({ transport: "ws" })');
      page.plan();
      page.post({ t: "send", text: JSON.stringify({ group, event, data }) });
    },

    reconnect() {
      if (!page.begun) return;
      page.deaf = true;
      // What one user has written is not sent as another's.
      page.unsent = [];
      if (!page.port) return;
      page.post({ t: "identity" });
      page.attach(page.port);
    },

    configure({ base, transport = "sse", debug = false, ...others }) {
      const unknown = Object.keys(others);
      if (unknown.length) throw new TypeError(`umbral.realtime: configure() takes base, transport, debug and no ${unknown}`);
      const hub = { sse: "worker", ws: "ws" }[transport];
      if (!hub || page.begun) throw new Error('umbral.realtime: configure() comes first; transport is "sse" or "ws"');
      if (base !== undefined) page.base = place(base);
      Object.assign(page, { hub, debug: !!debug });
    },

    get configured() {
      return !!page.base;
    },
  };

  globalThis.umbral = { ...before, realtime: /** @type {any} */ (realtime) };
})();
