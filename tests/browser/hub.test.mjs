// The whole client and its hub without a browser: what handlers are told, and what the server is
// asked.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, test } from "node:test";
import { createHub as createSocketHub } from "../../umbral-presence/client/ws.js";
import { Browser, plain, until } from "./page.mjs";

const GROUP = "room:42";
const vectors = JSON.parse(readFileSync(new URL("../vectors/handlers.json", import.meta.url), "utf8"));
const names = JSON.parse(readFileSync(new URL("../vectors/names.json", import.meta.url), "utf8"));
const ADA = { id: "1" };
const BEN = { id: "2" };

/** @type {Browser} */
let browser;

beforeEach(() => (browser = new Browser()));
afterEach(() => browser.close());

const hello = (me = "7", denied = []) => ({
  c: "@conn",
  e: "@hello",
  d: { conn: "ab".repeat(16), me, denied, heartbeat: 15 },
});
const sync = (members, v = 1, group = GROUP) => ({
  c: group,
  e: "presence:sync",
  d: members,
  k: members.map((_, i) => i + 1),
  v,
});

/** The newest stream, once there have been `count`. */
const stream = (count = 1) =>
  until(`stream ${count}`, () => browser.server.streams.length >= count && browser.server.streams.at(-1));

/** A subscription that keeps what its handlers are told. */
function watch(page, group = GROUP) {
  const events = [];
  const keep = (name) => (value) => events.push([name, plain(value)]);
  const handlers = { sync: keep("sync"), join: keep("join"), leave: keep("leave"), update: keep("update") };
  return { events, subscription: page.realtime.presence(group, handlers) };
}

/** Greets a stream, and waits until its groups have been asked for, be it by its URL or by a
 * call; a server says nothing of a group before that. */
async function greet(wire, frame = hello(), groups = [GROUP]) {
  const { calls } = browser.server;
  const before = calls.length;
  wire.write(frame);
  const asked = () => [wire.url.searchParams.get("groups").split(","), ...calls.slice(before).map((c) => c.groups)];
  await until("the groups", () => asked().some((set) => groups.every((group) => set.includes(group))));
}

/** One page, subscribed and live. */
async function livePage(members = [ADA]) {
  const page = browser.open();
  const { events, subscription } = watch(page);
  const wire = await stream();
  await greet(wire);
  wire.write(sync(members));
  await until("the snapshot", () => events.length);
  return { page, events, subscription, wire };
}

for (const { name, frames, handlers, members, version, gap } of vectors) {
  test(name, async () => {
    const { events, subscription } = watch(browser.open());
    let connections = 0;
    let wire;
    for (const frame of frames) {
      if (frame.e === "@hello") {
        // One greeting after another is a connection after another.
        wire?.end();
        wire = await stream((connections += 1));
        await greet(wire, frame);
      } else wire.write(frame);
      if (frame === frames[gap]) await until("the question", () => browser.server.calls.at(-1)?.sync.length);
    }
    await until("the handlers", () => events.length >= handlers.length);
    assert.deepEqual(events, handlers);
    assert.deepEqual(plain(subscription.members), members);
    assert.equal(subscription.count, members.length);
    assert.equal(browser.hub.rosters.get(GROUP).v, version);
    assert.equal(subscription.members, subscription.members);
    assert.ok(Object.isFrozen(subscription.members));
  });
}

test("a second page shares the stream and gets one sync, from the hub's copy", async () => {
  const { wire, events } = await livePage();
  const late = watch(browser.open());
  await until("the late page's snapshot", () => late.events.length);
  wire.write({ c: GROUP, e: "presence:diff", d: [["+", 2, BEN]], v: 2 });
  await until("the join", () => late.events.length === 2 && events.length === 2);
  assert.deepEqual(late.events, [["sync", [ADA]], ["join", BEN]]);
  assert.deepEqual(events, late.events);
  assert.equal(browser.server.streams.length, 1);
});

test("a second subscription of a page gets a sync of its own", async () => {
  const { page, events } = await livePage();
  const second = watch(page);
  await until("its sync", () => second.events.length);
  assert.deepEqual([second.events, events], [[["sync", [ADA]]], [["sync", [ADA]]]]);
});

test("groups are changed without a new stream, those of one task in one call", async () => {
  const { page } = await livePage();
  const before = browser.server.calls.length;
  for (const group of ["room:1", "room:2"]) page.realtime.presence(group);
  await until("the call", () => browser.server.calls.length > before);
  assert.deepEqual(browser.server.calls.at(-1).groups.sort(), ["room:1", "room:2", GROUP]);
  assert.equal(browser.server.calls.length, before + 1);
  assert.equal(browser.server.streams.length, 1);
});

