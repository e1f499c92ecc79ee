// The hub over a WebSocket instead of an event stream: what the tabs send is passed on.
import { createHub as create, STREAM } from "./worker.js";
/** Messages that wait for a connection, of one tab. */
const MOST_UNSENT = 100;

/** Ends a socket without a goodbye: the next one takes over. */
const REPLACED = 4000;

/** @type {CreateHub} */
export const createHub = (base) => {
  const hub = create(base);
  const { control, confirm, identity, reset } = hub;
  /** What has not been sent, by the port of its tab. @type {Map<object, string[]>} */
  const unsent = new Map();
  let asking = false;

  const flush = () => {
    for (const { port, confirmed } of hub.tabs.values()) {
      const socket = /** @type {SocketStream | null} */ (hub.stream)?.socket;
      if (!confirmed || socket?.readyState !== WebSocket.OPEN) continue;
      for (const text of unsent.get(port) ?? []) socket.send(text);
      unsent.delete(port);
    }
  };

  return Object.assign(hub, {
    /** @type {Hub["connect"]} */
    async connect(done) {
      const stream = /** @type {SocketStream} */ (hub.createStream(() => socket.close(REPLACED)));
      const { groups } = stream;
      const socket = new WebSocket(`${base.replace(/^http/, "ws")}ws?v=1&groups=${encodeURIComponent(groups.join())}`);
      Object.assign(stream, { socket, joined: new Set(groups), waiting: null });
      let isLive = false;
      socket.onmessage = ({ data }) => {
        hub.heard(stream);
        const { channel: c, event: e, data: d, v, k } = JSON.parse(data);
        if (c === "@conn" && answered(stream, e, d)) return;
        hub.take(stream, { c, e, d, v, k }, done);
        if (e !== "@hello") return;
        isLive = true;
        for (const group of d.denied) stream.joined.delete(group);
        // A browser answers the server's pings without a word to the page, so this is how
        // the server is heard when it has nothing to say.
        stream.beat = setInterval(() => stream.waiting || say(stream, "leave", []), 1000 * d.heartbeat);
      };
      socket.onclose = async () => {
        clearInterval(stream.beat);
        stream.waiting?.answer({});
        if (!isLive) done(await refusal(hub, base));
        hub.lose(stream);
      };
    },

    /** Only a handshake carries cookies, so another one tells who the tabs are. @type {Hub["control"]} */
    async control() {
      const { stream } = hub;
      const isUnsure = [...hub.tabs.values()].some((tab) => !tab.confirmed && tab.since < Infinity);
      if (stream && isUnsure && !asking) {
        asking = true;
        const at = ++hub.clock;
        const hello = await greeting(base);
        asking = false;
        if (stream !== hub.stream) return;
        // Whoever it was, the stream's own end tells what is wrong.
        if (!hello || hello.me !== hub.me) {
          if (hello) hub.reset();
          return hub.open();
        }
        hub.confirm(at);
        hub.plan();
      }
      return control.call(hub);
    },

    /** @type {(stream: SocketStream, groups: string[], last?: boolean) => Promise<Reply>} */
    async post(stream, groups, last = false) {
      if (last) {
        stream.socket.close(1000);
        return { status: 200 };
      }
      stream.proved = Date.now();
      const joined = stream.joined;
      const [more, less] = [groups.filter((g) => !joined.has(g)), [...joined].filter((g) => !groups.includes(g))];
      const lost = groups.filter((g) => hub.rosters.get(g)?.lost);
      const left = less.length ? await ask(stream, "leave", less) : { status: 200 };
      if (left.status !== 200) return left;
      for (const group of less) joined.delete(group);
      const answer = more.length ? await ask(stream, "join", more) : { status: 200, body: { denied: [] } };
      if (answer.status === 200) for (const group of more) if (!answer.body.denied.includes(group)) joined.add(group);
      if (lost.length) say(stream, "sync", lost);
      return answer;
    },

    confirm(/** @type {number} */ at) {
      confirm.call(hub, at);
      flush();
    },

    /** A tab's message for the application. @param {object} port @param {{text: string}} message */
    send(port, { text }) {
      const texts = unsent.get(port) ?? [];
      if (texts.length >= MOST_UNSENT) return console.error("umbral.realtime: not connected, and not sent:", text);
      unsent.set(port, [...texts, text]);
      flush();
    },

    // What one user has written is not sent as another's.
    identity() {
      unsent.clear();
      identity.call(hub);
    },
    reset() {
      unsent.clear();
      // The other user is gone at once.
      const stream = /** @type {SocketStream | null} */ (hub.stream);
      stream?.socket.close(1000);
      reset.call(hub);
    },
  });
};

