// How often a hub asks, whatever it is answered: streams, calls, handshakes and all.
//
// The worlds are played in a thread of their own: where tests run, node keeps account of every
// promise, which takes as long as the worlds themselves.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { World, drawn, hello } from "./world.mjs";

const MINUTES = 5;

const conn = (e, d) => ({ c: "@conn", e, d });
const refused = (code, more = {}) => ({ error: { code, message: `because of ${code}`, ...more } });
const BEATS = Array.from({ length: 60 }, (_, i) => [15000 * (i + 1), "event: ping\ndata: {}\n\n"]);
const CHATTER = Array.from({ length: 600 }, (_, i) => [500 * (i + 1), { c: "@broadcast", e: "news", d: i }]);

const STATUSES = [200, 204, 302, 400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 429, 500, 502, 503, 504];
const NUMBERS = ["-1", "0", "0.001", "1", "3", "1e400", "99999999999", "Infinity", "NaN", "soon", "", "Wed, 21 Oct 2037 07:28:00 GMT"];

const withNumbers = (answers) => [
  ...answers,
  ...NUMBERS.map((number) => ({ status: 503, body: refused("busy"), headers: { "retry-after": number } })),
];

const CALLS = withNumbers([
  "error",
  "hang",
  ...STATUSES.map((status) => ({ status, body: refused(`${status}`) })),
  { status: 200, body: "garbage" },
  { status: 200, body: {} },
  { status: 200, body: { denied: 5 } },
  { status: 200, body: { denied: [] } },
  (nth) => ({ status: 400, body: refused("too_many_groups", { limit: 1000 - nth }) }),
  ...[undefined, null, -1, NaN, "x", {}].map((limit) => ({ status: 400, body: refused("too_many_groups", { limit }) })),
]);

const live = (more = {}, frames = BEATS, ends) => ({ frames: [[1, conn("@hello", hello(more))], ...frames], ends });
const drains = (within) => live({}, [[2, conn("@drain", { within })], [3, conn("@drain", { within })], ...BEATS]);
const gaps = Array.from({ length: 3000 }, (_, i) => [
  [100 * i + 1, { c: "room:1", e: "presence:sync", d: [], k: [], v: 10 * i + 1 }],
  [100 * i + 2, { c: "room:1", e: "presence:diff", d: [["-", 1]], v: 10 * i + 5 }],
]).flat();

const STREAMS = withNumbers([
  "error",
  "hang",
  ...STATUSES.slice(1).map((status) => ({ status, body: refused(`${status}`) })),
  { status: 200, type: "text/html", body: "a page" },
  { frames: [], ends: 10 },
  { frames: [[1, "data: {garbage\n\n"]], ends: 10 },
  { frames: [[1, conn("@hello", null)]] },
  live(),
  live({}, CHATTER),
  live({}, [], 2),
  live({}, [], 5000),
  live({}, BEATS, 31000),
  live({}, gaps),
  { ...live({}, [], 100), error: true },
  live({ denied: 5 }),
  ...[0, -1, 1e-9, 1e30, null, "x", NaN, {}].map((heartbeat) => live({ heartbeat }, [])),
  ...[0, -1, 1e-9, 1e30, null, "x", {}, 1e9].map(drains),
  (nth) => live({ me: `${nth}` }),
]);

const of = (answer, nth) => (typeof answer === "function" ? answer(nth) : answer);

/** Plays a server for some minutes, to a tab and another one that comes later; gives what was asked
 * in each minute. */
async function count(server, { groups = ["room:1"], ...options } = {}) {
  const world = new World(server, options);
  world.tab(groups);
  await world.pass(20000);
  world.tab(groups);
  await world.pass(60000 * MINUTES - 20000);
  const counts = world.perMinute(MINUTES);
  world.end();
  return counts;
}

/** Counts for one server after another: about ten in the first minute and fewer in each later one.
 * Chance and the tab that comes later, which ends a wait, make some more. */
class Counts {
  #all = [];

  add(what, counts) {
    const said = `${what.slice(0, 500)}: ${counts} requests in its minutes`;
    assert.ok(counts[0] <= 16 && counts.slice(1).every((each) => each <= 10), said);
    this.#all.push(counts);
  }

