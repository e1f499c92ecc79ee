// Pages that have tokens instead of cookies: which requests carry which, and who is shown what.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { createHub as createTokenHub } from "../../umbral-presence/client/worker-token.js";
import { createHub as createSocketHub } from "../../umbral-presence/client/ws-token.js";
import { Browser, plain, until } from "./page.mjs";

const GROUP = "room:42";
const BASE = "http://page.test/realtime/";
const REFUSED = { code: "unauthenticated", message: "the token is not accepted; it may have run out" };

/** @type {Browser} */
let browser;
/** What requests for streams and calls had, in order. @type {(string | null)[]} */
let carried;
/** Whose a token is; nobody's where it is not here. @type {Record<string, string>} */
let users;

/** A browser whose server knows `users` by their tokens. */
beforeEach(() => {
  browser = new Browser();
  browser.hub = createTokenHub(BASE);
  carried = [];
  users = { a1: "ann", a2: "ann", b1: "ben" };
  const { fetch } = browser.server;
  /** Whose the stream is. */
  let of;
  browser.server.fetch = async (address, options) => {
    const url = new URL(address);
    assert.equal(url.searchParams.get("auth"), "1", "the server is told that there may be a token");
    const token = options.headers.authorization?.replace(/^Bearer /, "") ?? null;
    assert.ok(token === null || !address.includes(token));
    carried.push(token);
    const me = users[token] ?? null;
    if (token !== null && me === null) return Response.json({ error: REFUSED }, { status: 401 });
    if (url.pathname.endsWith("/control") && me !== of)
      return Response.json({ error: { code: "identity_changed", message: "somebody else" } }, { status: 409 });
    const response = await fetch(address, options);
    if (url.pathname.endsWith("/sse")) {
      if (url.searchParams.get("groups")) of = me;
      const groups = url.searchParams.get("groups").split(",").filter(Boolean);
      const stream = browser.server.streams.at(-1);
      stream.write({ c: "@conn", e: "@hello", d: { conn: "ab", me, denied: [], heartbeat: 15 } });
      for (const c of groups) stream.write({ c, e: "presence:sync", d: [{ id: me }], k: [1], v: 1 });
    }
    return response;
  };
});
afterEach(() => browser.close());

/** A page with this function for a token, subscribed. */
function page(token, transport) {
  const opened = browser.open();
  opened.realtime.configure({ token, ...(transport && { transport }) });
  return { ...opened, subscription: opened.realtime.presence(GROUP) };
}

const live = ({ subscription }) => until("live", () => subscription.status === "live" && subscription.count === 1);

/** A call of the hub, as it makes one every 20 seconds. */
async function call() {
  const before = carried.length;
  browser.hub.plan();
  await until("the call", () => carried.length > before && !browser.hub.stream?.calling);
}

test("each stream and each call carries the token of its moment", async () => {
  let token = "a1";
  const ann = page(async () => token);
  await live(ann);
  assert.equal(ann.subscription.me, "ann");
  token = "a2";
  await call();
  assert.deepEqual([carried[0], carried.at(-1)], ["a1", "a2"]);
  assert.equal(browser.server.streams.length, 1);
});

test("a token that the server refuses is asked for again once, and then the page is denied", async () => {
  const asked = [];
  const page1 = page((refused) => (asked.push(refused), refused ? "a1" : "old"));
  await live(page1);
  assert.deepEqual(carried.slice(0, 2), ["old", "a1"]);
  // The first call of all.
  await until("a call", () => browser.server.calls.length && !browser.hub.stream?.calling);
  users = {};
  const [before, questions] = [carried.length, asked.length];
  browser.hub.plan();
  await until("denied", () => page1.subscription.status === "denied");
  assert.deepEqual(plain(page1.subscription.error), REFUSED);
  assert.deepEqual(carried.slice(before), ["old", "a1"]);
  assert.deepEqual(asked.slice(questions), [false, true]);
  for (let i = 0; i < 50; i += 1) await new Promise(setImmediate);
  assert.equal(carried.length, before + 2, "nothing more is asked");
});

test("the same token again is not tried", async () => {
  users = {};
  const { subscription } = page(() => "a1");
  await until("denied", () => subscription.status === "denied");
  assert.deepEqual(carried, ["a1"]);
});

test("a refresh that fails does not throw away the last token", async () => {
  let fails = false;
  const ann = page(async () => {
    if (fails) throw new Error("the issuer is away");
    return "a1";
  });
  await live(ann);
  fails = true;
  await call();
  assert.equal(carried.at(-1), "a1");
  assert.equal(ann.subscription.status, "live");
});

test("where there is no token yet, the page says why, and nothing is asked of the server", async () => {
  let fails = true;
  const ann = page(() => {
    if (fails) throw new Error("the issuer is away");
    return "a1";
  });
  await until("the error", () => ann.subscription.error);
  assert.equal(ann.subscription.error.code, "token");
  assert.match(ann.subscription.error.message, /the issuer is away/);
  assert.deepEqual(carried, []);
  fails = false;
  browser.hub.retry();
  await live(ann);
});

test("nobody is signed in where there is no token", async () => {
  const visitor = page(() => null);
  await until("live", () => visitor.subscription.status === "live");
  assert.equal(visitor.subscription.me, null);
  assert.equal(carried[0], null);
});

test("what is no text is no token", async () => {
  const { subscription } = page(() => 7);
  await until("the error", () => subscription.error);
  assert.match(subscription.error.message, /no text but number/);
  assert.deepEqual(carried, []);
});

