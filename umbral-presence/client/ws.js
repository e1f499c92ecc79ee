// The hub over a WebSocket instead of an event stream; what tabs send is passed on.
//
// A handshake that fails keeps its reason from scripts, so a request for an event stream asks for the
// reason. And only a handshake carries cookies, so another handshake tells who has opened a tab.
import { createHub as create, STREAM } from "./worker.js";

/** So many messages of one tab wait for a connection at most. */
const MOST_UNSENT = 100;

/** The code that ends a socket without a goodbye: the next one takes over. */
const REPLACED = 4000;

/** So many names, of 200 bytes and each of them escaped, are less than 32 KiB of text. */
const MOST_NAMES = 80;

/** How long an answer may take, in milliseconds. */
const PATIENCE = 10000;

/** The least time between a stream and the one that is opened because its sign-in runs out. */
const LEAST_AGE = 20000;

/** @type {CreateHub} */
export const createHub = (base, way = { fetch: globalThis.fetch }) => {
  const hub = create(base, way);
  const { control, confirm, identity, receive, reset, succeed } = hub;
  /** What has not been sent, by the port of its tab. @type {Map<object, string[]>} */
  const unsent = new Map();
  let isAsking = false;
  /** The token that the server has just refused, and its words. @type {{token?: string | null, reply: Reply} | null} */
  let refused = null;

  const current = () => /** @type {SocketStream | null} */ (hub.stream);

  // A tab whose cookies have not been checked may be another user's, whose name is not the stream's.
  const flush = () => {
    for (const { port, confirmed } of hub.tabs.values()) {
      const socket = current()?.socket;
      if (!confirmed || socket?.readyState !== WebSocket.OPEN) continue;
      for (const text of unsent.get(port) ?? []) socket.send(text);
      unsent.delete(port);
    }
  };

  /** A tab's message for the application. @param {object} port @param {string} text */
  const send = (port, text) => {
    const texts = unsent.get(port) ?? [];
    if (texts.length >= MOST_UNSENT) return console.error("umbral.realtime: not sent, since a hundred messages wait for a connection:", text);
    unsent.set(port, [...texts, text]);
    flush();
  };

  /** Whether there are tabs whose cookies have not been checked. */
  const isUnsure = () => [...hub.tabs.values()].some((tab) => !tab.confirmed && tab.moment < Infinity);

  return Object.assign(hub, {
    /** @type {Hub["receive"]} */
    receive(port, message) {
      if (message.t === "send") send(port, message.text);
      else receive.call(hub, port, message);
    },

    /** @type {Hub["connect"]} */
    async connect(done) {
      const before = refused;
      refused = null;
      /** @type {string | null | undefined} */
      let token;
      try {
        token = await way.token?.(before !== null);
      } catch (error) {
        return done({ body: { error } });
      }
      if (before && token === before.token) return done(before.reply);
      // The hub may serve nobody any more.
      if (!hub.tabs.size) return done({});
      /** @type {WebSocket | undefined} */
      let socket;
      /** What the server has said instead of hello. @type {Reply | undefined} */
      let no;
      const stream = /** @type {SocketStream} */ (hub.createStream(done, () => socket?.close(REPLACED)));
      if (token !== undefined) way.carry?.(stream.moment, token);
      let [isOpen, isLive, isOver] = [false, false, false];
      const end = async () => {
        if (isOver) return;
        isOver = true;
        stream.question?.answer({});
        if (!isLive && no?.status === 401 && !before) {
          refused = { token, reply: no };
          hub.connect(done);
        } else if (!isLive) done(no ?? (await refusal(hub, base, isOpen, way.fetch)));
        hub.lose(stream);
      };
      try {
        socket = new WebSocket(address(base, stream.groups, token));
      } catch {
        // The page's policy forbids it, or its address.
        return end();
      }
      Object.assign(stream, { socket, joined: new Set(stream.groups), question: null });
      socket.onopen = () => {
        isOpen = true;
        if (token !== undefined) socket.send(JSON.stringify({ op: "auth", token }));
      };
      socket.onmessage = ({ data }) => {
        hub.heard(stream);
        try {
          const { channel: c, event: e, data: d, v, k } = JSON.parse(data);
          // A browser answers the server's pings without a word to the page, so the server says
          // `@ping` as well to be heard when it has nothing to say.
          if (e === "@ping" || (c === "@conn" && isAnswer(stream, e, d))) return;
          if (e === "@refused" && !isLive) no = { status: d.error.code === "unauthenticated" ? 401 : 503, body: d };
          // Only a handshake says who asks now. The new socket takes over. It may be told the same at
          // once, where nobody has signed in anew.
          if (e === "@expiring") {
            const age = performance.now() - stream.steadyAt;
            setTimeout(() => stream === hub.stream && hub.open(), Math.max(0, LEAST_AGE - age));
          }
          hub.take(stream, { c, e, d, v, k });
          if (e !== "@hello") return;
          isLive = true;
          for (const group of d.denied) stream.joined.delete(group);
        } catch {
          // The server says no such thing.
          stream.close();
        }
      };
      socket.onclose = ({ code }) => {
        hub.log?.(`the socket was closed with ${code}`);
        end();
      };
    },

    /** @type {Hub["control"]} */
    async control() {
      const { stream } = hub;
      if (!way.token && stream && isUnsure() && !isAsking && !hub.opening) {
        isAsking = true;
        const moment = ++hub.moment;
        const hello = await greeting(base).catch(() => null);
        isAsking = false;
        if (stream !== hub.stream) return;
        // Whoever it was, the stream's own end tells what is wrong.
        if (!hello || hello.me !== hub.me) {
          if (hello) hub.reset();
          return hub.open(hello ? 0 : hub.delay());
        }
        hub.confirm(moment);
        hub.plan();
      }
      return control.call(hub);
    },

    // What is asked over the socket carries no cookies, and so confirms nobody.
    /** @type {Hub["succeed"]} */
    succeed(stream, groups, _moment, settled) {
      succeed.call(hub, stream, groups, 0, settled);
    },

    /** @type {(stream: SocketStream, groups: string[]) => Promise<Reply>} */
    async post(stream, groups) {
      if (!hub.tabs.size) {
        stream.socket.close(1000);
        return {};
      }
      stream.provedAt = performance.now();
      const { joined } = stream;
      const wanted = new Set(groups);
      /** @type {Required<Settled>} */
      const settled = { denied: [], no_presence: [] };
      for (const some of chunks([...joined].filter((group) => !wanted.has(group)))) {
        const reply = await ask(stream, "leave", some);
        if (reply.status !== 200) return reply;
        for (const group of some) joined.delete(group);
      }
      for (const some of chunks(groups.filter((group) => !joined.has(group)))) {
        const reply = await ask(stream, "join", some);
        if (reply.status !== 200) return reply;
        const denied = new Set(reply.body.denied);
        for (const group of some) if (!denied.has(group)) joined.add(group);
        settled.denied.push(...denied);
        settled.no_presence.push(...reply.body.no_presence);
      }
      for (const some of chunks(groups.filter((group) => hub.rosters.get(group)?.mustAsk))) write(stream, "sync", some);
      return { status: 200, body: settled };
    },

    /** @type {(this: Hub, moment: number) => void} */
    confirm(moment) {
      confirm.call(this, moment);
      flush();
    },

    // What one user has written is not sent as another's.
    identity(/** @type {Port} */ port) {
      unsent.clear();
      identity.call(hub, port);
    },

    reset() {
      unsent.clear();
      // The other user is gone at once.
      current()?.socket.close(1000);
      reset.call(hub);
    },
  });
};