test("a group is left with the last of its subscriptions", async () => {
  const { page, subscription, wire, events } = await livePage();
  const second = watch(page);
  page.realtime.presence("room:1");
  await until("room:1", () => browser.server.calls.at(-1)?.groups.includes("room:1"));
  subscription.unsubscribe();
  assert.equal(subscription.status, "closed");
  wire.write({ c: GROUP, e: "presence:diff", d: [["+", 2, BEN]], v: 2 });
  await until("the join", () => second.events.length === 2);
  assert.equal(events.length, 1);
  assert.ok(browser.server.calls.every((call) => call.n === 1 || call.groups.includes(GROUP)));
  second.subscription.unsubscribe();
  await until("the goodbye", () => !browser.server.calls.at(-1).groups.includes(GROUP));
});

test("one handler in two subscriptions is called twice, and once when one has ended", async () => {
  const { page, wire } = await livePage();
  let calls = 0;
  const count = () => (calls += 1);
  const [one] = [page.realtime.subscribe(GROUP, count), page.realtime.subscribe([GROUP], count)];
  wire.write({ c: GROUP, e: "chat", d: 1 });
  await until("both", () => calls === 2);
  one.unsubscribe();
  wire.write({ c: "@broadcast", e: "news", d: 1 });
  await until("the other", () => calls === 3);
});

test("an object of handlers is called by the event's name only", async () => {
  const { page, wire } = await livePage();
  const got = [];
  page.realtime.subscribe(GROUP, { chat: (data, channel) => got.push([data, channel]) });
  for (const e of ["toString", "other", "chat"]) wire.write({ c: GROUP, e, d: { text: "hi" } });
  await until("the event", () => got.length);
  assert.deepEqual(plain(got), [[{ text: "hi" }, GROUP]]);
});

test("a handler that throws breaks nothing", async () => {
  const { page, wire } = await livePage();
  page.realtime.presence(GROUP, {
    join() {
      throw new Error("no");
    },
  });
  const after = watch(page);
  await until("its sync", () => after.events.length);
  wire.write({ c: GROUP, e: "presence:diff", d: [["+", 2, BEN]], v: 2 });
  await until("the join", () => after.events.length === 2);
  assert.deepEqual(page.errors.map(String), ["Error: no"]);
});

test("a stream is read the same however it is cut", async () => {
  const { page, wire } = await livePage();
  const heard = [];
  page.realtime.subscribe(GROUP, (event, data) => heard.push(data));
  const frames = `event: u\nid: 1\ndata: {"c":"${GROUP}","e":"chat","d":"\u00e9"}\n\nevent: ping\r\ndata: {}\r\n\r\n: a comment\n\n`;
  const bytes = new TextEncoder().encode(frames);
  for (let size = 1; size <= bytes.length; size += 1) {
    for (let at = 0; at < bytes.length; at += size) wire.raw(bytes.slice(at, at + size));
    await until("the event", () => heard.length === size);
  }
  assert.deepEqual([...new Set(heard)], ["\u00e9"]);
});

test("a denied group disturbs no other", async () => {
  const page = browser.open();
  const [open, shut] = [watch(page), watch(page, "staff")];
  browser.server.denied = (groups) => groups.filter((group) => group === "staff");
  const wire = await stream();
  const asked = wire.url.searchParams.get("groups").includes("staff");
  await greet(wire, hello("7", asked ? ["staff"] : []), [GROUP, "staff"]);
  wire.write(sync([ADA]));
  await until("the refusal", () => shut.subscription.status === "denied");
  await until("the other group", () => open.events.length);
  assert.equal(open.subscription.status, "live");
  assert.deepEqual(shut.events, []);
});

test("members stay on show while the connection is lost", async () => {
  const { wire, subscription, events } = await livePage();
  wire.end();
  await until("the loss", () => subscription.status === "reconnecting");
  assert.deepEqual(plain(subscription.members), [ADA]);
  const next = await stream(2);
  next.write(hello());
  next.write(sync([ADA], 9));
  await until("live again", () => events.length === 2);
  assert.deepEqual(events[1], ["sync", [ADA]]);
});

test("a server that does not know the connection gets a new one before the old one ends", async () => {
  const { wire, page, subscription } = await livePage();
  const statuses = [];
  subscription.on("status", (status) => statuses.push(status));
  browser.server.answers.push(new Response("{}", { status: 404 }));
  page.realtime.presence("room:1");
  const next = await stream(2);
  assert.equal(wire.open, true);
  next.write(hello());
  await until("the old one ends", () => !wire.open);
  assert.ok(!statuses.includes("reconnecting"));
});

