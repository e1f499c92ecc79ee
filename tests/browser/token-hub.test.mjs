// What a hub whose tabs have tokens tells whom, where answers, tabs and users overtake each other. Tabs
// are ports here, and the server is a function.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { createHub as createTokenHub } from "../../umbral-presence/client/worker-token.js";
import { createHub as createSocketHub } from "../../umbral-presence/client/ws-token.js";
import { until } from "./page.mjs";

const BASE = "http://page.test/realtime/";
const DEADLINE = 15000;

let hub;
/** Whose a token is. */
let users;
/** What the server was asked: `{ kind, token, groups }`. */
let asked;
/** The streams that are in a group. */
let streams;
/** Holds an answer back, where a test says so. */
let gate;

beforeEach(() => {
  users = { a1: "ann", a2: "ann", b1: "ben" };
  [asked, streams, gate] = [[], [], null];
  let of;
  Object.defineProperty(globalThis, "navigator", { value: { locks: { request: async () => {} } }, configurable: true });
  globalThis.fetch = async (address, options = {}) => {
    const url = new URL(address);
    const token = options.headers.authorization?.replace(/^Bearer /, "") ?? null;
    const me = users[token] ?? null;
    const call = url.pathname.endsWith("/control") ? JSON.parse(options.body) : null;
    const groups = call?.groups ?? url.searchParams.get("groups").split(",").filter(Boolean);
    const request = { kind: call ? "control" : "sse", token, groups };
    asked.push(request);
    await gate?.(request);
    if (token !== null && me === null) return Response.json({ error: { code: "unauthenticated", message: "no" } }, { status: 401 });
    if (call) {
      if (me !== of) return Response.json({ error: { code: "identity_changed", message: "no" } }, { status: 409 });
      const { write } = streams.at(-1);
      for (const c of groups) write({ c, e: "presence:sync", d: [{ id: me, of: me }], k: [1], v: 1 });
      return Response.json({ n: call.n, joined: [], left: [], denied: [] });
    }
    const stream = { me, open: true };
    const body = new ReadableStream({
      start(controller) {
        const text = new TextEncoder();
        stream.write = (frame) => stream.open && controller.enqueue(text.encode(`event: u\ndata: ${JSON.stringify(frame)}\n\n`));
        options.signal?.addEventListener("abort", () => {
          if (stream.open) controller.error(new Error("aborted"));
          stream.open = false;
        });
      },
    });
    if (groups.length) {
      of = me;
      streams.push(stream);
    }
    stream.write({ c: "@conn", e: "@hello", d: { conn: "c", me, denied: [], heartbeat: 15 } });
    for (const c of groups) stream.write({ c, e: "presence:sync", d: [{ id: me, of: me }], k: [1], v: 1 });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  hub = createTokenHub(BASE);
});
afterEach(() => {
  hub.tabs.clear();
  hub.goodbye();
});

/** A tab with this function for a token, in groups. Its log is what it was told. */
function tab(token, groups = ["room:1"]) {
  const port = {
    log: [],
    onmessage: null,
    postMessage(message) {
      port.log.push(message);
      if (message.t === "token") port.answer(message);
    },
    async answer({ n, refused }) {
      try {
        port.say({ t: "token", n, token: await token(refused) });
      } catch (error) {
        port.say({ t: "token", n, error: `${error}` });
      }
    },
    say: (message) => port.onmessage({ data: message }),
    page: () => port.log.filter(({ t }) => t === "status").at(-1)?.page,
    /** All of somebody's that it was told. */
    told: (of) => port.log.filter((message) => JSON.stringify(message).includes(`"of":"${of}"`) || message.page?.me === of),
  };
  hub.serve(port);
  port.say({ t: "attach", groups });
  return port;
}

const waits = (what, read) => until(what, read, DEADLINE);
/** Nothing is under way, and the first call of all has been made. */
const quiet = () => waits("quiet", () => hub.stream?.n > 0 && !hub.stream.calling && !hub.planned && !hub.opening);
/** What is under way in this process comes about. */
const turns = async () => {
  for (let turn = 0; turn < 30; turn += 1) await new Promise(setImmediate);
};

async function live(token = () => "a1", groups) {
  const first = tab(token, groups);
  await waits("live", () => hub.me === "ann" && first.page()?.me === "ann");
  await quiet();
  return first;
}

test("the answer to a call confirms those whose token the call had, whatever has been asked since", async () => {
  const first = await live();
  let release;
  const held = new Promise((done) => (release = done));
  gate = ({ kind, token }) => (kind === "control" && token === "a1" ? held : undefined);
  const before = asked.length;
  hub.plan();
  await waits("a call of Ann's", () => asked.length > before);
  const ben = tab(() => "b1");
  first.say({ t: "vanish" });
  streams.at(-1).write({ c: "@conn", e: "@drain", d: { within: 1 } });
  await turns();
  release();
  await waits("Ben", () => ben.page()?.me === "ben");
  assert.deepEqual(ben.told("ann"), []);
});

test("over a WebSocket too, who is checked while the next socket is opened is compared with the stream that stands", async () => {
  class Socket {
    static OPEN = 1;
    static all = [];
    readyState = 0;
    sent = [];
    constructor(address) {
      this.url = new URL(address);
      Socket.all.push(this);
      queueMicrotask(() => {
        this.readyState = 1;
        this.onopen();
      });
    }
    say(event, data, channel = "@conn", more = {}) {
      queueMicrotask(() => this.onmessage({ data: JSON.stringify({ channel, event, data, ...more }) }));
    }
    async send(text) {
      const { op, token, groups } = JSON.parse(text);
      this.sent.push(op);
      if (op === "join" || op === "leave") return this.say(op === "join" ? "@joined" : "@left", { groups });
      if (op !== "auth") return;
      const me = users[token];
      await gate?.({ kind: "ws", token });
      this.say("@hello", { conn: null, me, denied: [], heartbeat: 15 });
      for (const group of this.url.searchParams.get("groups").split(",").filter(Boolean))
        this.say("presence:sync", [{ id: me, of: me }], group, { v: 1, k: [1] });
    }
    close() {
      this.readyState = 3;
      queueMicrotask(() => this.onclose({ code: 1000 }));
    }
  }
  globalThis.WebSocket = /** @type {any} */ (Socket);
  hub = createSocketHub(BASE);
  const first = tab(() => "a1");
  await waits("live", () => first.page()?.me === "ann");
  let release;
  const held = new Promise((done) => (release = done));
  gate = ({ token }) => (token === "b1" ? held : undefined);
  let answer;
  let questions = 0;
  // The first question is answered late, the others at once.
  const ben = tab(() => ((questions += 1) === 1 ? new Promise((done) => (answer = done)) : "b1"));
  await waits("the question", () => answer);
  first.say({ t: "vanish" });
  Socket.all[0].say("@drain", { within: 1 });
  await waits("the next socket", () => Socket.all.length > 1);
  answer("b1");
  await turns();
  release();
  await waits("Ben", () => ben.page()?.me === "ben");
  assert.deepEqual(ben.told("ann"), []);
});

test("a stranger's groups are not joined as the stream's user, and nothing is kept for it", async () => {
  await live();
  const ben = tab(() => "b1", ["room:of-ben"]);
  await waits("denied", () => ben.page()?.status === "denied");
  for (let n = 0; n < 1000; n += 1) streams.at(-1).write({ c: "@user:ann", e: "mail", d: { of: "ann" } });
  hub.plan();
  await quiet();
  await turns();
  assert.ok(!asked.some(({ token, groups }) => token === "a1" && groups.includes("room:of-ben")));
  assert.deepEqual(hub.tabs.get(ben).waiting, []);
  assert.deepEqual(ben.told("ann"), []);
});

test("a stranger is let in when the other's last tab has gone", async () => {
  const first = await live();
  const ben = tab(() => "b1");
  await waits("denied", () => ben.page()?.status === "denied");
  first.say({ t: "vanish" });
  await waits("Ben", () => ben.page()?.me === "ben" && ben.page()?.status === "live");
  await waits("his members", () => ben.told("ben").some(({ t }) => t === "room"));
  assert.deepEqual(ben.told("ann"), []);
});

test("who signs out is shown nothing more, also where no token can be had then", async () => {
  let out = false;
  const first = await live(() => {
    if (out) throw new Error("nobody is signed in");
    return "a1";
  });
  out = true;
  const before = asked.length;
  first.say({ t: "identity" });
  await waits("the error", () => first.page()?.error?.code === "token");
  await waits("the stream's end", () => !streams[0].open);
  assert.match(first.page().error.message, /nobody is signed in/);
  assert.equal(first.page().me, null);
  assert.ok(first.log.some((message) => message.forget), "what it knew is forgotten");
  assert.deepEqual(asked.slice(before), [], "the old token is not used");
});

test("who signs in while another tab is asked for its token is who the stream is of", async () => {
  let answer;
  let slow = false;
  const first = await live(() => (slow ? new Promise((done) => (answer = done)) : "a1"));
  const ben = tab(() => "b1");
  await waits("denied", () => ben.page()?.status === "denied");
  await quiet();
  slow = true;
  hub.plan();
  await waits("the question", () => answer);
  slow = false;
  ben.say({ t: "identity" });
  answer("a1");
  await waits("Ben", () => ben.page()?.me === "ben" && ben.page()?.status === "live");
  await waits("a stranger", () => first.page()?.status === "denied");
});

test("a tab that closes while it is asked is not waited for", async () => {
  let slow = false;
  let isAsked = false;
  const first = await live(() => (slow ? new Promise(() => (isAsked = true)) : "a1"));
  const second = tab(() => "a2");
  await waits("Ann", () => second.page()?.me === "ann");
  await quiet();
  slow = true;
  const before = asked.length;
  const began = performance.now();
  hub.plan();
  await waits("the question", () => isAsked);
  first.say({ t: "vanish" });
  await waits("the call", () => asked.length > before);
  assert.ok(performance.now() - began < 4000, "it would be given up after five seconds");
});

test("after the last tab's goodbye its token is nobody's", async () => {
  const first = await live();
  first.say({ t: "vanish" });
  await waits("the goodbye", () => asked.at(-1).kind === "control" && !asked.at(-1).groups.length);
  const before = asked.length;
  const next = tab(() => {
    throw new Error("the issuer is away");
  });
  await waits("the error", () => next.page()?.error?.code === "token");
  assert.deepEqual(asked.slice(before), []);
});

test("a second tab with a token that has run out is asked for a newer one, and is no stranger", async () => {
  await live();
  const second = tab((refused) => (refused ? "a2" : "old"));
  await waits("Ann", () => second.page()?.me === "ann");
  const third = tab(() => "older");
  await waits("denied", () => third.page()?.status === "denied");
  assert.equal(third.page().error.code, "unauthenticated");
});

test("a tab whose function fails is told so, while the others go on", async () => {
  const first = await live();
  const second = tab(() => {
    throw new Error("the issuer is away");
  });
  await waits("the error", () => second.page()?.error?.code === "token");
  assert.match(second.page().error.message, /the issuer is away/);
  assert.equal(first.page().status, "live");
  assert.ok(!JSON.stringify(first.log).includes("issuer"), "that is for the tab that has failed");
});

test("an answer counts only from the tab that was asked", async () => {
  let answer;
  const first = tab(() => new Promise((done) => (answer = done)));
  await waits("the question", () => answer);
  const { n } = first.log.find(({ t }) => t === "token");
  const ben = tab(() => new Promise(() => {}));
  ben.say({ t: "token", n, token: "b1" });
  await turns();
  assert.deepEqual(asked, []);
  answer("a1");
  await waits("Ann", () => first.page()?.me === "ann");
  assert.ok(asked.every(({ token }) => token === "a1"));
});

test("a holder that does not answer is spoken for by its last token, never by a stranger's", async () => {
  let frozen = false;
  const first = await live(() => (frozen ? new Promise(() => {}) : "a1"));
  const ben = tab(() => "b1");
  await waits("denied", () => ben.page()?.status === "denied");
  frozen = true;
  const before = asked.length;
  hub.plan();
  await waits("the call", () => asked.length > before);
  assert.ok(asked.slice(before).every(({ token }) => token === "a1"));
  assert.deepEqual([first.page().me, ben.page().status], ["ann", "denied"]);
});

test("a hub that has resigned opens no stream", async () => {
  let later;
  let slow = false;
  await live(() => (slow ? new Promise((done) => (later = done)) : "a1"));
  slow = true;
  hub.open();
  await waits("the question", () => later);
  // As the leader does (leader.js).
  hub.tabs.clear();
  hub.drop();
  const before = asked.length;
  later("a1");
  await turns();
  assert.equal(asked.length, before);
  assert.equal(hub.stream, null);
});

test("a refresh that fails for a moment is no denial", async () => {
  let away = false;
  const first = await live((refused) => {
    if (refused && away) throw new Error("the issuer is away");
    return refused ? "a2" : "a1";
  });
  delete users.a1;
  away = true;
  hub.plan();
  await waits("an error", () => hub.error?.code === "token");
  assert.notEqual(first.page().status, "denied");
  away = false;
  hub.retry();
  await waits("well again", () => hub.error === null && first.page().status === "live");
});