/** @param {string} base @param {string[]} groups @param {string | null} [token] comes in the first text */
const address = (base, groups, token) =>
  `${base.replace(/^http/, "ws")}ws?v=1&groups=${encodeURIComponent(groups.join())}${token === undefined ? "" : "&auth=1"}`;

/** Names in so many texts that none is too long for the server. @param {string[]} names */
const chunks = (names) => {
  const all = [];
  for (let at = 0; at < names.length; at += MOST_NAMES) all.push(names.slice(at, at + MOST_NAMES));
  return all;
};

/** @param {SocketStream} stream @param {string} op @param {string[]} groups */
const write = (stream, op, groups) => {
  if (stream.socket.readyState === WebSocket.OPEN) stream.socket.send(JSON.stringify({ op, groups }));
};

/** Asks for a change and waits for the answer.
 * @param {SocketStream} stream @param {string} op @param {string[]} groups @returns {Promise<Reply>} */
const ask = (stream, op, groups) =>
  new Promise((done) => {
    const late = setTimeout(() => answer({}), PATIENCE);
    /** @param {Reply} reply */
    const answer = (reply) => {
      clearTimeout(late);
      stream.question = null;
      done(reply);
    };
    stream.question = { op, groups: new Set(groups), denied: [], no_presence: [], answer };
    write(stream, op, groups);
  });