/** @param {SocketStream} stream @param {string} op @param {string[]} groups */
const say = (stream, op, groups) => {
  if (stream.socket.readyState === WebSocket.OPEN) stream.socket.send(JSON.stringify({ op, groups }));
};

/** Asks for a change and waits for the answer.
 * @param {SocketStream} stream @param {string} op @param {string[]} groups @returns {Promise<Reply>} */
const ask = (stream, op, groups) =>
  new Promise((done) => {
    const late = setTimeout(() => answer({}), 10000);
    /** @param {Reply} reply */
    const answer = (reply) => {
      clearTimeout(late);
      stream.waiting = null;
      done(reply);
    };
    stream.waiting = { op, groups: new Set(groups), denied: [], answer };
    say(stream, op, groups);
  });

/** Takes what the server answers to `ask`; gives whether this was it.
 * @param {SocketStream} stream @param {string} event @param {any} data */
const answered = ({ waiting }, event, data) => {
  if (event === "@left") {
    if (waiting?.op === "leave") waiting.answer({ status: 200 });
    return true;
  }
  if (!waiting) return false;
  if (event === "@refused") {
    // A name that is refused once is refused again; all else may be otherwise in a while.
    waiting.answer({ status: data.error.code === "bad_group" ? 400 : 503, body: data });
    return true;
  }
  const groups = event === "@joined" || event === "@denied" ? data.groups : [];
  // The same frame tells that a right has been lost, which nobody has asked for.
  if (waiting.op !== "join" || !groups.every((/** @type {string} */ group) => waiting.groups.has(group))) return false;
  if (event === "@denied") waiting.denied.push(...data.groups);
  for (const group of groups) waiting.groups.delete(group);
  if (groups.length && !waiting.groups.size) waiting.answer({ status: 200, body: { denied: waiting.denied } });
  return groups.length > 0;
};

/** What the server says to whoever has the cookies of now. @param {string} base */
const greeting = (base) =>
  new Promise((/** @type {(hello: {me: string | null} | null) => void} */ done) => {
    const socket = new WebSocket(`${base.replace(/^http/, "ws")}ws?v=1&groups=`);
    socket.onmessage = ({ data }) => {
      done(JSON.parse(data).data);
      socket.close(1000);
    };
    socket.onclose = () => done(null);
    setTimeout(() => socket.close(1000), 10000);
  });

/** Why there is no socket. The handshake keeps it from scripts, an event stream does not.
 * @param {Hub} hub @param {string} base @returns {Promise<Reply>} */
const refusal = async (hub, base) => {
  const abort = new AbortController();
  const options = { ...STREAM, signal: abort.signal };
  const response = await fetch(`${base}sse?v=1&groups=`, options).catch(() => null);
  if (response && !response.ok) return hub.reply(response);
  abort.abort();
  return {};
};

// The worker's script has made a hub of its own, which nobody reaches.
if ("onconnect" in globalThis && !globalThis.document) {
  const hub = createHub(new URL(".", location.href).href);
  globalThis.onconnect = ({ ports: [port] }) => {
    hub.serve(port);
    port.postMessage({ t: "here" });
  };
}
