// The hub of tabs that were told by `configure({ token })` how to get a token: every request carries one.
//
//   request ──▶ a tab is asked ──▶ token ──▶ server
//                    ▲                          │
//                    └───── 401, once ──────────┘
//
// Tabs share the stream, so they share its user. Cookies are the same in all tabs of a browser, but each
// tab has a token of its own. A tab is confirmed by the token that the stream or a call has carried, or
// when the server has said that its other token is of the same user. Until then it is told nothing, and
// its groups are not asked for. A tab of another user, a stranger, is told so.
import { STREAM } from "./worker.js";
/** @import { Failure } from "./client.mjs" */

/** How long a tab may take to answer, in milliseconds. One that is frozen does not answer. */
const PATIENCE = 5000;

/** So many tabs are asked in turn at most. */
const MOST_ASKED = 3;

/** The tokens of so many requests are remembered. One request is under way at a time, or two. */
const MOST_SENT = 20;

const STRANGER = { code: "identity_changed", message: "another tab of this browser is signed in as somebody else" };

/** No token is to be had. What a tab's own function has said is for that tab alone. */
const NO_TOKEN = { code: "token", message: "no tab gives a token" };

/** @param {string} url */
const withAuth = (url) => `${url}${url.includes("?") ? "&" : "?"}auth=1`;

/** @param {string} url @param {RequestInit} init @param {string | null} token */
const send = (url, init, token) =>
  globalThis.fetch(withAuth(url), { ...init, headers: { ...init.headers, ...(token !== null && { authorization: `Bearer ${token}` }) } });

/** Whose a token is: the user's id, or `null` for nobody; otherwise why that is not known.
 * @param {string} base @param {string | null} token @returns {Promise<{me?: string | null, refused?: Failure}>} */
const whose = async (base, token) => {
  const abort = new AbortController();
  const late = setTimeout(() => abort.abort(), PATIENCE);
  try {
    const response = await send(`${base}sse?v=1&groups=`, { ...STREAM, signal: abort.signal }, token);
    if (response.status === 401) return { refused: (await response.json()).error };
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = "", piece; reader && !(piece = await reader.read()).done; ) {
      text += piece.value;
      const hello = /^data:(.*)\n/m.exec(text);
      if (hello) return { me: JSON.parse(hello[1]).d.me };
    }
  } catch {
    // It is asked again with the next call.
  } finally {
    clearTimeout(late);
    abort.abort();
  }
  return {};
};

