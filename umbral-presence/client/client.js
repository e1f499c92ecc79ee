// `umbral.realtime`. The reasons for what is done here are in internal.d.ts.
(() => {
  if (globalThis.umbral?.realtime) return;

  const HASH = "__HASH__";

  /** @type {CreateRoom} */
  const createRoom = () => ({
    status: "connecting",
    error: null,
    members: null,
    list: null,
    shown: null,
    watches: new Set(),
    listeners: new Set(),

    sync(entries) {
      const index = () => new Map(this.snapshot().members.map((each) => [JSON.stringify(each?.id ?? each), each]));
      const old = index();
      this.members = new Map(entries);
      this.list = this.shown = null;
      const now = index();
      for (const [id, member] of old) if (!now.has(id)) this.emit("leave", member);
      for (const [id, member] of now)
        if (!old.has(id)) this.emit("join", member);
        else if (JSON.stringify(old.get(id)) !== JSON.stringify(member)) this.emit("update", member);
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

    tell() {
      this.shown = null;
      for (const watch of this.watches) watch.tell();
    },

    forget() {
      Object.assign(this, { status: "connecting", error: null, members: null, list: null });
      for (const watch of this.watches) watch.synced = false;
    },

    snapshot() {
      const members = (this.list ??= Object.freeze([...(this.members?.values() ?? [])]));
      const { me } = page;
      const status = this.status === "denied" || page.status === "live" ? this.status : page.status;
      const error = this.error ?? page.error;
      return (this.shown ??= Object.freeze({ members, count: members.length, me, status, error }));
    },
  });

  const { src } = /** @type {any} */ (globalThis.document?.currentScript ?? {});

  /** @type {Page} */
  const page = {
    base: src && new URL(".", src).href,
    hub: "worker",
    rooms: new Map(),
    everywhere: new Set(),
    port: null,
    waiting: [],
    status: "connecting",
    me: null,
    error: null,
    starts: 0,
    again: "",

    url(script) {
      return `${this.base}${script}.js?v=${HASH}`;
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
      const room = this.rooms.get(group) ?? createRoom();
      this.rooms.set(group, room);
      if (room.status === "denied") {
        room.forget();
        room.tell();
      }
      this.plan();
      return room;
    },

    plan() {
      if (!this.starts) this.start();
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

    post(message) {
      if (this.port) this.port.postMessage(message);
      else this.waiting.push(message);
    },

    receive(data) {
      const { t, group, e, d, c } = data;
      const room = this.rooms.get(group ?? c);
      if (t === "event") {
        const listeners = c[0] === "@" ? this.everywhere : room?.listeners;
        for (const { handlers } of listeners ?? [])
          if (typeof handlers === "function") this.call(handlers, e, d, c);
          else if (Object.hasOwn(handlers, e)) this.call(handlers[e], d, c);
      } else if (t === "status") {
        Object.assign(this, data.page);
        for (const each of this.rooms.values()) {
          if (data.reset) each.forget();
          each.tell();
        }
      } else if (room) {
        if (t === "diff") room.change(data.changes);
        else {
          if (data.room.status === "denied") room.forget();
          Object.assign(room, data.room);
          if (data.members) room.sync(data.members);
        }
        room.tell();
      }
    },

    start() {
      const nth = ++this.starts;
      const name = `umbral-presence-${this.hub}-${HASH}`;
      const fallBack = async () => {
        try {
          const { join } = await import(this.url("leader") + this.again);
          this.alone = true;
          this.attach(await join(this.base, this.url(this.hub), name));
        } catch (error) {
          console.error("umbral.realtime:", error);
          this.again = `#${nth}`;
          setTimeout(() => this.start(), 1000 * nth);
        }
      };
      if (nth === 1) this.listen();
      if (this.status === "live") this.receive({ t: "status", page: { status: "reconnecting" } });
      if (this.alone || !navigator.locks) return fallBack();
      try {
        const worker = new SharedWorker(this.url(this.hub), { type: "module", name, extendedLifetime: true });
        const refused = () => {
          if (this.port || nth < this.starts) return;
          worker.port.onmessage = null;
          fallBack();
        };
        worker.onerror = refused;
        setTimeout(refused, 3000);
        this.attach(worker.port);
      } catch {
        fallBack();
      }
    },

    attach(port) {
      this.leave?.();
      const lock = navigator.locks && `umbral-presence-tab-${Math.random()}`;
      const hello = () => port.postMessage({ t: "attach", lock, groups: [...this.rooms.keys()] });
      port.onmessage = ({ data }) => {
        if (data.t === "ready") this.use(port, data.lock);
        else if (!this.deaf) this.receive(data);
      };
      if (!lock) return hello();
      navigator.locks.request(lock, () => (hello(), new Promise((done) => (this.leave = done))));
    },

    use(port, lock) {
      if (this.port) return (this.deaf = false);
      this.port = port;
      for (const message of this.waiting.splice(0)) this.post(message);
      this.plan();
      if (this.deaf) this.attach(port);
      navigator.locks?.request(lock, { mode: "shared" }, () => {
        if (this.port !== port) return;
        this.port = null;
        this.start();
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
      document.addEventListener("visibilitychange", () => document.hidden || wake());
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
          const { iterate } = await import(page.url("iterate"));
          yield* iterate(self, watch.synced);
        },
      };
      const { dispose, asyncDispose } = Symbol;
      if (dispose) Object.assign(self, { [dispose]: self.unsubscribe, [asyncDispose]: self.unsubscribe });

      room.watches.add(watch);
      queueMicrotask(() => {
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
      if (!page.starts) return;
      page.deaf = true;
      page.post({ t: "identity" });
      if (page.port) page.attach(page.port);
    },

    configure({ base = page.base, transport = "sse" }) {
      const hub = { sse: "worker", ws: "ws" }[transport];
      if (!hub || page.starts) throw new Error('umbral.realtime: configure() comes first; transport is "sse" or "ws"');
      page.hub = hub;
      page.base = base && new URL(base.replace(/\/?$/, "/"), location.href).href;
    },

    get configured() {
      return !!page.base;
    },
  };

  globalThis.umbral = { ...globalThis.umbral, realtime: /** @type {any} */ (realtime) };
})();
