// What the server makes of the client's scripts: smaller, and the same on every line.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import ts from "typescript";
import { startServer } from "./server.mjs";

const SCRIPTS = ["client.js", "worker.js", "ws.js", "leader.js", "compare.js", "iterate.js", "debug.js", "port.js", "token.js", "worker-token.js", "ws-token.js", "client.mjs", "react.mjs", "store.mjs", "version.js"];

let server;
before(async () => (server = await startServer()));
after(() => server.stop());

const { version } = JSON.parse(readFileSync(new URL("../../umbral-presence/client/package.json", import.meta.url), "utf8"));

const written = (name) => readFileSync(new URL(`../../umbral-presence/client/${name}`, import.meta.url), "utf8");

async function served(name) {
  const response = await fetch(`${server.url}/realtime/${name}`);
  assert.equal(response.status, 200, name);
  return response.text();
}

/** Each token of a script with its line, as TypeScript's parser reads it. */
function tokens(script) {
  const source = ts.createSourceFile("script.js", script, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS);
  assert.deepEqual(source.parseDiagnostics, []);
  const found = [];
  const walk = (node) => {
    if (ts.isJSDoc(node)) return;
    const children = node.getChildren(source);
    if (children.length) return children.forEach(walk);
    const text = node.getText(source);
    if (text) found.push(`${source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1}: ${text}`);
  };
  walk(source);
  return found;
}

for (const name of SCRIPTS) {
  test(`${name} is served without comments and indentation, and each token stands on its line`, async () => {
    const [script, text] = [written(name), await served(name)];
    const hash = /const VERSION = "(.*)"/.exec(text)?.[1];
    const [, scripts] = /const SCRIPTS = "(.*)"/.exec(text) ?? [];
    const told = script
      .replace(/(?<=const VERSION = ").*(?=")/, hash)
      .replace('"__ADDRESS__"', "import.meta.url")
      .replace("__VERSION__", version)
      .replace("__HASH__", scripts);
    assert.deepEqual(tokens(text), tokens(told));
    assert.equal(text.split("\n").length, script.split("\n").length);
    for (const line of text.split("\n")) {
      assert.equal(line, line.trim());
      assert.ok(!/\/\*|^\/\//.test(line), line);
    }
  });
}

test("client and worker together are at most 8 KiB, as they are served and gzipped", async (t) => {
  const sizes = [];
  for (const name of ["client.js", "worker.js"]) sizes.push(gzipSync(await served(name), { level: 9 }).length);
  t.diagnostic(`${sizes.join(" + ")} bytes`);
  assert.ok(sizes[0] + sizes[1] <= 8192, `${sizes.join(" + ")} bytes`);
});
