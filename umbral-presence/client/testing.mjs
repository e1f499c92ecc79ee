// A server for tests of pages, in the page itself: what the client asks of the server is answered here,
// and a test says who comes and who goes. All that is between handlers and requests is the real client.
//
// It needs a DOM: a browser's, or one such as happy-dom's or jsdom's. A page that loads further scripts of
// the server's, because of `token` or `debug`, cannot be tested so. In one thing it is not as the server:
// after a lost connection the page gets the snapshot that it knows, and then each change since. The client
// would load a script to compare two snapshots, and outside of a browser there is nowhere to load it from.
import { createHub } from "./worker.js";

/** @typedef {import("./testing.d.mts").FakeServer} FakeServer */

/** How a stream is told something. @typedef {(channel: string, event: string, data: unknown, more?: object) => void} Tell */

/** Web Locks, as far as the client uses them. A DOM that is no browser's has none. */
const createLocks = () => {
  /** @type {Map<string, Promise<unknown>>} */
  const held = new Map();
  return {
    /** @param {string} name @param {...any} rest */
    request: async (name, ...rest) => {
      const [options, hold = options] = rest;
      const mine = (held.get(name) ?? Promise.resolve()).then(() => hold({ name }));
      if (options.mode !== "shared") held.set(name, mine.catch(() => {}));
      return mine;
    },
  };
};

/** @param {unknown} body @param {number} status */
const json = (body, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });

/** @type {typeof import("./testing.d.mts").createFakeServer} */
export const createFakeServer = ({ me = "1" } = {}) => {
  /** @type {Map<string, Map<number, any>>} */
  const groups = new Map();
  /** @type {Map<string, number>} */
  const versions = new Map();
  /** What the page has been told. @type {Map<string, Map<number, any>>} */
  const told = new Map();
  /** @type {Set<string>} */
  const denied = new Set();
  /** The open stream. @type {{tell: Tell, end: () => void, user: string | null, inside: Set<string>} | null} */
  let stream = null;
  /** @type {{status: number, error: {code: string, message: string}} | null} */
  let refusal = null;
  let keys = 0;

  /** @param {string} group */
  const membersOf = (group) => {
    const members = groups.get(group) ?? new Map();
    groups.set(group, members);
    return members;
  };

  /** @param {string} group @param {string} event @param {number} key @param {any} member */
  const change = (group, event, key, member) => {
    if (!stream?.inside.has(group)) return;
    const v = (versions.get(group) ?? 0) + 1;
    versions.set(group, v);
    stream.tell(group, `presence:${event}`, member, { k: key, v });
    told.set(group, new Map(membersOf(group)));
  };

  /** @param {string} group */
  const sync = (group) => {
    const members = membersOf(group);
    const known = told.get(group) ?? members;
    stream?.tell(group, "presence:sync", [...known.values()], { k: [...known.keys()], v: versions.get(group) ?? 0 });
    for (const [key, member] of known) if (!members.has(key)) change(group, "leave", key, member);
    for (const [key, member] of members)
      if (!known.has(key)) change(group, "join", key, member);
      else if (known.get(key) !== member) change(group, "update", key, member);
    told.set(group, new Map(members));
  };

  /** Lets the stream into groups; gives those that are denied. @param {string[]} wanted @param {string[]} again */
  const enter = (wanted, again = []) => {
    if (!stream) return [];
    const before = stream.inside;
    stream.inside = new Set(wanted.filter((group) => !denied.has(group)));
    for (const group of told.keys()) if (!stream.inside.has(group)) told.delete(group);
    for (const group of stream.inside) if (!before.has(group) || again.includes(group)) sync(group);
    return wanted.filter((group) => denied.has(group));
  };

  /** @param {AbortSignal | null | undefined} signal @param {string[]} wanted */
  const open = (signal, wanted) => {
    const body = new ReadableStream({
      start(controller) {
        const text = new TextEncoder();
        const end = () => {
          if (stream !== mine) return;
          stream = null;
          controller.close();
        };
        /** @type {Tell} */
        const tell = (c, e, d, more) => controller.enqueue(text.encode(`event: u\ndata: ${JSON.stringify({ c, e, d, ...more })}\n\n`));
        const mine = { tell, end, user: me, inside: new Set() };
        stream?.end();
        stream = mine;
        signal?.addEventListener("abort", end);
        tell("@conn", "@hello", { conn: "fake", me, denied: wanted.filter((group) => denied.has(group)), heartbeat: 300 });
        enter(wanted);
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };

  /** Answers as the server does. @type {(url: any, init?: RequestInit) => Promise<Response>} */
  const fetch = async (url, init = {}) => {
    const { pathname, searchParams } = new URL(url);
    if (refusal) return json({ error: refusal.error }, refusal.status);
    if (pathname.endsWith("/sse")) return open(init.signal, (searchParams.get("groups") ?? "").split(",").filter(Boolean));
    if (!stream) return json({ error: { code: "unknown_connection", message: "no open stream has this token" } }, 404);
    if (stream.user !== me)
      return json({ error: { code: "identity_changed", message: "the stream is another user's" } }, 409);
    const { n, groups: wanted, sync: again } = JSON.parse(`${init.body}`);
    return json({ n, joined: wanted, left: [], denied: enter(wanted, again) });
  };

  const hub = createHub("http://fake.test/realtime/", { fetch: /** @type {any} */ (fetch) });
  /** The hub's ends of the ways to it. @type {MessagePort[]} */
  const ports = [];
  class SharedWorker extends EventTarget {
    constructor() {
      super();
      const { port1, port2 } = new MessageChannel();
      ports.push(port1);
      this.port = port2;
      hub.serve(port1);
    }
  }
  Object.defineProperty(globalThis, "SharedWorker", { value: SharedWorker, configurable: true, writable: true });
  if (!navigator.locks) Object.defineProperty(navigator, "locks", { value: createLocks(), configurable: true });

  /** @param {string} group @param {string | number} id */
  const keyOf = (group, id) => [...membersOf(group)].find(([, member]) => `${member.id}` === `${id}`)?.[0];

  return {
    join(group, member) {
      const key = keyOf(group, member.id) ?? ++keys;
      const event = membersOf(group).has(key) ? "update" : "join";
      membersOf(group).set(key, member);
      change(group, event, key, member);
    },
    leave(group, id) {
      const key = keyOf(group, id);
      if (key === undefined) return;
      const member = membersOf(group).get(key);
      membersOf(group).delete(key);
      change(group, "leave", key, member);
    },
    send(channel, event, data) {
      stream?.tell(channel, event, data);
    },
    deny(group) {
      denied.add(group);
      if (!stream?.inside.delete(group)) return;
      stream.tell("@conn", "@denied", { groups: [group] });
    },
    signIn(user) {
      me = user;
      told.clear();
    },
    lose() {
      stream?.end();
    },
    refuse(status, code = "refused", message = "the test has said so") {
      refusal = { status, error: { code, message } };
      stream?.end();
    },
    accept() {
      refusal = null;
      denied.clear();
      hub.retry();
    },
    groups: () => [...(stream?.inside ?? [])],
    async settled() {
      // What is said to a port arrives in a task of its own, and so does what is read of a stream.
      for (let turn = 0; turn < 20; turn += 1) await new Promise((done) => setTimeout(done));
    },
    close() {
      hub.tabs.clear();
      hub.goodbye();
      hub.hurry?.();
      // An open port keeps a process running.
      for (const port of ports) port.close();
    },
  };
};