test("another identity drops every roster before anything else is seen", async () => {
  const { page, subscription, events } = await livePage();
  browser.server.answers.push(new Response("{}", { status: 409 }));
  page.realtime.reconnect();
  await until("nothing is left", () => subscription.count === 0);
  const next = await stream(2);
  next.write(hello("8"));
  next.write(sync([BEN], 1));
  await until("the new one's sync", () => events.length === 2);
  assert.deepEqual(events[1], ["sync", [BEN]]);
  assert.equal(subscription.me, "8");
});

test("a name that the server would refuse is refused before it harms the other pages", async () => {
  const { page } = await livePage();
  for (const name of ["", "@user:1", "a b", "a,b", "a\n", "\ud800", "x".repeat(201), "ü".repeat(101), null]) {
    assert.throws(() => page.realtime.presence(name), { name: /TypeError|URIError/ }, `${name}`);
  }
  page.realtime.presence("ü".repeat(100)).unsubscribe();
});

test("the script twice on a page is the same client", () => {
  const page = browser.open();
  const before = page.realtime;
  page.load();
  const after = browser.open();
  assert.notEqual(after.realtime, before);
  assert.equal(page.current(), before);
});

test("reconnect is heard by a hub that is only starting", async () => {
  const page = browser.open();
  let heard = 0;
  browser.hub.identity = () => (heard += 1);
  watch(page);
  page.realtime.reconnect();
  await until("the hub hears it", () => heard === 1);
});

test("who signs in while the stream is opened is asked for again, with the cookies of now", async () => {
  const { hub, server } = browser;
  let heard = false;
  const { identity } = hub;
  hub.identity = (port) => ((heard = true), identity.call(hub, port));
  const page = browser.open();
  const { events } = watch(page);
  const wire = await stream();
  page.realtime.reconnect();
  await until("the hub hears it", () => heard);
  server.answers.push(new Response("{}", { status: 409 }));
  await greet(wire, hello(null));
  const next = await stream(2);
  await greet(next, hello("7"));
  next.write(sync([ADA]));
  await until("the sync", () => events.length);
  assert.deepEqual(events, [["sync", [ADA]]]);
});

test("the server's heartbeat is answered by a proof of life, for timers sleep in a hidden page", async (t) => {
  const { wire } = await livePage();
  const before = browser.server.calls.length;
  const { now } = performance;
  t.mock.method(performance, "now", () => now.call(performance) + 30000);
  wire.write({});
  await until("the call", () => browser.server.calls.length > before);
  assert.deepEqual(browser.server.calls.slice(before).map((call) => call.groups), [[GROUP]]);
});

test("a reload does not leave the group, a closed page leaves it after two seconds", async () => {
  const { page, wire } = await livePage();
  page.events.dispatchEvent(new Event("pagehide"));
  const again = watch(browser.open());
  await until("the reloaded page's snapshot", () => again.events.length);
  assert.ok(browser.server.calls.every((call) => call.n === 1 || call.groups.includes(GROUP)));
  assert.equal(wire.open, true);
  again.subscription.unsubscribe();
  await until("the goodbye", () => browser.server.calls.at(-1).groups.length === 0);
});

test("a group that is wanted again after a call has failed gets its snapshot", async () => {
  const { page, wire, subscription } = await livePage();
  page.realtime.presence("room:1");
  await until("room:1", () => browser.server.calls.at(-1)?.groups.includes("room:1"));
  const before = browser.server.calls.length;
  browser.server.answers.push(new Response("{}", { status: 503 }));
  subscription.unsubscribe();
  await until("the call that fails", () => browser.server.calls.length > before);
  const again = watch(page);
  await until("the question", () => browser.server.calls.at(-1).sync.includes(GROUP));
  assert.ok(browser.server.calls.at(-1).groups.includes(GROUP));
  wire.write(sync([BEN], 5));
  await until("the snapshot", () => again.events.length);
  assert.deepEqual(again.events, [["sync", [BEN]]]);
  assert.equal(browser.server.streams.length, 1);
});

test("a page that opens while there is no connection gets one snapshot, and not the old one", async () => {
  const { wire } = await livePage();
  wire.end();
  await until("the loss", () => browser.hub.status === "reconnecting");
  const late = watch(browser.open());
  const next = await stream(2);
  await greet(next);
  next.write(sync([BEN], 1));
  await until("the snapshot", () => late.events.length);
  next.write({ c: GROUP, e: "presence:diff", d: [["+", 2, ADA]], v: 2 });
  await until("the join", () => late.events.length > 1);
  assert.deepEqual(late.events, [["sync", [BEN]], ["join", ADA]]);
});

