// Who is online in a group, for a page: `umbral.realtime`. All tabs of a browser share one
// connection, which a SharedWorker holds (worker.js).
(() => {
  // A page may load this twice, as a script and as a module; it is one client.
  if (/** @type {any} */ (globalThis).umbral?.realtime) return;

  /**
   * @typedef {{sync?: (members: readonly any[]) => void, join?: (member: any) => void,
   *   leave?: (member: any) => void, update?: (member: any) => void,
   *   status?: (status: Status) => void}} PresenceHandlers
   * @typedef {"connecting" | "live" | "reconnecting" | "denied" | "closed"} Status
   * @typedef {((event: string, data: any, channel: string) => void) |
   *   Record<string, (data: any, channel: string) => void>} EventHandlers
   * @typedef {{postMessage(message: any): void, onmessage: ((event: any) => any) | null}} Port
   */

  /** The server writes the worker's hash here: an old worker outlives a deployment. */
  const HASH = "__WORKER_HASH__";
  const script = /** @type {HTMLScriptElement | null} */ (document.currentScript);
  let base = script?.src ? new URL(".", script.src).href : "";

  /** What this tab knows of a group. */
  class Room {
    /** @param {string} group */
    constructor(group) {
      this.group = group;
      /** @type {Map<number, any> | null} */
      this.members = null;
      /** @type {readonly any[] | null} made when it is looked at, for many may come at once */
      this.shown = null;
      /** What the server has said of it. */
      this.status = "connecting";
      /** @type {Set<Presence>} */
      this.presences = new Set();
      /** @type {Set<{handlers: EventHandlers}>} */
      this.listeners = new Set();
    }

    /** @param {[number, any][]} members */
    sync(members) {
      const before = this.members;
      this.members = new Map(members);
      this.shown = null;
      if (before) for (const [event, member] of net(before, this.members)) this.emit(event, member);
      for (const presence of this.presences) presence.start();
      this.tell();
    }

    /** @param {any[]} changes */
    change(changes) {
      const members = this.members;
      if (!members) return;
      for (const [sign, key, payload] of changes) {
        const member = sign === "-" ? members.get(key) : payload;
        if (sign === "-") members.delete(key);
        else members.set(key, payload);
        this.shown = null;
        this.emit(sign === "+" ? "join" : sign === "-" ? "leave" : "update", member);
      }
      this.tell();
    }

    /** Stores are told once, however much has changed. */
    tell() {
      for (const presence of this.presences) presence.emit("change", presence.members);
    }

    /** The same array until somebody comes or goes. */
    get list() {
      return (this.shown ??= Object.freeze([...(this.members?.values() ?? [])]));
    }

    /** @param {string} event @param {any} member */
    emit(event, member) {
      for (const presence of this.presences) if (presence.synced) presence.emit(event, member);
    }

    announce() {
      for (const presence of this.presences) presence.emit("status", presence.status);
      this.tell();
    }

    /** Nobody is shown until the next snapshot. */
    forget() {
      this.members = this.shown = null;
      for (const presence of this.presences) presence.synced = false;
    }

    /** Somebody else is signed in. */
    reset() {
      this.status = "connecting";
      this.forget();
      this.tell();
    }

    get used() {
      return this.presences.size + this.listeners.size > 0;
    }
  }

  /** What has come and gone between two snapshots. A key is good within a connection only,
   * so members are told apart by id, or by all that is shown of them.
   * @param {Map<number, any>} before @param {Map<number, any>} after */
  function net(before, after) {
    const name = (/** @type {any} */ member) => JSON.stringify(member?.id ?? member);
    const by = (/** @type {Map<number, any>} */ map) => new Map([...map.values()].map((m) => [name(m), m]));
    const [old, now] = [by(before), by(after)];
    /** @type {[string, any][]} */
    const events = [];
    for (const [id, member] of old) if (!now.has(id)) events.push(["leave", member]);
    for (const [id, member] of now) {
      if (!old.has(id)) events.push(["join", member]);
      else if (JSON.stringify(old.get(id)) !== JSON.stringify(member)) events.push(["update", member]);
    }
    return events;
  }

  /** A handler that throws breaks nothing else.
   * @param {Function | undefined} handler @param {any[]} values */
  function call(handler, ...values) {
    try {
      handler?.(...values);
    } catch (error) {
      reportError(error);
    }
  }

  /** A subscription to who is in a group. */
  class Presence {
    /** @param {Room} room @param {PresenceHandlers} handlers */
    constructor(room, handlers) {
      this.room = room;
      this.synced = false;
      this.closed = false;
      /** @type {Map<string, Set<Function>>} */
      this.handlers = new Map();
      for (const [event, handler] of Object.entries(handlers)) this.on(event, handler);
      room.presences.add(this);
      // The room may be known from another subscription of this tab.
      queueMicrotask(() => {
        if (!room.members || this.synced) return;
        this.start();
        this.emit("change", this.members);
      });
    }

    /** The snapshot, before anything else. */
    start() {
      if (this.closed) return;
      this.synced = true;
      this.emit("sync", this.members);
    }

    /** @param {string} event @param {any} value */
    emit(event, value) {
      for (const handler of this.handlers.get(event) ?? []) if (!this.closed) call(handler, value);
    }

    /** Adds a handler of `sync`, `join`, `leave`, `update` or `status`; gives what removes it.
     * @param {string} event @param {Function} handler */
    on(event, handler) {
      const handlers = this.handlers.get(event) ?? new Set();
      this.handlers.set(event, handlers.add(handler));
      return () => void handlers.delete(handler);
    }

    /** The shape of a store: calls `changed` with the members now and after every change of
     * them or of the status; gives what stops it.
     * @param {(members: readonly any[]) => void} changed */
    subscribe(changed) {
      const stop = this.on("change", changed);
      call(changed, this.members);
      return stop;
    }

    /** Everybody who is present; a frozen array, the same until somebody comes or goes. */
    get members() {
      return this.room.list;
    }

    get count() {
      return this.room.list.length;
    }

    /** The signed-in user's id; `null` for an anonymous visitor. */
    get me() {
      return link.me ?? null;
    }

    /** @returns {Status} */
    get status() {
      if (this.closed) return "closed";
      if (this.room.status === "denied" || link.status === "refused") return "denied";
      return /** @type {Status} */ (link.status === "live" ? this.room.status : link.status);
    }

    /** Others see the leave at once, unless this browser is in the group by another way. */
    unsubscribe() {
      this.closed = true;
      this.room.presences.delete(this);
      plan();
    }
  }

  /** @type {Map<string, Room>} */
  const rooms = new Map();
  /** @type {Set<{handlers: EventHandlers}>} */
  const everywhere = new Set();

  /** The way to the hub. */
  const link = {
    /** @type {Port | null} */
    port: null,
    /** @type {string} */
    status: "connecting",
    /** @type {string | null | undefined} */
    me: undefined,
    started: false,
    /** `reconnect()` has been called before there was a hub to hear it. */
    renew: false,
    planned: false,
    /** @type {(() => void) | null} lets go of the lock that says that this tab is there */
    release: null,
  };

  /** @param {any} message from the hub */
  function receive(message) {
    const room = rooms.get(message.group ?? message.c);
    switch (message.t) {
      case "sync":
        return room?.sync(message.members);
      case "diff":
        return room?.change(message.changes);
      case "room":
        if (!room) return;
        room.status = message.status === "wanted" ? "connecting" : message.status;
        if (room.status === "denied") room.forget();
        return room.announce();
      case "reset":
        return rooms.forEach((each) => each.reset());
      case "status":
        [link.status, link.me] = [message.status, message.me];
        return rooms.forEach((each) => each.announce());
      case "event":
        for (const { handlers } of room?.listeners ?? (message.c[0] === "@" ? everywhere : [])) {
          const { e, d, c } = message;
          if (typeof handlers === "function") call(handlers, e, d, c);
          else if (Object.hasOwn(handlers, e)) call(handlers[e], d, c);
        }
    }
  }

  /** Begins to talk to a hub; `again` where there was one before. */
  async function start() {
    link.started = true;
    if (!base) throw new Error("umbral.realtime: call configure({base}) first");
    const worker = shared();
    const port = (worker && (await answers(worker))) || (await own());
    use(port);
  }

  const url = () => `${base}worker.js?v=${HASH}`;

  function shared() {
    try {
      return new SharedWorker(url(), { type: "module", name: `umbral-presence-${HASH}` });
    } catch {
      return null;
    }
  }

  /** The worker's port once it has answered; `null` where it does not. A policy that refuses
   * workers shows by an event, not by an exception.
   * @param {SharedWorker} worker @returns {Promise<Port | null>} */
  function answers(worker) {
    return new Promise((done) => {
      const { port } = worker;
      const late = setTimeout(() => (detach(port), (port.onmessage = null), done(null)), 3000);
      worker.onerror = () => (clearTimeout(late), done(null));
      port.onmessage = ({ data }) => {
        if (data.t === "ready") (clearTimeout(late), done(port), watch(port, data.lock));
        else receive(data);
      };
      attach(port);
    });
  }

  /** A hub in this tab. */
  async function own() {
    const { Hub } = await import(url());
    const { port1, port2 } = new MessageChannel();
    new Hub(base).serve(port1);
    port2.onmessage = ({ data }) => receive(data);
    attach(port2);
    return port2;
  }

  /** @param {Port} port */
  function use(port) {
    link.port = port;
    send();
    if (link.renew) realtime.reconnect();
    link.renew = false;
  }

  /** Starts again when the worker has died, which its lock tells.
   * @param {Port} port @param {string | null} lock */
  function watch(port, lock) {
    if (!lock) return;
    navigator.locks.request(lock, () => {
      if (link.port !== port) return;
      link.port = null;
      link.release?.();
      start();
    });
  }

  /** Says that this tab is there, and holds a lock for as long as it is: the hub waits for
   * it, and so notices a tab that is closed or has crashed.
   * @param {Port} port */
  function attach(port) {
    // With the groups, so that the stream is opened with them.
    const greet = (/** @type {string | null} */ lock) =>
      port.postMessage({ t: "attach", lock, groups: [...rooms.keys()] });
    if (!navigator.locks) return greet(null);
    const lock = `umbral-presence-tab-${Math.random()}`;
    navigator.locks.request(lock, () => {
      greet(lock);
      return new Promise((release) => (link.release = () => release(undefined)));
    });
  }

  /** @param {Port} port */
  function detach(port) {
    port.postMessage({ t: "detach" });
    link.release?.();
  }

  function send() {
    // Only now, so that a group that is left and entered in one task keeps its members.
    for (const [group, room] of rooms) if (!room.used) rooms.delete(group);
    link.port?.postMessage({ t: "groups", groups: [...rooms.keys()] });
  }

  /** Tells the hub about changes, those of one task together. */
  function plan() {
    if (!link.started) start();
    if (link.planned) return;
    link.planned = true;
    queueMicrotask(() => {
      link.planned = false;
      send();
    });
  }

  /** @param {string} group */
  function enter(group) {
    // One bad name would have the server refuse the groups of every tab.
    const fits = typeof group === "string" && /^(?!@)[^\s,\p{Cc}\p{Cs}]+$/u.test(group);
    if (!fits || new TextEncoder().encode(group).length > 200) {
      const rule = "at most 200 bytes of text without whitespace or commas that does not start with @";
      throw new TypeError(`umbral.realtime: ${JSON.stringify(group)} is not a group name: ${rule}`);
    }
    const room = rooms.get(group) ?? new Room(group);
    rooms.set(group, room);
    if (room.status === "denied") {
      // Somebody may have let us in meanwhile.
      room.status = "connecting";
      link.port?.postMessage({ t: "retry", group });
    }
    plan();
    return room;
  }

  addEventListener("pagehide", () => link.port && detach(link.port));
  addEventListener("pageshow", (event) => {
    // Back from the cache, where this tab was not counted.
    if (event.persisted && link.port) attach(link.port);
  });
  const wake = () => link.port?.postMessage({ t: "wake" });
  addEventListener("online", wake);
  document.addEventListener("visibilitychange", () => document.hidden || wake());

  const realtime = {
    /** Shows who is in a group. `sync` comes first, then every `join` and `leave`.
     * @param {string} group @param {PresenceHandlers} [handlers] */
    presence(group, handlers = {}) {
      return new Presence(enter(group), handlers);
    },

    /** Takes the events of groups, and those to this user and to everybody.
     * @param {string | string[]} groups @param {EventHandlers} handlers */
    subscribe(groups, handlers) {
      const entered = [groups].flat().map(enter);
      // The same handlers may be given again, as a subscription of its own.
      const listener = { handlers };
      for (const room of entered) room.listeners.add(listener);
      everywhere.add(listener);
      plan();
      return {
        unsubscribe() {
          everywhere.delete(listener);
          for (const room of entered) room.listeners.delete(listener);
          plan();
        },
      };
    },

    /** To be called after sign-in and sign-out. */
    reconnect() {
      if (link.port) link.port.postMessage({ t: "identity" });
      else link.renew = link.started;
    },

    /** Sets the path of the server, where the script was not loaded from it.
     * @param {{base: string}} options */
    configure(options) {
      const url = new URL(options.base, location.href).href;
      base = url.endsWith("/") ? url : `${url}/`;
    },

    get configured() {
      return base !== "";
    },
  };

  /** @type {any} */ (globalThis).umbral = { ...(/** @type {any} */ (globalThis).umbral), realtime };
})();
