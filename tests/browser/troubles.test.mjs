// What a hub does where something fails, and what it tells the pages of it; by a clock that runs as
// fast as it can.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import "../../umbral-presence/client/debug.js";
import { World, hello } from "./world.mjs";

const ROOM = "room:1";
const SECOND = 1000;

/** @type {World | undefined} */
let world;
afterEach(() => world?.end());

const conn = (e, d) => ({ c: "@conn", e, d });
const sync = (group = ROOM) => ({ c: group, e: "presence:sync", d: [{ id: "1" }], k: [1], v: 1 });
const live = (more = {}) => ({ frames: [[1, conn("@hello", hello(more))], [2, sync()], ...beats(40)] });
const beats = (count) => Array.from({ length: count }, (_, i) => [15 * SECOND * (i + 1), "event: ping\ndata: {}\n\n"]);
const agreed = (more = {}) => ({ status: 200, body: { n: 1, joined: [], left: [], denied: [], ...more } });
const refused = (status, code, message = `because of ${code}`) => ({ status, body: { error: { code, message } } });

/** A world whose streams are live, unless `stream` says otherwise. */
function play({ stream = live, call = agreed, ...options } = {}) {
  return (world = new World((what, nth) => (what === "control" ? call(nth) : stream(nth, what)), options));
}

const asked = (what) => world.requests.filter((each) => each.what === what);
const rooms = (tab, group) => tab.told.filter((message) => message.t === "room" && message.group === group);

for (const status of [401, 403]) {
  test(`a call that is refused with ${status} denies, in the server's words, and nothing more is asked`, async () => {
    play({ call: () => refused(status, "origin", "pages of this origin may not connect") });
    const tab = world.tab([ROOM]);
    await world.pass(600 * SECOND);
    const { status: shown, error } = tab.page();
    assert.deepEqual([shown, error], ["denied", { code: "origin", message: "pages of this origin may not connect" }]);
    assert.deepEqual([asked("sse").length, asked("control").length], [1, 1]);
    assert.ok(world.streams[0].isOver);
  });
}

test("a page without the server's words says what was answered", async () => {
  play({ call: () => ({ status: 403, body: "<html>" }) });
  const tab = world.tab([ROOM]);
  await world.pass(SECOND);
  assert.equal(tab.page().error.code, "403");
  assert.match(tab.page().error.message, /^control: no readable answer/);
});

const FAILURES = {
  "a network error": "error",
  "a server error": refused(500, "identity"),
  garbage: { status: 200, body: "garbage" },
  "a method that is not allowed": { status: 405, body: "no" },
};

for (const [what, answer] of Object.entries(FAILURES)) {
  test(`where calls fail by ${what}, a late tab is live within seconds, and the old stream ends after the new one's hello`, async () => {
    let fails = false;
    play({ call: () => (fails ? answer : agreed()) });
    const first = world.tab([ROOM]);
    await world.pass(60 * SECOND);
    fails = true;
    const before = world.requests.length;
    const late = world.tab([ROOM, "room:2"]);
    await world.pass(4 * SECOND);
    assert.equal(rooms(late, ROOM).at(-1)?.members?.length, 1);
    assert.equal(rooms(late, "room:2").at(-1)?.room.status, "live");
    assert.deepEqual(world.requests.slice(before).map((each) => each.what), ["control", "control", "control", "sse"]);
    assert.deepEqual(asked("sse")[1].groups, [ROOM, "room:2"]);
    assert.ok(first.told.every(({ t, page }) => t !== "status" || page.status !== "reconnecting"));
    assert.deepEqual(world.streams.map(({ isOver }) => isOver), [true, false]);
    // It goes on failing, and both pages say so.
    await world.pass(60 * SECOND);
    for (const tab of [first, late]) assert.ok(tab.page().error, "the trouble is told");
    fails = false;
    await world.pass(60 * SECOND);
    for (const tab of [first, late]) assert.deepEqual([tab.page().status, tab.page().error], ["live", null]);
  });
}

