// All scenarios in one browser, which is started once for many of them: `in-*.test.mjs`.

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";

/** Plays one of so many parts of the scenarios in this browser, unless `BROWSERS` is set and has it not. */
export async function playIn(browser, part = 1, parts = 1) {
  const chosen = process.env.BROWSERS?.split(",") ?? [browser];
  if (!chosen.includes(browser)) return;
  process.env.BROWSERS = browser;
  const files = await readdir(import.meta.dirname);
  const others = files.filter((file) => file.startsWith(`in-${browser}`)).length;
  assert.equal(others, parts, `a file for each part of the scenarios in ${browser}`);
  const scenes = files.filter((file) => file.endsWith(".scene.mjs")).sort();
  for (const file of scenes.filter((_, n) => n % parts === part - 1)) await import(`./${file}`);
}