test("a denied group that is asked for again while there is no connection is denied again", async () => {
  const page = browser.open();
  browser.server.denied = () => [GROUP];
  const { subscription } = watch(page);
  const other = page.realtime.presence("room:other");
  const wire = await stream();
  wire.write(hello("7", [GROUP]));
  await until("the refusal", () => subscription.status === "denied");
  wire.end();
  // By what it hears last, the page has heard all that the first stream had brought.
  await until("word of the loss", () => other.status === "reconnecting");
  const again = page.realtime.presence(GROUP);
  assert.equal(again.status, "reconnecting");
  (await stream(2)).write(hello("7", [GROUP]));
  await until("the second refusal", () => again.status === "denied");
  assert.equal(again.error.code, "denied");
});

test("a hub that could not be loaded is looked for again", async () => {
  const channels = [];
  let loads = 0;
  const join = () => {
    const { port1, port2 } = new MessageChannel();
    channels.push(port1, port2);
    browser.hub.serve(port1);
    return port2;
  };
  const page = browser.open({
    worker: false,
    imports: async () => {
      loads += 1;
      if (loads === 1) throw new TypeError("Failed to fetch dynamically imported module");
      return { join };
    },
  });
  const { events } = watch(page);
  const wire = await stream();
  await greet(wire);
  wire.write(sync([ADA]));
  await until("the snapshot", () => events.length);
  assert.equal(loads, 2);
  assert.match(page.logged[0], /Failed to fetch/);
  for (const port of channels) port.close();
});

test("a group beyond the server's limit is refused by itself, until there is room", async () => {
  browser.server.limit = 2;
  const { page, wire, events } = await livePage();
  const [second, third] = [watch(page, "room:2"), watch(browser.open(), "room:3")];
  await until("the refusal", () => third.subscription.status === "denied");
  assert.deepEqual(plain(third.subscription.error), { code: "too_many_groups", message: "at most 2", limit: 2 });
  await until("the second", () => second.subscription.status === "live");
  wire.write({ c: GROUP, e: "presence:diff", d: [["+", 2, BEN]], v: 2 });
  await until("the join", () => events.length === 2);
  second.subscription.unsubscribe();
  await until("room for the third", () => third.subscription.status === "live");
  assert.equal(third.subscription.error, null);
  assert.equal(browser.server.streams.length, 1);
});

test("a page that opens has the next attempt made at once", async (t) => {
  const { wire } = await livePage();
  t.mock.method(Math, "random", () => 0.9);
  browser.hub.failures = 3;
  wire.end();
  await until("the loss", () => browser.hub.status === "reconnecting");
  const { events } = watch(browser.open());
  const next = await until("the attempt", () => browser.server.streams[1], 1000);
  await greet(next);
  next.write(sync([ADA], 1));
  await until("the snapshot", () => events.length);
});

test("what was for one user reaches no page that another one has opened", async () => {
  const { wire, events } = await livePage();
  browser.server.answers.push(new Response("{}", { status: 409 }));
  const late = browser.open();
  const letters = [];
  late.realtime.subscribe(GROUP, (event, data, channel) => letters.push([event, channel]));
  const shown = watch(late);
  wire.write({ c: "@user:7", e: "mail", d: 1 });
  wire.write({ c: GROUP, e: "chat", d: 1 });
  const next = await stream(2);
  wire.write({ c: "@user:7", e: "mail", d: 2 });
  await greet(next, hello("8"));
  next.write(sync([BEN]));
  next.write({ c: "@user:8", e: "mail", d: 3 });
  await until("the letter", () => letters.length);
  assert.deepEqual(letters, [["mail", "@user:8"]]);
  assert.deepEqual(shown.events, [["sync", [BEN]]]);
  assert.deepEqual(events.at(-1), ["sync", [BEN]]);
});

test("what comes while a page's cookies are checked reaches it afterwards", async () => {
  const { page, wire, events } = await livePage();
  const heard = [];
  page.realtime.subscribe(GROUP, (event) => heard.push(event));
  await until("the call", () => browser.server.calls.length > 1);
  let answer;
  browser.server.answers.push(new Promise((done) => (answer = done)));
  page.realtime.reconnect();
  const before = browser.server.calls.length;
  await until("the check", () => browser.server.calls.length > before);
  wire.write({ c: GROUP, e: "chat", d: 1 });
  wire.write({ c: GROUP, e: "presence:diff", d: [["+", 2, BEN]], v: 2 });
  const waits = () => [...browser.hub.tabs.values()][0].waiting.map(({ t }) => t);
  await until("it waits", () => waits().includes("event") && waits().includes("diff"));
  assert.deepEqual(heard, []);
  answer(Response.json({ n: 9, joined: [], left: [], denied: [] }));
  await until("it has come", () => heard.length);
  assert.deepEqual(heard, ["chat"]);
  assert.deepEqual(events, [["sync", [ADA]], ["sync", [ADA]], ["join", BEN]]);
});

