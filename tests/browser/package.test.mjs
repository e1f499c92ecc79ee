// What is published on npm.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { pack, typeCheck } from "./npm.mjs";

const client = new URL("../../umbral-presence/client/", import.meta.url);
const description = JSON.parse(await readFile(new URL("package.json", client), "utf8"));

const written = (path) => readFile(new URL(path, client), "utf8");

test("the package holds what it exports and nothing that the server gives", async () => {
  const { name, files } = await pack();
  assert.equal(name, "umbral-presence");
  const exported = Object.values(description.exports).flatMap((entry) => (entry.at ? entry : Object.values(entry)));
  const named = exported.map((path) => path.replace("./", ""));
  const papers = ["LICENSE-APACHE", "LICENSE-MIT", "README.md"];
  // The server for tests of pages is made of the hub's script.
  assert.deepEqual(files, [...new Set([...named, ...papers, "worker.js"])].sort());
  // A link would not be packed.
  for (const paper of papers.slice(0, 2)) assert.equal(await written(paper), await written(`../../${paper}`), paper);
});

test("the version is the same wherever it stands", async () => {
  const [, version] = /^version = "(.*)"$/m.exec(await written("../../Cargo.toml"));
  assert.equal(description.version, version, "package.json");
  // Scripts that are loaded from the server are named by it.
  for (const script of ["client.js", "client.mjs"]) {
    assert.equal(/const VERSION = "(.*)"/.exec(await written(script))[1], version, script);
  }
  const dependency = new RegExp(`^umbral-presence.*version = "=?${version.replaceAll(".", "\\.")}" \\}$`, "gm");
  assert.equal((await written("../../Cargo.toml")).match(dependency)?.length, 2, "both crates in Cargo.toml");
});

for (const [module, moduleResolution] of [["esnext", "bundler"], ["nodenext", "nodenext"], ["esnext", "node10"]]) {
  test(`the types suit a strict application (${moduleResolution})`, async () => {
    const lib = ["esnext", "dom"];
    const options = { strict: true, noEmit: true, skipDefaultLibCheck: true, target: "esnext", types: [], lib, module, moduleResolution };
    assert.equal(await typeCheck("application.ts", options), "");
  });
}