test("the new stream is open before the old one is closed", async () => {
  let order = [];
  play({ call: (nth) => (nth === 1 ? refused(404, "unknown_connection") : agreed()) });
  const tab = world.tab([ROOM]);
  await world.pass(SECOND);
  const { hub } = world;
  const { hello: greet } = hub;
  hub.hello = (...values) => (order.push(`hello, and the old one is ${world.streams[0].isOver ? "over" : "open"}`), greet.apply(hub, values));
  tab.say({ t: "want", groups: [ROOM, "room:2"] });
  await world.pass(3 * SECOND);
  assert.deepEqual(order, ["hello, and the old one is open"]);
  assert.deepEqual(world.streams.map(({ isOver }) => isOver), [true, false]);
});

test("a group that is wanted while a stream is opened is asked for when it is live, and a stream that knows all asks no more", async () => {
  let nth = 0;
  play({ stream: () => ({ frames: [[nth++ ? 5 * SECOND : 1, conn("@hello", hello())], ...beats(9)] }) });
  const tab = world.tab([ROOM]);
  await world.pass(SECOND);
  assert.equal(asked("control").length, 1);
  world.streams[0].end();
  await world.pass(3 * SECOND);
  assert.equal(asked("sse").length, 2);
  tab.say({ t: "want", groups: [ROOM, "room:2"] });
  await world.pass(5 * SECOND);
  assert.deepEqual(asked("control").slice(1).map(({ groups }) => groups), [[ROOM, "room:2"]]);
  world.streams[1].end();
  await world.pass(9 * SECOND);
  assert.deepEqual(asked("sse")[2].groups, [ROOM, "room:2"]);
  assert.equal(asked("control").length, 2);
});

test("a call that fails once tells those who wait for it, and nobody else", async () => {
  play({ call: (nth) => (nth === 1 ? refused(503, "busy") : agreed()) });
  const [one, two] = [world.tab([ROOM]), world.tab([ROOM])];
  await world.pass(SECOND);
  two.say({ t: "want", groups: [ROOM, "room:2"] });
  await world.pass(5);
  assert.deepEqual([one.page().error, two.page().error?.code], [null, "busy"]);
  await world.pass(3 * SECOND);
  assert.equal(two.page().error, null);
  assert.equal(rooms(two, "room:2").at(-1).room.status, "live");
  assert.equal(asked("sse").length, 1);
});

test("while there is no connection, a page says why", async () => {
  const answers = [
    ["error", "unreachable"],
    [refused(503, "full", "the server has as many connections as it takes"), "full"],
    [{ status: 200, type: "text/html", body: "<html>" }, "200"],
    [{ status: 404, body: "no" }, "404"],
    [{ frames: [[1, "data: {garbage\n\n"]] }, "unreachable"],
  ];
  for (const [answer, code] of answers) {
    let isUp = false;
    play({ stream: () => (isUp ? live() : answer) });
    const tab = world.tab([ROOM]);
    await world.pass(SECOND);
    const { status, error } = tab.page();
    assert.deepEqual([status, error?.code], ["connecting", code]);
    assert.ok(error.message.length > 10);
    isUp = true;
    await world.pass(60 * SECOND);
    assert.deepEqual([tab.page().status, tab.page().error], ["live", null]);
    isUp = false;
    world.streams.at(-1).end();
    await world.pass(20);
    assert.deepEqual([tab.page().status, tab.page().error?.code], ["reconnecting", "lost"]);
    await world.pass(30 * SECOND);
    assert.deepEqual([tab.page().status, tab.page().error?.code], ["reconnecting", code]);
    world.end();
  }
});

