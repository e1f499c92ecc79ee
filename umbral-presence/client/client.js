// `umbral.realtime` in a page. What the server knows comes from the hub (worker.js), which all tabs
// of a browser share; its messages, and the fields of what is kept here, are listed in internal.d.ts.
//
//   subscription (presence) ── room ── page ── port ── hub
//
// Markup may cover what the window and the document have by elements of the same names, so what is
// looked for there is taken from their prototypes.
(() => {
  /** @type {any} */
  const before = Object.hasOwn(globalThis, "umbral") && globalThis.umbral;
  if (before.realtime) return;

  // The server puts the hash of the scripts that are loaded here. In the npm package it is the version,
  // and there a script's address says nothing of the server's.
  const VERSION = "0.1.0";
  const isServed = VERSION[1] !== ".";

  /** A property of the document itself. @param {string} name */
  const ofDocument = (name) => globalThis.document && Reflect.get(Document.prototype, name, document);

  /** A URL without the user and password of whoever looks at the page, which `fetch` refuses.
   * @param {URL} url */
  const bare = ({ origin, pathname }) => origin + pathname;

  /** The server's URL, with a slash at its end. @type {(base: string) => string} */
  const place = (base) => {
    const url = new URL(`${base}`.replace(/\/?$/, "/"), `${globalThis.location ?? "http://server"}`);
    if (!base || /[?#]|\/\/[^/]*@/.test(base) || !/^http/.test(url.href))
      throw new TypeError(`umbral.realtime: base is a path or URL without user, query, hash, not ${`${base}`.replace(/\/\/[^/]*@/, "//")}`);
    return bare(url);
  };

  /** Writes an error to the console, once while it lasts.
   * @type {(about: {said?: string | null}, error: import("./client.mjs").Failure | null, group?: string) => void} */
  const report = (about, error, group = "") => {
    const text = error && `${group}${error.message} (${error.code})`;
    if (text && text !== about.said) console.warn("umbral.realtime:", text);
    about.said = text;
  };

  /** What is known of a room before the hub's first word. */
  const UNKNOWN = { status: /** @type {const} */ ("connecting"), error: null, members: null, list: null, shown: null };

  /** @type {CreateRoom} */
  const createRoom = (group) => ({
    ...UNKNOWN,
    watches: new Set(),
    listeners: new Set(),

    // Before a second snapshot, handlers are told who has come and gone since the first. The comparison
    // is loaded if there is a difference. Where it cannot be, the snapshot is all that is told.
    async sync(entries, rosterId) {
      const script =
        this.members &&
        JSON.stringify([...this.members]) !== JSON.stringify(entries) &&
        (await page.load("compare").catch(reportError));
      // Another user may have signed in meanwhile.
      if (page.deaf) return;
      const changes = script ? script.compare(this, entries, rosterId) : [];
      Object.assign(this, { members: new Map(entries), rosterId, list: null, shown: null });
      for (const [event, member] of changes) this.emit(event, member);
      for (const watch of this.watches) watch.sync();
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

    // A group without presence is no error for those who only listen to the application's events.
    notify() {
      this.shown = null;
      report(this, this.status === "denied" || this.watches.size ? this.error : null, `${group}: `);
      for (const watch of this.watches) watch.notify();
    },

    forget() {
      Object.assign(this, UNKNOWN);
      for (const watch of this.watches) watch.synced = false;
    },

    // Made when it is looked at, since many changes may come at once. While the page is not live, no
    // room is, unless it is denied.
    snapshot() {
      const members = (this.list ??= Object.freeze([...(this.members?.values() ?? [])]));
      const { status, error } = this.status === "denied" || page.status === "live" ? this : page;
      return (this.shown ??= Object.freeze({
        members,
        count: members.length,
        me: page.me,
        status,
        error: error ?? page.error ?? this.error,
      }));
    },
  });

  const script = isServed && ofDocument("currentScript");

  /** @type {Page} */
  const page = {
    base: isServed ? script?.src && bare(new URL(".", script.src)) : "/realtime/",
    hubScript: "worker",
    rooms: new Map(),
    listeners: new Set(),
    port: null,
    turn: Promise.resolve(),
    unsent: [],
    status: "connecting",
    me: null,
    error: null,
    starts: 0,
    tries: -1,
    triedAt: 0,
    again: "",
    locks: null,

    url(script) {
      return `${this.base}${script}.js?v=${VERSION}`;
    },

    // A script of the server's, which no build tool is to look for. The hub's messages may wait for it,
    // so there is an end to that. A browser may keep a failure under the script's name.
    load(script) {
      return Promise.race([
        import(/* webpackIgnore: true */ /* @vite-ignore */ this.url(script) + this.again),
        new Promise((_, fail) => setTimeout(fail, 10000, `no ${script}.js`)),
      ]).catch((error) => {
        this.again += "#";
        throw error;
      });
    },

    // A handler that throws breaks nothing else.
    call(handler, ...values) {
      try {
        handler(...values);
      } catch (error) {
        reportError(error);
      }
    },

    // The room of a group, which is wanted from now on. A name that the server refuses would cost
    // every tab its groups. A room that was denied is asked for again: somebody may have let us in.
    enter(group) {
      if (!this.base) throw new TypeError("umbral.realtime: configure({ base }) comes first");
      if (typeof group !== "string" || !/^(?!@)[^\s,\p{Cc}\p{Cs}\p{DI}\u2800\uFFF9-\uFFFB]+$/u.test(group) || new Blob([group]).size > 200) {
        throw new TypeError(`umbral.realtime: a group is 1 to 200 bytes of visible characters without comma or leading @, not ${JSON.stringify(group)}`);
      }
      const room = this.rooms.get(group) ?? createRoom(group);
      this.rooms.set(group, room);
      if (room.status === "denied") {
        room.forget();
        room.notify();
      }
      this.plan();
      return room;
    },

    // Tells the hub which groups are wanted, once for all that happens in one task: a group that is
    // left and entered in one task keeps its members.
    plan() {
      if (!this.begun) this.begin();
      if (this.planned) return;
      this.planned = true;
      queueMicrotask(() => {
        this.planned = false;
        for (const [group, { watches, listeners }] of this.rooms)
          if (!watches.size && !listeners.size) this.rooms.delete(group);
        this.post({ t: "want", groups: [...this.rooms.keys()] });
      });
    },

    // While there is no hub, only what is sent to the application has to wait: `attach` tells a hub
    // all else. A hundred messages wait at most.
    post(message) {
      if (this.port) this.port.postMessage(message);
      else if (message.t === "send" && this.unsent.push(message) > 100)
        console.error("umbral.realtime: not sent:", this.unsent.pop()?.text);
    },

    // Takes a message of the hub.
    async receive(data) {
      const { t, group, e, d, c } = data;
      const room = this.rooms.get(group ?? c);
      if (t === "event") {
        for (const { handlers } of (c[0] === "@" ? this : room)?.listeners ?? [])
          if (typeof handlers === "function") this.call(handlers, e, d, c);
          else if (Object.hasOwn(handlers, e)) this.call(handlers[e], d, c);
      } else if (t === "status") {
        Object.assign(this, data.page);
        report(this, this.error);
        for (const each of this.rooms.values()) {
          if (data.forget) each.forget();
          each.notify();
        }
      } else if (room) {
        if (data.changes) room.change(data.changes);
        else {
          if (data.room.error) room.forget();
          Object.assign(room, data.room);
          if (data.members) await room.sync(data.members, data.rosterId);
        }
        room.notify();
      }
    },

    // Looks for a hub once this is a page that somebody looks at: one that is prerendered may never
    // be. On a server, where there is no page, nothing is ever known.
    begin() {
      this.base = place(this.base ?? "");
      this.begun = true;
      if (!globalThis.document) return;
      // A page in the back/forward cache would keep its lock, so it goes as if it were closed, and
      // begins anew when it is back.
      addEventListener("pagehide", () => {
        this.post({ t: "vanish" });
        this.port = null;
        this.starts++;
        this.release?.();
      });
      addEventListener("pageshow", (event) => event.persisted && this.start());
      const wake = () => setTimeout(() => this.post({ t: "retry" }), 500 * Math.random());
      addEventListener("online", wake);
      addEventListener.call(document, "visibilitychange", () => ofDocument("hidden") || wake());
      addEventListener.call(document, "prerenderingchange", () => this.start());
      if (!ofDocument("prerendering")) this.start();
    },

    // Looks for a hub, and again where there was one before: a worker, or the leader among the tabs.
    async start() {
      const nth = ++this.starts;
      const url = this.url(this.hubScript);
      const name = `umbral-presence ${url}`;
      if (this.status === "live") this.receive({ t: "status", page: { status: "reconnecting" } });
      // A browser that blocks cookies has locks and refuses every request, and so does a sandboxed
      // frame. Where another tab leads, this one follows it, though there may be a worker here. The
      // request is shared, so that two tabs that ask at once do not see each other.
      let isLed = false;
      this.locks = null;
      try {
        const { locks } = navigator;
        isLed = await locks.request(`${name}-leader`, { mode: "shared", ifAvailable: true }, (held) => !held);
        this.locks = locks;
      } catch {
        // There are no locks, or this page may not use them.
      }
      if (nth !== this.starts) return;
      try {
        /** @type {any} */
        let port;
        if (this.locks && !isLed && !this.noWorker) port = await this.startWorker(url, name);
        if (!port) {
          this.noWorker = true;
          port = await /** @type {{join: (...values: any[]) => Promise<Port>}} */ (await this.load("leader")).join(this.base, url + this.again, name, this.locks);
        }
        if (this.token || this.debug) port = (await this.load("port")).extend(port, this);
        if (nth === this.starts) this.attach(port);
      } catch (error) {
        // It may have been the hub's script, which leader.js loads.
        this.again += "#";
        this.receive({ t: "status", page: { error: { code: "script", message: `${error}` } } });
        this.restart(nth);
      }
    },

    // A worker's port, once its first word has shown that it runs. A policy that refuses workers
    // shows by an event of the worker, and not by an exception.
    async startWorker(url, name) {
      try {
        const worker = new SharedWorker(url, { type: "module", name, extendedLifetime: true });
        const { port } = worker;
        const isThere = await new Promise((done) => {
          port.onmessage = () => done(true);
          worker.onerror = () => done(false);
          // In two steps, since a page that was busy may hear of the time before it hears of the
          // worker.
          setTimeout(setTimeout, 2000, done, 1000);
        });
        if (isThere) return port;
        // It may come yet, and is not to serve this page then.
        port.postMessage({ t: "vanish" });
        port.close();
      } catch {
        // There are no workers here.
      }
    },

    // Looks for a hub once more in a while, unless somebody else does first. A hub that dies at
    // once, and a script that cannot be loaded, are tried at a falling pace.
    restart(nth) {
      const now = performance.now();
      this.tries = now - this.triedAt < 40000 ? this.tries + 1 : 0;
      this.triedAt = now;
      setTimeout(() => nth === this.starts && this.start(), Math.min(30000, 100 * 2 ** this.tries));
    },

    // Says to a hub that this tab is there, and holds a lock for as long as it is. The hub waits for
    // the lock, and so notices a tab that is closed or has crashed. The hub's messages are taken one
    // after the other. While the page is deaf, which ends with `ready`, they may be for another user.
    attach(port) {
      this.release?.();
      const name = `umbral-presence-tab ${Math.random()}`;
      /** @param {Lock | null} [lock] */
      const hello = (lock) => port.postMessage({ t: "attach", lock: lock?.name, groups: [...this.rooms.keys()] });
      port.onmessage = ({ data }) => {
        this.turn = this.turn
          .then(() => (data.t === "ready" ? this.use(port, data.lock) : (this.deaf && !data.forget) || this.receive(data)))
          .catch(reportError);
      };
      if (!this.locks) return hello();
      this.locks.request(name, (lock) => (hello(lock), new Promise((done) => (this.release = done))));
    },

    // The hub has answered `attach`, or `identity` if there is a port already. When the hub dies, its
    // lock is free and another hub is looked for.
    use(port, lock) {
      this.plan();
      if (this.port) return (this.deaf = false);
      this.port = port;
      if (this.deaf) this.post({ t: "identity" });
      for (const message of this.unsent.splice(0)) this.post(message);
      this.locks?.request(lock, { mode: "shared" }, () => {
        if (this.port !== port) return;
        this.port = null;
        this.restart(this.starts);
      });
    },
  };

  /** @type {Client} */
  const realtime = {
    presence(group, handlers = {}) {
      const room = page.enter(group);
      /** @type {Set<Handler>} */
      const on = new Set([(event, value) => handlers[event]?.(value)]);
      /** @param {Handler} handler */
      const add = (handler) => {
        on.add(handler);
        return () => on.delete(handler);
      };
      /** @type {Handler} */
      const emit = (event, value) => {
        for (const handler of on) page.call(handler, event, value);
      };
      /** What its handlers know of the status. */
      let { status } = room.snapshot();
      /** What is shown once it is closed. @type {import("./client.mjs").Snapshot<any> | undefined} */
      let last;
      /** @type {Watch} */
      const watch = {
        synced: false,
        emit,
        sync() {
          this.synced = true;
          emit("sync", self.members);
        },
        notify() {
          if (status !== self.status) emit("status", (status = self.status));
          emit("change");
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
        snapshot: () => last ?? room.snapshot(),
        on: (event, handler) => add((name, value) => name === event && handler(value)),
        subscribe(changed) {
          page.call(changed, self.snapshot());
          return add((name) => name === "change" && changed(self.snapshot()));
        },
        unsubscribe() {
          last = Object.freeze({ ...room.snapshot(), status: "closed" });
          room.watches.delete(watch);
          watch.notify();
          on.clear();
          page.plan();
        },
        async *[Symbol.asyncIterator]() {
          yield* (await page.load("iterate")).iterate(self, watch.synced);
        },
      };
      for (const name of /** @type {const} */ (["dispose", "asyncDispose"])) if (Symbol[name]) /** @type {any} */ (self)[Symbol[name]] = self.unsubscribe;

      room.watches.add(watch);
      queueMicrotask(() => {
        if (room.error) room.notify();
        if (!room.members || watch.synced) return;
        watch.sync();
        watch.notify();
      });
      return self;
    },

    subscribe(groups, handlers) {
      const listener = { handlers };
      const sets = [page.listeners, ...[groups].flat().map((group) => page.enter(group).listeners)];
      for (const set of sets) set.add(listener);
      return {
        unsubscribe() {
          for (const set of sets) set.delete(listener);
          page.plan();
        },
      };
    },

    send(group, event, data) {
      if (page.hubScript[1] !== "s") throw new TypeError('umbral.realtime: send() needs configure({ transport: "ws" })');
      page.plan();
      page.post({ t: "send", text: JSON.stringify({ group, event, data }) });
    },

    reconnect() {
      if (!page.begun) return;
      page.deaf = true;
      // What one user has written is not sent as another's.
      page.unsent = [];
      page.post({ t: "identity" });
    },

    configure({ base, transport = "sse", debug, token, ...others }) {
      const hubScript = { sse: "worker", ws: "ws" }[transport];
      const wrong = page.begun ? "too late" : hubScript ? `${Object.keys(others)}` : JSON.stringify(transport);
      if (wrong) throw new TypeError(`umbral.realtime: configure({ base, transport: "sse" or "ws", token, debug }) comes first: ${wrong}`);
      if (base !== undefined) page.base = place(base);
      Object.assign(page, { hubScript: token ? hubScript + "-token" : hubScript, debug, token });
    },

    get base() {
      return page.base;
    },
  };

  globalThis.umbral = { ...before, realtime: /** @type {any} */ (realtime) };
})();
