// What is published on npm.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { pack, typeCheck } from "./npm.mjs";

const client = new URL("../../umbral-presence/client/", import.meta.url);
const description = JSON.parse(await readFile(new URL("package.json", client), "utf8"));

test("the package holds all that it exports and loads, and nothing of the workshop", async () => {
  const { name, version, files } = await pack();
  assert.deepEqual([name, version], ["umbral-presence", description.version]);
  const exported = Object.values(description.exports).flatMap((entry) => (entry.at ? entry : Object.values(entry)));
  const named = exported.map((path) => path.replace("./", ""));
  const scripts = ["client.js", "worker.js", "leader.js", "ws.js", "compare.js", "iterate.js", "debug.js"];
  for (const file of [...named, ...scripts]) assert.ok(files.includes(file), `${file} is packed`);
  assert.deepEqual(files.filter((file) => /jsconfig|test|node_modules/.test(file)), []);
  // What it loads is named by it where no server has put a hash.
  const script = await readFile(new URL("client.js", client), "utf8");
  assert.equal(/const VERSION = "(.*)"/.exec(script)[1], version, "the version in client.js");
  const cargo = await readFile(new URL("../../Cargo.toml", import.meta.url), "utf8");
  assert.equal(version, /^version = "(.*)"$/m.exec(cargo)[1], "the crate's version");
});

for (const [module, moduleResolution] of [["esnext", "bundler"], ["nodenext", "nodenext"], ["esnext", "node10"]]) {
  test(`the types suit a strict application (${moduleResolution})`, async () => {
    const lib = ["esnext", "dom"];
    const options = { strict: true, noEmit: true, target: "esnext", types: [], lib, module, moduleResolution };
    assert.equal(await typeCheck("application.ts", options), "");
  });
}
