// The hub's parts that need no browser: how it folds rosters and reads a stream.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createHub, fold } from "../../umbral-presence/client/worker.js";

const vectors = JSON.parse(readFileSync(new URL("../vectors/roster.json", import.meta.url), "utf8"));

for (const { name, frames, members, version } of vectors) {
  test(name, () => {
    const roster = createRoster();
    for (const frame of frames) assert.notEqual(fold(roster, frame), "gap");
    assert.deepEqual([...roster.members], members);
    assert.equal(roster.v, version);
  });
}

/** A roster before its first snapshot. */
const createRoster = () => ({ members: new Map(), v: -1 });

const sync = { c: "room:1", e: "presence:sync", d: [{ id: "a" }], k: [1], v: 5 };

test("a change before the snapshot is not shown, since the snapshot holds it", () => {
  const roster = createRoster();
  assert.deepEqual(fold(roster, { c: "room:1", e: "presence:join", d: {}, k: 9, v: 5 }), []);
  assert.equal(roster.members.size, 0);
});

test("a gap is noticed and changes nothing", () => {
  const roster = createRoster();
  fold(roster, sync);
  assert.equal(fold(roster, { c: "room:1", e: "presence:diff", d: [["-", 1]], v: 7 }), "gap");
  assert.equal(roster.members.size, 1);
});

test("what is known already is passed over, also in the middle of a diff", () => {
  const roster = createRoster();
  fold(roster, sync);
  const diff = { c: "room:1", e: "presence:diff", d: [["+", 1, { id: "a" }], ["+", 2, { id: "b" }]], v: 6 };
  assert.deepEqual(fold(roster, diff), [["join", 2, { id: "b" }]]);
  assert.deepEqual(fold(roster, diff), []);
  assert.equal(roster.v, 6);
});

/** Milliseconds of work for a line of so many bytes that comes in pieces of 64 KiB. */
async function workFor(bytes) {
  const line = `data: {"c":"room:1","e":"big","d":"${"x".repeat(bytes)}"}\n\n`;
  const pieces = line.match(/.{1,65536}|\n+/gs);
  const reader = { read: async () => (pieces.length ? { value: pieces.shift() } : { done: true }) };
  const headers = new Headers({ "content-type": "text/event-stream" });
  const { fetch } = globalThis;
  globalThis.fetch = async () => ({ ok: true, status: 200, headers, body: { pipeThrough: () => ({ getReader: () => reader }) } });
  const hub = createHub("http://page.test/realtime/");
  let came = 0;
  hub.take = (_, { d }) => (came = d.length);
  const before = process.cpuUsage();
  await hub.connect(() => {});
  const { user, system } = process.cpuUsage(before);
  globalThis.fetch = fetch;
  assert.equal(came, bytes);
  return (user + system) / 1000;
}

test("a snapshot that comes in pieces costs what its bytes cost, not their square", async (t) => {
  await workFor(1e6);
  const [small, large] = [await workFor(5e6), await workFor(20e6)];
  t.diagnostic(`5 MB: ${small.toFixed(0)} ms, 20 MB: ${large.toFixed(0)} ms of work`);
  assert.ok(large < 400 && large < 10 * Math.max(small, 10), `5 MB: ${small} ms, 20 MB: ${large} ms`);
});