test("a tab with the same token is shown what the others see, without a request of its own for it", async () => {
  await live(page(() => "a1"));
  await live(page(() => "a1"));
  assert.equal(browser.server.streams.length, 1);
});

test("a tab with another token of the same user is shown what the others see, once the server has said whose it is", async () => {
  await live(page(() => "a1"));
  const second = page(() => "a2");
  await live(second);
  assert.equal(second.subscription.me, "ann");
  assert.equal(browser.hub.stream.groups[0], GROUP);
  assert.equal(browser.server.streams[0].open, true);
});

test("a tab of another user is shown nothing of the stream's, and the stream stays", async () => {
  const ann = page(() => "a1");
  await live(ann);
  const ben = page(() => "b1");
  await until("denied", () => ben.subscription.status === "denied");
  assert.equal(ben.subscription.error.code, "identity_changed");
  assert.deepEqual([plain(ben.subscription.members), ben.subscription.me], [[], null]);
  browser.server.streams[0].write({ c: GROUP, e: "presence:diff", d: [["+", 2, { id: "zoe" }]], v: 2 });
  await until("the join", () => ann.subscription.count === 2);
  await call();
  assert.deepEqual(plain(ben.subscription.members), []);
  assert.equal(ben.subscription.status, "denied");
  assert.equal(browser.server.streams[0].open, true);
});

test("a tab that has signed in as somebody else takes the stream over, and the others are shown nothing of it", async () => {
  let token = "a1";
  const first = page(() => token);
  await live(first);
  const second = page(() => "a1");
  await live(second);
  token = "b1";
  first.realtime.reconnect();
  await until("ben", () => first.subscription.me === "ben" && first.subscription.count === 1);
  await until("denied", () => second.subscription.status === "denied");
  assert.deepEqual([second.subscription.me, plain(second.subscription.members)], [null, []]);
});

test("a tab that does not answer is passed over", async (t) => {
  const frozen = page(() => new Promise(() => {}));
  await until("the tab", () => browser.hub.tabs.size === 1);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const ann = page(() => "a1");
  const seen = until("ann", () => ann.subscription.count === 1, 20000);
  const turns = setInterval(() => t.mock.timers.tick(100), 1);
  await seen.finally(() => clearInterval(turns));
  assert.equal(frozen.subscription.count, 0);
});

class Socket extends EventTarget {
  static OPEN = 1;
  /** @type {Socket[]} */
  static all = [];
  readyState = 0;
  sent = [];

  constructor(address) {
    super();
    this.url = new URL(address);
    Socket.all.push(this);
    queueMicrotask(() => {
      this.readyState = Socket.OPEN;
      this.onopen();
    });
  }

  /** Answers as the server does. */
  send(text) {
    const sent = JSON.parse(text);
    this.sent.push(sent);
    const { op, groups } = sent;
    if (op === "join") return this.say("@joined", { groups });
    if (op === "leave") return this.say("@left", { groups });
    assert.equal(sent.op, "auth");
    const me = users[sent.token] ?? null;
    if (sent.token !== null && me === null) {
      this.say("@refused", { error: REFUSED });
      return this.close();
    }
    this.say("@hello", { conn: null, me, denied: [], heartbeat: 15 });
    for (const group of this.url.searchParams.get("groups").split(",").filter(Boolean))
      this.say("presence:sync", [{ id: me }], group, { v: 1, k: [1] });
  }

  say(event, data, channel = "@conn", more = {}) {
    queueMicrotask(() => this.onmessage({ data: JSON.stringify({ channel, event, data, ...more }) }));
  }

  close() {
    this.readyState = 3;
    queueMicrotask(() => this.onclose({ code: 1008 }));
  }
}

/** A page over a WebSocket. */
function socketPage(token) {
  Socket.all = [];
  globalThis.WebSocket = /** @type {any} */ (Socket);
  browser.hub = createSocketHub(BASE);
  return page(token, "ws");
}

test("over a WebSocket the token comes in the first text, and is in no address", async () => {
  const ann = socketPage(() => "a1");
  await live(ann);
  const [socket] = Socket.all;
  assert.equal(socket.url.searchParams.get("auth"), "1");
  assert.deepEqual(socket.sent[0], { op: "auth", token: "a1" });
  assert.ok(!socket.url.href.includes("a1"));
  assert.equal(ann.subscription.me, "ann");
  const second = page(() => "a1", "ws");
  await live(second);
  assert.equal(Socket.all.length, 1);
});

test("over a WebSocket too a refused token is asked for again once, and then the page is denied", async () => {
  const ann = socketPage((refused) => (refused ? "a1" : "old"));
  await live(ann);
  assert.deepEqual(Socket.all.map(({ sent }) => sent[0].token), ["old", "a1"]);
  users = {};
  Socket.all.at(-1).close();
  browser.hub.retry();
  await until("denied", () => (browser.hub.hurry?.(), ann.subscription.status === "denied"));
  assert.deepEqual(plain(ann.subscription.error), REFUSED);
  assert.equal(Socket.all.length, 4);
});

test("over a WebSocket a tab that has signed in as somebody else takes over", async () => {
  let token = "a1";
  const first = socketPage(() => token);
  await live(first);
  token = "b1";
  first.realtime.reconnect();
  await until("ben", () => first.subscription.me === "ben" && first.subscription.count === 1);
});