test("what is under way when a page asks who is signed in now is not for it any more", async () => {
  const { page, wire } = await livePage();
  const letters = [];
  page.realtime.subscribe(GROUP, (event, data) => letters.push(data));
  wire.write({ c: "@user:7", e: "mail", d: 1 });
  await until("the first letter", () => letters.length);
  const { tell } = browser.hub;
  // The second one has left the hub and has not arrived.
  let told = false;
  browser.hub.tell = (...message) => {
    tell.apply(browser.hub, message);
    if (told) return;
    told = true;
    browser.server.answers.push(new Response("{}", { status: 409 }));
    page.realtime.reconnect();
  };
  wire.write({ c: "@user:7", e: "mail", d: 2 });
  await until("it is sent", () => told);
  const next = await stream(2);
  await greet(next, hello("8"));
  next.write({ c: "@user:8", e: "mail", d: 3 });
  await until("the last letter", () => letters.includes(3));
  assert.deepEqual(letters, [1, 3]);
});

test("a right that is lost denies that room and no other, and its roster is gone", async () => {
  const { page, wire, subscription, events } = await livePage();
  const other = page.realtime.presence("room:1");
  await until("the other room", () => other.status === "live");
  wire.write({ c: "@conn", e: "@denied", d: { groups: [GROUP] } });
  await until("the refusal", () => subscription.status === "denied");
  wire.write({ c: GROUP, e: "presence:diff", d: [["+", 2, BEN]], v: 2 });
  wire.write({ c: "@conn", e: "@lagged", d: { missed: 1 } });
  assert.deepEqual([subscription.count, other.status, events.length], [0, "live", 1]);
});

test("the connection's own events are told to those who subscribe", async () => {
  const { page, wire } = await livePage();
  const told = [];
  page.realtime.subscribe(GROUP, (...event) => told.push(plain(event)));
  wire.write({ c: "@conn", e: "@lagged", d: { missed: 3 } });
  await until("the event", () => told.length);
  assert.deepEqual(told, [["@lagged", { missed: 3 }, "@conn"]]);
});

test("a server that drains is left for another one, before it ends the stream", async () => {
  const { wire, subscription } = await livePage();
  const statuses = [];
  subscription.on("status", (status) => statuses.push(status));
  wire.write({ c: "@conn", e: "@drain", d: { within: 0.2 } });
  const next = await stream(2);
  assert.equal(wire.open, true);
  await greet(next);
  await until("the old one ends", () => !wire.open);
  assert.deepEqual(statuses, []);
});

test("a sign-in that runs out is shown to go on by a call, on the same stream", async () => {
  const { page, wire } = await livePage();
  const calls = browser.server.calls.length;
  wire.write({ c: "@conn", e: "@expiring", d: { within: 60 } });
  await until("the call", () => browser.server.calls.length > calls);
  assert.equal(browser.server.calls.length, calls + 1);
  assert.equal(wire.open, true);
  assert.ok(page);
});

test("after a refusal with Retry-After the next attempt waits that long, and no more than twice", async () => {
  const { page, wire } = await livePage();
  browser.server.answers.push(new Response("{}", { status: 429, headers: { "retry-after": "1" } }));
  const [calls, at] = [browser.server.calls.length, Date.now()];
  const other = page.realtime.presence("room:1");
  await until("the first call", () => browser.server.calls.length > calls);
  await until("the second call", () => browser.server.calls.length > calls + 1);
  const waited = Date.now() - at;
  assert.ok(waited >= 1000 && waited < 2500, `${waited} ms`);
  await until("the room", () => other.status === "live");
  assert.equal(wire.open, true);
});

test("a stream that is refused for good stays so until a page is looked at", async () => {
  const { page, wire, subscription } = await livePage();
  const { fetch } = browser.server;
  let asked = 0;
  const error = { code: "denied", message: "no" };
  browser.server.fetch = async () => ((asked += 1), Response.json({ error }, { status: 403 }));
  wire.end();
  await until("the refusal", () => subscription.status === "denied");
  assert.deepEqual(plain(subscription.error), error);
  assert.equal(asked, 1);
  browser.server.fetch = fetch;
  page.document.dispatchEvent(new Event("visibilitychange"));
  const next = await stream(2);
  await greet(next);
  await until("live", () => subscription.status === "live");
  assert.equal(subscription.error, null);
});

