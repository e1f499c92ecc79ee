// The hub's parts that need no browser: the event stream and the folding of rosters.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createRoster, eventReader, fold } from "../../umbral-presence/client/worker.js";

const vectors = JSON.parse(readFileSync(new URL("../vectors/roster.json", import.meta.url), "utf8"));

for (const { name, frames, members, version } of vectors) {
  test(name, () => {
    const roster = createRoster();
    for (const frame of frames) assert.notEqual(fold(roster, frame), "gap");
    assert.deepEqual([...roster.members], members);
    assert.equal(roster.v, version);
  });
}

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
  assert.deepEqual(fold(roster, diff), [["+", 2, { id: "b" }]]);
  assert.deepEqual(fold(roster, diff), []);
  assert.equal(roster.v, 6);
});

test("a stream is read the same however it is cut", () => {
  const stream = 'event: u\nid: 1\ndata: {"a":"é"}\n\nevent: ping\r\ndata: {}\r\n\r\n: a comment\n\ndata:3\n\n';
  for (let size = 1; size <= stream.length; size += 1) {
    const events = [];
    const read = eventReader((frame) => events.push(frame));
    for (let at = 0; at < stream.length; at += size) read(stream.slice(at, at + size));
    assert.deepEqual(events, [{ a: "é" }, {}, 3], `in pieces of ${size}`);
  }
});