  hold(t) {
    const of = (minute) => this.#all.map((counts) => counts[minute]).sort((a, b) => a - b);
    const said = Array.from({ length: MINUTES }, (_, minute) => {
      const counts = of(minute);
      const mean = counts.reduce((sum, each) => sum + each, 0) / counts.length;
      return { mean, most: counts.at(-1), usual: counts[Math.floor(0.99 * counts.length)] };
    });
    const words = said.map(({ mean, usual, most }) => `${mean.toFixed(1)}/${usual}/${most}`);
    t.diagnostic(`${this.#all.length} servers; mean, 99th percentile and most in each minute: ${words.join(", ")}`);
    for (const { mean, usual } of said.slice(1)) assert.ok(mean < said[0].mean && usual <= said[0].usual);
    assert.ok(said[0].mean < 10);
  }
}

const ONE = ["room:1"];
const MANY = Array.from({ length: 12 }, (_, i) => `room:${i + 1}`);

/** Some of these. */
const some = (random, all, most) => Array.from({ length: 1 + Math.floor(most * random()) }, () => one(random, all));
const one = (random, all) => all[Math.floor(all.length * random())];

const CODES = [1000, 1001, 1002, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 4000, 4999];
const agrees = ({ op, groups }) => (op === "sync" ? [] : [conn(op === "join" ? "@joined" : "@left", { groups })]);
const socket = (ends, code, answers = agrees) => ({ ...live({}, [[15000, conn("@ping", {})]], ends), code, answers });
const ANSWERS = [
  () => [],
  () => ["garbage"],
  ({ groups }) => [conn("@denied", { groups })],
  () => [conn("@refused", refused("too_fast"))],
  () => [conn("@refused", refused("too_many_groups", { limit: 1 }))],
];

const SOCKETS = [
  "error",
  "hang",
  "throw",
  ...CODES.flatMap((code) => [{ ends: 1, code }, socket(10, code), socket(40000, code)]),
  { frames: [[1, "garbage"]] },
  ...ANSWERS.map((answers) => socket(undefined, 1000, answers)),
  ...ANSWERS.map((answers) => socket(40000, 1000, answers)),
];

/** Of so many servers one is played; `SERVERS=all` has all of them played. */
const PART = process.env.SERVERS === "all" ? 1 : 4;

/** The servers of each test: what one is, and what it was asked in each minute. */
const PLAYED = {
  async *same(groups) {
    // Each stream meets some of the calls, and each call some of the streams.
    for (const [i, stream] of STREAMS.entries()) {
      for (const [j, call] of CALLS.entries()) {
        if ((i + j) % PART !== 0) continue;
        const server = (what, nth) => of(what === "control" ? call : stream, nth);
        const seed = 1 + j + i * CALLS.length;
        yield [[of(stream, 0), of(call, 0)], await count(server, { groups, seed })];
      }
    }
  },

  async *changing() {
    for (let seed = 0; seed < 1500; seed += PART) {
      const random = drawn(seed);
      const [streams, calls] = [some(random, STREAMS, 5), some(random, CALLS, 5)];
      const server = (what, nth) => of(one(random, what === "control" ? calls : streams), nth);
      yield [{ seed }, await count(server, { groups: one(random, [ONE, MANY]), seed })];
    }
  },

  async *sockets() {
    for (let seed = 0; seed < 1500; seed += PART) {
      const random = drawn(seed);
      const [sockets, streams] = [some(random, SOCKETS, 4), some(random, STREAMS, 3)];
      const server = (what, nth) => of(one(random, what === "sse" ? streams : sockets), nth);
      yield [{ seed }, await count(server, { groups: one(random, [ONE, MANY]), seed, overSocket: true })];
    }
  },
};

if (isMainThread) {
  /** Has them played, and looks at what they were asked. */
  const hold = async (t, name, ...args) => {
    const all = new Counts();
    const worker = new Worker(new URL(import.meta.url), { workerData: { name, args } });
    worker.on("message", ([what, counts]) => {
      try {
        all.add(what, counts);
      } catch (error) {
        worker.emit("error", error);
      }
    });
    try {
      const [code] = await once(worker, "exit");
      assert.equal(code, 0);
    } finally {
      await worker.terminate();
    }
    all.hold(t);
  };

  for (const groups of [ONE, MANY]) {
    test(`no answers that stay the same have a hub with ${groups.length} groups ask without end`, (t) =>
      hold(t, "same", groups));
  }
  test("no answers that change in whatever order have a hub ask without end", (t) => hold(t, "changing"));
  test("no sockets that are refused, closed or silent have a hub ask without end", (t) => hold(t, "sockets"));
} else {
  const { name, args } = workerData;
  // What is said of a server is for people, and may hold functions.
  for await (const [what, counts] of PLAYED[name](...args)) parentPort.postMessage([JSON.stringify(what), counts]);
}