test("a store is told once for what comes together, and its snapshot stays the same in between", async () => {
  const { subscription, wire } = await livePage();
  const told = [];
  const stop = subscription.subscribe((snapshot) => told.push(snapshot));
  assert.equal(told.length, 1);
  assert.equal(told[0], subscription.snapshot());
  assert.ok(Object.isFrozen(told[0]));
  wire.write({ c: GROUP, e: "presence:diff", d: [["+", 2, BEN], ["-", 1]], v: 3 });
  await until("the change", () => told.length > 1);
  assert.deepEqual(plain(told[1]), { members: [BEN], count: 1, me: "7", status: "live", error: null });
  assert.equal(told[1], subscription.snapshot());
  assert.equal(told[1].members, subscription.members);
  stop();
  wire.write({ c: GROUP, e: "presence:diff", d: [["-", 2]], v: 4 });
  await until("nobody", () => subscription.count === 0);
  assert.equal(told.length, 2);
});

/** A live page that gets what `imports` gives in the place of compare.js. */
async function comparingBy(imports, globals = {}) {
  const page = browser.open({ imports, globals });
  const { events } = watch(page);
  const wire = await stream();
  await greet(wire);
  wire.write(sync([ADA]));
  await until("the snapshot", () => events.length);
  return { page, events, wire };
}

test("the script that compares snapshots is loaded for one that differs, and messages wait for it in order", async () => {
  const asked = [];
  let load;
  const { events, wire } = await comparingBy((address) => {
    asked.push(address);
    return new Promise((done) => (load = done));
  });
  wire.write(sync([ADA], 4));
  await until("the same snapshot", () => events.length === 2);
  assert.deepEqual([events[1], asked], [["sync", [ADA]], []]);
  wire.write(sync([BEN], 5));
  wire.write({ c: GROUP, e: "presence:diff", d: [["+", 7, ADA]], v: 6 });
  await until("the script", () => asked.length);
  assert.match(asked[0], /^http:\/\/page\.test\/realtime\/compare\.js\?v=/);
  assert.equal(events.length, 2);
  load({ compare: () => [["leave", ADA], ["join", BEN]] });
  await until("all of it", () => events.length === 6);
  assert.deepEqual(events.slice(2), [["leave", ADA], ["join", BEN], ["sync", [BEN]], ["join", ADA]]);
});

const MISSING = {
  "cannot be loaded": [() => Promise.reject(new TypeError("no script")), /no script/],
  "does not come within ten seconds": [() => new Promise(() => {}), /no compare\.js/],
};

for (const [what, [imports, said]] of Object.entries(MISSING)) {
  test(`where the script that compares ${what}, the snapshot alone is told, and the console says why`, async () => {
    // Ten seconds pass at once.
    const timer = (run, ms, ...values) => void setTimeout(run, ms === 10000 ? 5 : ms, ...values).unref();
    const { page, events, wire } = await comparingBy(imports, { setTimeout: timer });
    wire.write(sync([BEN], 5));
    wire.write({ c: GROUP, e: "presence:diff", d: [["+", 7, ADA]], v: 6 });
    await until("the snapshot", () => events.length === 3);
    assert.deepEqual(events.slice(1), [["sync", [BEN]], ["join", ADA]]);
    assert.match(`${page.errors}`, said);
  });
}

test("a script that could not be loaded is asked for under another name, for a browser may keep the failure", async () => {
  const asked = [];
  const { events, wire } = await comparingBy(async (address) => {
    asked.push(address);
    if (asked.length === 1) throw new TypeError("no script");
    return { compare: () => [["leave", BEN]] };
  });
  wire.write(sync([BEN], 5));
  wire.write(sync([ADA], 6));
  await until("both snapshots", () => events.length === 4);
  assert.deepEqual(events.slice(1), [["sync", [BEN]], ["leave", BEN], ["sync", [ADA]]]);
  assert.notEqual(asked[0], asked[1]);
});

test("a page that asks who is signed in while it compares hears nothing more of before", async () => {
  let load;
  const { page, events, wire } = await comparingBy(() => new Promise((done) => (load = done)));
  wire.write(sync([BEN], 5));
  await until("the script", () => load);
  browser.server.answers.push(new Response("{}", { status: 409 }));
  page.realtime.reconnect();
  load({ compare: () => [["join", BEN]] });
  const next = await stream(2);
  await greet(next, hello("8"));
  next.write(sync([ADA], 1));
  await until("the new one's snapshot", () => events.length > 1);
  assert.deepEqual(events.slice(1), [["sync", [ADA]]]);
});

