// The hub's parts that need no browser: the folding of rosters; and how big it is.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { createRoster, fold } from "../../umbral-presence/client/worker.js";

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
  assert.deepEqual(fold(roster, diff), [["join", 2, { id: "b" }]]);
  assert.deepEqual(fold(roster, diff), []);
  assert.equal(roster.v, 6);
});

test("client and worker together are smaller than 7 KiB, as they are served", async () => {
  const read = (name) => readFileSync(new URL(`../../umbral-presence/client/${name}`, import.meta.url), "utf8");
  const served = [read("client.js").replace("__HASH__", "0123456789abcdef"), read("worker.js")];
  const sizes = served.map((text) => gzipSync(text, { level: 9 }).length);
  assert.ok(sizes[0] + sizes[1] < 7 * 1024, `${sizes.join(" + ")} bytes`);
});
