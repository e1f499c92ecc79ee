// The client where there is no browser: a server renders with it, a test runner imports it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { test } from "node:test";
import { promisify } from "node:util";
import { application } from "./npm.mjs";

const run = promisify(execFile);

test("a server renders with the package, connects to nothing and ends", async () => {
  const app = await application("server", "server.js");
  const { stdout, stderr } = await run("node", ["server.js"], { cwd: app, timeout: 30000 });
  assert.deepEqual([stdout.trim(), stderr], ["rendered", ""]);
});

test("every script of the package can be imported where there is no page", async () => {
  const app = await application("imports", "server.js");
  const files = await readdir(`${app}/node_modules/umbral-presence`);
  const scripts = files.filter((file) => /\.m?js$/.test(file) && !file.endsWith(".d.mts"));
  assert.deepEqual(scripts.sort(), ["client.js", "client.mjs", "react.mjs", "store.mjs", "testing.mjs", "worker.js"]);
  for (const script of scripts) {
    const code = `await import("./node_modules/umbral-presence/${script}")`;
    const { stdout, stderr } = await run("node", ["--input-type=module", "-e", code], { cwd: app, timeout: 30000 });
    assert.deepEqual([stdout, stderr], ["", ""], script);
  }
});