test("who asks for it is told what the hub does, without a token and without what is sent", async () => {
  play({ call: (nth) => (nth === 1 ? refused(503, "busy") : agreed()) });
  const [tab, other] = [world.tab([ROOM], { debug: true }), world.tab([ROOM])];
  await world.pass(40 * SECOND);
  world.streams[0].end();
  await world.pass(40 * SECOND);
  const lines = tab.told.filter(({ t }) => t === "log").map(({ text }) => text);
  for (const line of [/opened/, /live/, /control: 200/, /control: 503/, /\d+ ms until/, /ended/]) {
    assert.ok(lines.some((each) => line.test(each)), `${line} in ${lines.join("; ")}`);
  }
  assert.ok(!lines.some((each) => each.includes("abab") || each.includes("id")), lines.join("; "));
  assert.ok(!other.told.some(({ t }) => t === "log"));
});

test("a clock that is set back stops no proof of life", async () => {
  play();
  world.tab([ROOM]);
  await world.pass(30 * SECOND);
  const before = asked("control").length;
  world.wall -= 3600 * SECOND;
  await world.pass(60 * SECOND);
  assert.ok(asked("control").length >= before + 2, `${asked("control").length - before} calls in a minute`);
  assert.equal(asked("sse").length, 1);
});

test("a clock that is set forward ends no stream and asks no more often", async () => {
  play();
  world.tab([ROOM]);
  await world.pass(SECOND);
  const before = world.requests.length;
  for (let i = 0; i < 10; i += 1) {
    world.wall += 3600 * SECOND;
    world.streams[0].write("event: ping\ndata: {}\n\n");
    await world.pass(SECOND);
  }
  assert.equal(world.requests.length, before);
});

test("a watchdog that runs late gives what waits behind it one more chance, and no two", async () => {
  play({ stream: () => ({ frames: [[1, conn("@hello", hello())], [2, sync()]] }) });
  const tab = world.tab([ROOM]);
  await world.pass(SECOND);
  // The page is frozen for an hour: the timer is the first to run.
  world.time += 3600 * SECOND;
  await world.pass(5);
  assert.equal(world.streams[0].isOver, false);
  world.streams[0].write("event: ping\ndata: {}\n\n");
  await world.pass(30 * SECOND);
  assert.deepEqual([world.streams[0].isOver, tab.page().status], [false, "live"]);
  world.time += 3600 * SECOND;
  await world.pass(38 * SECOND);
  assert.equal(world.streams[0].isOver, true);
});

test("a hidden page, whose timers run once a minute, proves its life in time", async () => {
  play();
  const tab = world.tab([ROOM]);
  await world.pass(SECOND);
  world.isHidden = true;
  await world.pass(600 * SECOND);
  const times = asked("control").map(({ at }) => at);
  const gaps = times.slice(1).map((at, i) => at - times[i]);
  // The server takes a client of which it hears nothing for a minute for lost.
  assert.ok(times.length > 10 && Math.max(...gaps) <= 45 * SECOND, `calls after ${gaps}`);
  assert.deepEqual([asked("sse").length, tab.page().status], [1, "live"]);
});

test("a hidden page over a WebSocket, whose timers run once a minute, keeps its stream", async () => {
  const pings = Array.from({ length: 80 }, (_, i) => [15 * SECOND * (i + 1), conn("@ping", {})]);
  play({ stream: () => ({ frames: [[1, conn("@hello", hello())], [2, sync()], ...pings] }), overSocket: true });
  const tab = world.tab([ROOM]);
  await world.pass(SECOND);
  world.isHidden = true;
  await world.pass(1200 * SECOND);
  assert.deepEqual([asked("ws").length, tab.page().status], [1, "live"]);
  assert.ok(!tab.told.some(({ t, e }) => t === "event" && e === "@ping"), "no page hears of it");
  // Silence is noticed all the same.
  await world.pass(300 * SECOND);
  assert.ok(asked("ws").length > 1);
});