test("an iterator gives the snapshot, what comes after it, and the end", async () => {
  const { subscription, wire } = await livePage();
  const iterator = subscription[Symbol.asyncIterator]();
  assert.deepEqual(plain((await iterator.next()).value), ["sync", [ADA]]);
  wire.write({ c: GROUP, e: "presence:diff", d: [["+", 2, BEN]], v: 2 });
  assert.deepEqual(plain((await iterator.next()).value), ["join", BEN]);
  const rest = iterator.next();
  subscription.unsubscribe();
  assert.deepEqual(plain((await rest).value), ["status", "closed"]);
  assert.equal((await iterator.next()).done, true);
});

test("an iterator whose reader is too slow gives one snapshot for all that was missed", async () => {
  const { subscription, wire } = await livePage();
  const iterator = subscription[Symbol.asyncIterator]();
  await iterator.next();
  const crowd = Array.from({ length: 1500 }, (_, i) => ["+", i + 2, { id: `${i + 2}` }]);
  wire.write({ c: GROUP, e: "presence:diff", d: crowd, v: 1501 });
  await until("the crowd", () => subscription.count === 1501);
  const events = [];
  for (let i = 0; i < 500; i += 1) events.push((await iterator.next()).value);
  assert.equal(events[0][0], "sync");
  assert.equal(events[0][1].length + events.length - 1, 1501);
  await iterator.return();
});

test("a subscription ends with the block that uses it", async () => {
  const { page, subscription } = await livePage();
  subscription[page.dispose]();
  assert.equal(subscription.status, "closed");
  await until("the goodbye", () => browser.server.calls.at(-1)?.groups.length === 0);
});

test("what cannot be done says what to do instead", () => {
  const page = browser.open();
  assert.throws(() => page.realtime.configure({ transport: "pigeon" }), /"sse" or "ws"/);
  assert.throws(() => page.realtime.send(GROUP, "chat", 1), /transport: "ws"/);
  page.realtime.presence(GROUP);
  assert.throws(() => page.realtime.configure({ base: "/other" }), /comes first/);
});

test("a page in the back/forward cache is told nothing, and what there is when it is back", async () => {
  const { page, wire, events } = await livePage();
  const other = watch(browser.open());
  await until("the other page", () => other.events.length);
  page.events.dispatchEvent(new Event("pagehide"));
  await until("it is away", () => [...browser.hub.tabs.values()].some((tab) => !tab.confirmed));
  wire.write({ c: GROUP, e: "presence:diff", d: [["+", 2, BEN]], v: 2 });
  await until("the other page sees it", () => other.events.length === 2);
  assert.equal(events.length, 1);
  page.events.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  await until("it is back", () => events.length === 3);
  assert.deepEqual(events.slice(1), [["join", BEN], ["sync", [ADA, BEN]]]);
  assert.equal(browser.server.streams.length, 1);
});

/** A WebSocket's other end. */
class Socket {
  static OPEN = 1;
  /** @type {Socket[]} */
  static all = [];
  readyState = Socket.OPEN;
  sent = [];

  constructor(address) {
    this.url = new URL(address);
    Socket.all.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code) {
    if (this.readyState !== Socket.OPEN) return;
    [this.readyState, this.code] = [3, code];
    queueMicrotask(() => this.onclose({ code }));
  }

  say(event, data, channel = "@conn", more = {}) {
    this.onmessage({ data: JSON.stringify({ channel, event, data, ...more }) });
  }

  greet(me = "7") {
    this.say("@hello", { conn: null, me, denied: [], heartbeat: 15 });
  }
}

/** One page over a WebSocket, subscribed and live. */
async function socketPage() {
  Socket.all = [];
  globalThis.WebSocket = Socket;
  browser.hub = createSocketHub("http://page.test/realtime/");
  const page = browser.open();
  page.realtime.configure({ transport: "ws" });
  const { events, subscription } = watch(page);
  const socket = await until("the socket", () => Socket.all[0]);
  socket.greet();
  socket.say("presence:sync", [ADA], GROUP, { v: 1, k: [1] });
  await until("the snapshot", () => events.length);
  return { page, events, subscription, socket };
}

test("over a WebSocket, a gap asks for the snapshot of that group alone", async () => {
  const { socket, events } = await socketPage();
  socket.say("presence:diff", [["-", 1]], GROUP, { v: 7 });
  await until("the question", () => socket.sent.length);
  assert.deepEqual(socket.sent, [{ op: "sync", groups: [GROUP] }]);
  socket.say("presence:sync", [BEN], GROUP, { v: 7, k: [2] });
  await until("the snapshot", () => events.length === 4);
  assert.deepEqual(events.slice(1), [["leave", ADA], ["join", BEN], ["sync", [BEN]]]);
  assert.equal(Socket.all.length, 1);
});