/** Makes a hub of `create` whose requests carry tokens. @type {(base: string, create: CreateHub) => Hub} */
export const createTokenHub = (base, create) => {
  /** Who waits for whose answer, by number. @type {Map<number, {port: Port, end(answer: TokenAnswer): void}>} */
  const questions = new Map();
  /** What tabs have answered since they came, or have signed in. @type {Map<Port, string | null>} */
  const tokens = new Map();
  /** Why tabs have no token that counts. @type {Map<Port, Failure>} */
  const failures = new Map();
  /** Tabs of other users than the stream's. @type {Set<Port>} */
  const strangers = new Set();
  /** What requests have carried, by their moments. @type {Map<number, string | null>} */
  const sent = new Map();
  /** What the stream, or its last call, has carried. @type {string | null | undefined} */
  let accepted;
  /** The tab that is asked first. @type {Port | null} */
  let holder = null;
  /** Whether somebody has signed in or out since a token was had. */
  let mustProve = false;
  /** The last token, where there is none to be had. @type {string | null | undefined} */
  let last;
  // A leader's questions are not those of the one before.
  let asked = Math.floor(Math.random() * 2 ** 40);
  let isChecking = false;

  /** @param {Port} port @param {boolean} refused */
  const ask = (port, refused) =>
    new Promise((/** @type {(answer: TokenAnswer) => void} */ done) => {
      const n = ++asked;
      const end = (/** @type {TokenAnswer} */ answer) => {
        clearTimeout(late);
        questions.delete(n);
        if (answer.token !== undefined) {
          tokens.set(port, answer.token);
          failures.delete(port);
        } else if (answer.error) failures.set(port, { code: "token", message: answer.error });
        done(answer);
      };
      const late = setTimeout(end, PATIENCE, {});
      questions.set(n, { port, end });
      port.postMessage({ t: "token", n, refused });
    });

  /** Ends what was asked of a tab, or of all as `isOver`: what they answer may be of before a sign-in.
   * @param {Port} [port] */
  const withdraw = (port) => {
    for (const question of [...questions.values()]) if (!port || question.port === port) question.end({ isOver: !port });
  };

  /** @param {Port} port which comes or goes */
  const forgetTab = (port) => {
    for (const kept of [tokens, failures, strangers]) kept.delete(port);
    withdraw(port);
  };

  /** The tabs that may speak for the stream, the best first. While it is live and has a tab of its user's,
   * one that has just vanished too, another user's must not.
   * @returns {Port[]} */
  const speakers = () => {
    const all = [...hub.tabs.values()];
    const present = all.filter(({ moment }) => moment < Infinity);
    const own = present.filter(({ port, confirmed }) => confirmed || port === holder);
    const isOpen = !hub.stream || (!own.length && all.length === present.length);
    const others = isOpen ? present.filter(({ port }) => !strangers.has(port)) : [];
    const ports = [...own, ...others].map(({ port }) => port);
    if (isOpen && !ports.length) ports.push(...present.map(({ port }) => port));
    return [...new Set([...ports.filter((port) => port === holder), ...ports])];
  };

  /** The token of now. Where there is none to be had, the last one is used further, unless it is refused.
   * @param {boolean} refused whether the server has refused the last one
   * @returns {Promise<string | null>} */
  const current = async (refused) => {
    for (const port of speakers().slice(0, MOST_ASKED)) {
      const { token, error, isOver } = await ask(port, refused);
      if (isOver) return current(false);
      if (token !== undefined) {
        [holder, mustProve] = [port, false];
        return (last = token);
      }
      // Each tab would ask whoever makes tokens, which has just failed.
      if (error) break;
    }
    if (last === undefined || refused) {
      forget();
      throw NO_TOKEN;
    }
    return last;
  };

  /** Somebody has signed in or out, and it cannot be said whose the stream should be: it is nobody's. */
  const forget = () => {
    if (!mustProve || !hub.stream) return;
    mustProve = false;
    hub.reset();
    hub.open(hub.delay());
  };

  /** @param {number} moment @param {string | null} token */
  const carry = (moment, token) => {
    sent.set(moment, token);
    for (const old of sent.keys()) if (sent.size > MOST_SENT) sent.delete(old);
  };

  /** @type {(url: any, init?: RequestInit) => Promise<Response>} */
  const fetch = async (url, init = {}) => {
    // Whoever asks has just taken the moment of the request, and the groups of the first speaker.
    const { moment } = hub;
    const [first] = speakers();
    const isStream = url.includes("/sse?");
    try {
      const token = await current(false);
      // The hub may serve nobody any more, and the groups of one tab are not for another's user.
      if (isStream && (!hub.tabs.size || holder !== first)) throw NO_TOKEN;
      carry(moment, token);
      const response = await send(url, init, token);
      if (response.status !== 401 || token === null) return response;
      // Nothing is refused of who has signed in since.
      const fresh = await current(!mustProve);
      if (fresh === token) return response;
      carry(moment, fresh);
      return await send(url, init, fresh);
    } catch (error) {
      if (error !== NO_TOKEN) throw error;
      for (const tab of hub.tabs.values()) hub.greet(tab);
      return new Response(JSON.stringify({ error }), { status: 503 });
    }
  };

  /** @param {Tab[]} tabs of which it is known that they are of the stream's user @param {number} moment */
  const confirmAll = (tabs, moment) => {
    const some = tabs.filter((tab) => !tab.confirmed && tab.moment <= moment);
    for (const { port } of some) {
      strangers.delete(port);
      failures.delete(port);
      if (port === holder) mustProve = false;
    }
    confirm.call(Object.create(hub, { tabs: { value: new Map(some.map((tab) => [tab.port, tab])) } }), moment);
    for (const tab of some) for (const group of tab.groups) hub.show(group, [tab]);
    // Their groups are asked for from now on.
    if (some.length) hub.plan();
  };

  /** Asks the tabs that are told nothing yet for their tokens. */
  const check = async () => {
    if (isChecking) return;
    isChecking = true;
    for (const tab of [...hub.tabs.values()]) {
      const { port, moment } = tab;
      if (tab.confirmed || moment === Infinity || strangers.has(port)) continue;
      let { token } = await ask(port, false);
      let found = token === undefined ? {} : token === accepted ? { me: hub.me } : await whose(base, token);
      if (found.refused) {
        const { refused } = found;
        ({ token } = await ask(port, true));
        found = token === undefined ? {} : await whose(base, token);
        if (found.refused) failures.set(port, refused);
      }
      // The tab or the stream may be another user's by now.
      if (tab.confirmed || tab.moment !== moment || hub.tabs.get(port) !== tab || !hub.stream) continue;
      if (found.me === undefined) {
        hub.greet(tab);
        if (port === holder) forget();
      } else if (found.me === hub.me) confirmAll([tab], moment);
      else if (port === holder) {
        hub.reset();
        hub.open(0);
      } else {
        strangers.add(port);
        hub.greet(tab);
      }
    }
    isChecking = false;
  };

  const hub = create(base, { fetch, token: current, carry });
  const { attach, confirm, control, goodbye, greet, groups, hello, identity, receive, reset, tell, vanish } = hub;

  return Object.assign(hub, {
    /** @type {Hub["receive"]} */
    receive(port, message) {
      const question = questions.get(message.n ?? 0);
      if (message.t !== "token") receive.call(hub, port, message);
      else if (question?.port === port) question.end(message);
    },

    /** @type {Hub["hello"]} */
    hello(stream, data) {
      // The hub may have served its last tab while the stream was opened.
      if (!hub.tabs.size) return stream.close();
      accepted = sent.get(stream.moment);
      hello.call(hub, stream, data);
    },

    // What the call has carried is of the stream's user.
    /** @type {Hub["confirm"]} */
    confirm(moment) {
      const token = sent.get(moment);
      if (token !== undefined) {
        accepted = token;
        confirmAll([...hub.tabs.values()].filter(({ port }) => tokens.get(port) === token), moment);
      }
      check();
    },

    // A stream whose user has no tab left is nobody's. A stranger has one of its own then.
    /** @type {Hub["control"]} */
    async control() {
      const isServed = mustProve || [...hub.tabs.values()].some(({ confirmed, moment }) => confirmed || moment === Infinity);
      // A call that is under way may confirm somebody.
      if (isServed || !hub.stream || hub.stream.calling || hub.opening) return control.call(hub);
      hub.reset();
      return hub.open(0);
    },

    // Groups that another user wants are none of the stream's.
    groups() {
      const [first] = speakers();
      const own = [...hub.tabs].filter(([port, tab]) => tab.confirmed || port === first);
      return groups.call(Object.create(hub, { tabs: { value: new Map(own) } }));
    },

    // Who is not confirmed is shown everything later, and nothing is kept until then.
    /** @type {Hub["tell"]} */
    tell(channel, message, tabs) {
      tell.call(hub, channel, message, [...(tabs ?? hub.tabs.values())].filter(({ confirmed }) => confirmed));
    },

    /** @type {Hub["greet"]} */
    greet(tab, forgets) {
      const { port, confirmed } = tab;
      const failure = confirmed ? undefined : failures.get(port);
      const isDenied = strangers.has(port) || (failure && failure.code !== "token");
      if (!isDenied && !failure) return greet.call(hub, tab, forgets);
      const status = isDenied ? "denied" : "connecting";
      port.postMessage({ t: "status", page: { status, error: failure ?? STRANGER, me: null }, forget: isDenied || forgets });
    },

    /** @type {Hub["identity"]} */
    identity(port) {
      tokens.clear();
      strangers.clear();
      failures.clear();
      [holder, mustProve, last] = [port, true, undefined];
      identity.call(hub, port);
      withdraw();
    },

    /** @type {Hub["attach"]} */
    attach(port, message) {
      forgetTab(port);
      return attach.call(hub, port, message);
    },

    /** @type {Hub["vanish"]} */
    vanish(port) {
      forgetTab(port);
      vanish.call(hub, port);
    },

    reset() {
      strangers.clear();
      accepted = undefined;
      reset.call(hub);
    },

    // The last call carries the last token, which is nobody's after that.
    goodbye() {
      goodbye.call(hub);
      [last, holder] = [undefined, null];
    },
  });
};

/** Serves the tabs of a worker. @param {(base: string) => Hub} createHub @param {string} url */
export const serve = (createHub, url) => {
  if (globalThis.document) return;
  const hub = createHub(url.replace(/[^/]*$/, ""));
  globalThis.onconnect = ({ ports: [port] }) => hub.serve(port);
};