for (const number of ["-1", "0.001", "1e400", "99999999999", "NaN", "soon", "Wed, 21 Oct 2037 07:28:00 GMT"]) {
  test(`a Retry-After of ${number} makes no more requests than none, and is waited for ten to twenty minutes at most`, async () => {
    const busy = { ...refused(503, "busy"), headers: { "retry-after": number } };
    play({ stream: () => busy, call: () => busy });
    world.tab([ROOM]);
    await world.pass(60 * SECOND);
    assert.ok(world.requests.length <= 10, `${world.requests.length} requests in a minute`);
    await world.pass(1200 * SECOND);
    assert.ok(world.requests.length > 1);
    world.end();
    play({ stream: live, call: () => busy });
    world.tab([ROOM]);
    await world.pass(60 * SECOND);
    assert.ok(world.requests.length <= 14, `${world.requests.length} requests in a minute`);
  });
}

for (const number of [-1, 1e-9, 1e30, "x", {}, null]) {
  test(`a stream that drains within ${JSON.stringify(number)}, with such a heartbeat, is not left at once each time`, async () => {
    const greeting = [[1, conn("@hello", hello({ heartbeat: number }))], [2, conn("@drain", { within: number })]];
    play({ stream: () => ({ frames: [...greeting, ...beats(20)] }) });
    world.tab([ROOM]);
    await world.pass(60 * SECOND);
    assert.ok(world.requests.length <= 12, `${world.requests.length} requests in a minute`);
  });
}

test("a group without presence is live, and there is nobody", async () => {
  play({
    stream: () => ({ frames: [[1, conn("@hello", hello({ no_presence: ["plain:1"] }))], [2, sync()], ...beats(9)] }),
    call: (nth) => agreed(nth === 1 ? { no_presence: ["plain:2"] } : {}),
  });
  const tab = world.tab([ROOM, "plain:1"]);
  await world.pass(SECOND);
  tab.say({ t: "want", groups: [ROOM, "plain:1", "plain:2"] });
  await world.pass(60 * SECOND);
  for (const group of ["plain:1", "plain:2"]) {
    const { room, members } = rooms(tab, group).at(-1);
    assert.deepEqual([room.status, room.error.code, members], ["live", "no_presence", null]);
  }
  assert.deepEqual(rooms(tab, ROOM).at(-1).room, { status: "live", error: null });
});

test("over a WebSocket, a group without presence is told as well", async () => {
  const answers = ({ op, groups }) => (op === "join" ? [conn("@joined", { groups, no_presence: groups })] : []);
  play({ stream: () => ({ frames: [[1, conn("@hello", hello())], [2, sync()]], answers }), overSocket: true });
  const tab = world.tab([ROOM]);
  await world.pass(SECOND);
  tab.say({ t: "want", groups: [ROOM, "plain:2"] });
  await world.pass(SECOND);
  const { status, error } = rooms(tab, "plain:2").at(-1).room;
  assert.deepEqual([status, error.code], ["live", "no_presence"]);
});

test("over a WebSocket, a tab hears nothing before a handshake has told who its cookies say it is", async () => {
  const answers = ({ op, groups }) => (op === "sync" ? [] : [conn(op === "join" ? "@joined" : "@left", { groups })]);
  const greeting = { frames: [[5 * SECOND, conn("@hello", hello())]] };
  const socket = { frames: [[1, conn("@hello", hello())], [2, sync()]], answers };
  play({ stream: (_, what) => (what === "greeting" ? greeting : socket), overSocket: true });
  world.tab([ROOM]);
  await world.pass(SECOND);
  const late = world.tab([ROOM]);
  await world.pass(SECOND);
  // Something else has the hub ask the server meanwhile, and another tab comes.
  late.say({ t: "want", groups: [ROOM, "room:2"] });
  await world.pass(SECOND);
  const last = world.tab([ROOM]);
  last.say({ t: "want", groups: [ROOM, "room:3"] });
  await world.pass(2 * SECOND);
  assert.deepEqual([late, last].map((tab) => tab.told.filter(({ t }) => t === "room")), [[], []]);
  await world.pass(2 * SECOND);
  assert.deepEqual([late, last].map((tab) => rooms(tab, ROOM).length > 0), [true, false]);
  await world.pass(5 * SECOND);
  assert.equal(rooms(last, ROOM).at(-1).members.length, 1);
  assert.deepEqual([asked("greeting").length, asked("ws").length], [2, 1]);
});