test("over a WebSocket, a sign-in that runs out is shown to go on by a new socket, before the old one ends", async () => {
  const { socket } = await socketPage();
  browser.hub.stream.steadyAt -= 20000;
  socket.say("@expiring", { within: 60 });
  const next = await until("the next socket", () => Socket.all[1]);
  assert.equal(socket.readyState, Socket.OPEN);
  // Where nobody has signed in anew, the new one is told the same at once.
  next.greet();
  next.say("@expiring", { within: 60 });
  for (let i = 0; i < 50; i += 1) await new Promise(setImmediate);
  assert.equal(Socket.all.length, 2);
});

test("over a WebSocket, groups are left, entered, denied and refused each by itself", async () => {
  const { page, socket, subscription } = await socketPage();
  const [second, staff] = [page.realtime.presence("room:2"), page.realtime.presence("staff")];
  await until("the question", () => socket.sent.length === 1);
  assert.deepEqual(socket.sent[0], { op: "join", groups: ["room:2", "staff"] });
  socket.say("@joined", { groups: ["room:2"] });
  socket.say("@denied", { groups: ["staff"] });
  await until("the answers", () => second.status === "live" && staff.status === "denied");
  staff.unsubscribe();
  subscription.unsubscribe();
  const ops = (op) => socket.sent.filter((sent) => sent.op === op);
  await until("the leave", () => ops("leave").length);
  assert.deepEqual(ops("leave")[0], { op: "leave", groups: [GROUP] });
  socket.say("@left", { groups: [GROUP] });
  const [third, fourth] = [page.realtime.presence("room:3"), page.realtime.presence("room:4")];
  await until("the question", () => ops("join").some(({ groups }) => groups.includes("room:4")));
  socket.say("@refused", { error: { code: "too_many_groups", message: "at most 2", limit: 2 } });
  await until("the refusal", () => fourth.status === "denied");
  assert.equal(fourth.error.limit, 2);
  socket.say("@joined", { groups: ["room:3"] });
  await until("the third", () => third.status === "live");
  // A right that is lost, which nobody has asked for.
  socket.say("@denied", { groups: ["room:2"] });
  await until("the loss", () => second.status === "denied");
  assert.equal(third.status, "live");
});

test("over a WebSocket, messages wait for the connection, and are not sent as another user's", async () => {
  const { page, socket, subscription } = await socketPage();
  page.realtime.send(GROUP, "chat", { text: "one" });
  await until("the message", () => socket.sent.length);
  assert.deepEqual(socket.sent, [{ group: GROUP, event: "chat", data: { text: "one" } }]);
  socket.close(1006);
  await until("the loss", () => subscription.status === "reconnecting");
  page.realtime.send(GROUP, "chat", "two");
  const next = await until("the next socket", () => Socket.all[1]);
  next.greet();
  await until("the message", () => next.sent.length);
  assert.deepEqual(next.sent, [{ group: GROUP, event: "chat", data: "two" }]);
  next.close(1006);
  await until("the second loss", () => subscription.status === "reconnecting");
  page.realtime.send(GROUP, "chat", "three");
  const last = await until("the last socket", () => Socket.all[2]);
  last.greet("8");
  await until("another user", () => subscription.me === "8");
  page.realtime.send(GROUP, "chat", "four");
  await until("the message", () => last.sent.length);
  assert.deepEqual(last.sent, [{ group: GROUP, event: "chat", data: "four" }]);
});

test("names are taken and refused as by the server and the attribute", async () => {
  const RULE = new RegExp(`a group is 1 to ${names.most_bytes} bytes`);
  const page = browser.open();
  const isTaken = (name) => {
    try {
      page.realtime.subscribe(name, {}).unsubscribe();
      return true;
    } catch (error) {
      assert.match(error.message, RULE);
      return false;
    }
  };
  for (const { text, times, good } of names.names)
    assert.equal(isTaken(text.repeat(times)), good, JSON.stringify(text));
  const ranges = names.refused.map((range) => range.map((each) => parseInt(each, 16)));
  const isRefused = (point) => ranges.some(([first, last]) => first <= point && point <= last);
  for (let point = 0; point <= 0x10ffff; point += 1) {
    // What is taken makes a room, so of those only what stands beside a range, and some more.
    const isNear = ranges.some(([first, last]) => first - 1 === point || last + 1 === point);
    const isSurrogate = point >= 0xd800 && point <= 0xdfff;
    if (!isRefused(point) && !isNear && !isSurrogate && point % 97) continue;
    const wanted = !isRefused(point) && !isSurrogate;
    assert.equal(isTaken(`a${String.fromCodePoint(point)}b`), wanted, point.toString(16));
  }
});