/** Takes what the server answers to `ask`; gives whether this was it.
 * @param {SocketStream} stream @param {string} event @param {any} data */
const isAnswer = ({ question }, event, data) => {
  if (event === "@left") {
    if (question?.op === "leave") question.answer({ status: 200 });
    return true;
  }
  if (!question) return false;
  if (event === "@refused") {
    // A name that is refused once is refused again; anything else may be otherwise in a while.
    question.answer({ status: data.error.code === "bad_group" ? 400 : 503, body: data });
    return true;
  }
  const isDenial = event === "@denied";
  /** @type {string[]} */
  const groups = event === "@joined" || isDenial ? data.groups : [];
  // The same frame tells that a right has been lost, which nobody has asked about.
  if (question.op !== "join" || !groups.every((group) => question.groups.has(group))) return false;
  if (isDenial) question.denied.push(...groups);
  else question.no_presence.push(...(data?.no_presence ?? []));
  for (const group of groups) question.groups.delete(group);
  const { denied, no_presence } = question;
  if (groups.length && !question.groups.size) question.answer({ status: 200, body: { denied, no_presence } });
  return groups.length > 0;
};

/** What the server says to whoever has the cookies of now. @param {string} base */
const greeting = (base) =>
  new Promise((/** @type {(hello: {me: string | null} | null) => void} */ done) => {
    const socket = new WebSocket(address(base, []));
    socket.onmessage = ({ data }) => {
      try {
        done(JSON.parse(data).data);
      } catch {
        // As good as none.
      }
      socket.close(1000);
    };
    socket.onclose = () => done(null);
    setTimeout(() => socket.close(1000), PATIENCE);
  });

/** Why there is no socket.
 * @param {Hub} hub @param {string} base @param {boolean} isOpen whether the handshake came about
 * @param {typeof globalThis.fetch} fetch @returns {Promise<Reply>} */
const refusal = async (hub, base, isOpen, fetch) => {
  // This costs one more request.
  hub.failures++;
  const abort = new AbortController();
  const late = setTimeout(() => abort.abort(), PATIENCE);
  const response = await fetch(`${base}sse?v=1&groups=`, { ...STREAM, signal: abort.signal }).catch(() => null);
  const reply = response && !response.ok ? await hub.reply("sse", response) : {};
  clearTimeout(late);
  abort.abort();
  if (!response?.ok) return reply;
  const message = isOpen
    ? "the WebSocket was closed before the server had said anything"
    : 'the server answers, but no WebSocket comes about: does a proxy pass "Upgrade" and "Host" on? Without one, transport is "sse"';
  return { body: { error: { code: "no_websocket", message } } };
};

// The worker's script has made a hub of its own, which nobody reaches.
if (!globalThis.document) {
  const hub = createHub(import.meta.url.replace(/[^/]*$/, ""));
  globalThis.onconnect = ({ ports: [port] }) => hub.serve(port);
}