test("over a WebSocket, joins are split, so that no text is longer than 32 KiB", async () => {
  const answers = ({ op, groups }) => (op === "sync" ? [] : [conn(op === "join" ? "@joined" : "@left", { groups })]);
  play({ stream: () => ({ frames: [[1, conn("@hello", hello())]], answers }), overSocket: true });
  // The longest names, of which each character is escaped.
  const groups = Array.from({ length: 1000 }, (_, i) => `${i}`.padEnd(200, '"'));
  const tab = world.tab(groups);
  await world.pass(20 * SECOND);
  const [socket] = world.sockets;
  const joins = socket.sent.filter(({ op }) => op === "join");
  assert.ok(joins.length > 1 && joins.every(({ bytes }) => bytes < 32768), `${joins.map(({ bytes }) => bytes)}`);
  assert.deepEqual([...socket.groups, ...joins.flatMap((join) => join.groups)].sort(), [...groups].sort());
  assert.ok(groups.every((group) => rooms(tab, group).at(-1)?.room.status === "live"));
  tab.say({ t: "want", groups: [] });
  await world.pass(20 * SECOND);
  assert.ok(socket.sent.every(({ bytes }) => bytes < 32768));
  assert.deepEqual([world.sockets.length, world.hub.rosters.size], [1, 0]);
});

test("over a WebSocket, denials come one by one or together", async () => {
  const answers = ({ groups: [a, b, c] }) => [conn("@denied", { groups: [a, b] }), conn("@joined", { groups: [c] })];
  play({ stream: () => ({ frames: [[1, conn("@hello", hello())], [2, sync()]], answers }), overSocket: true });
  const tab = world.tab([ROOM]);
  await world.pass(SECOND);
  tab.say({ t: "want", groups: [ROOM, "a", "b", "c"] });
  await world.pass(SECOND);
  assert.deepEqual(["a", "b", "c"].map((group) => rooms(tab, group).at(-1).room.status), ["denied", "denied", "live"]);
  // Rights that are lost.
  world.sockets[0].say(conn("@denied", { groups: [ROOM, "c"] }));
  await world.pass(5);
  assert.deepEqual([ROOM, "c"].map((group) => rooms(tab, group).at(-1).room.status), ["denied", "denied"]);
});

const HANDSHAKES = {
  "the server's words where it refuses": [refused(403, "origin"), "denied", "origin"],
  "the server's words where it is full": [refused(503, "full"), "connecting", "full"],
  "that there is no WebSocket where an event stream would do": [live(), "connecting", "no_websocket"],
  "that nobody is reached": ["error", "connecting", "unreachable"],
};

for (const [what, [answer, status, code]] of Object.entries(HANDSHAKES)) {
  test(`of a handshake that fails a page learns ${what}`, async () => {
    play({ stream: (_, what) => (what === "sse" ? answer : "error"), overSocket: true });
    const tab = world.tab([ROOM]);
    await world.pass(300 * SECOND);
    assert.deepEqual([tab.page().status, tab.page().error.code], [status, code]);
    const times = asked("ws").map(({ at }) => at);
    const pauses = times.slice(1).map((at, i) => at - times[i]);
    assert.ok(status === "denied" ? times.length === 1 : pauses.at(-1) > 10 * SECOND, `pauses: ${pauses}`);
    assert.ok(world.requests.length <= 36, `${world.requests.length} requests in five minutes`);
  });
}
