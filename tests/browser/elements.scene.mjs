// The element of the guide, which HTML of the server brings and takes away.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { withFront } from "./front.mjs";
import { guide } from "./npm.mjs";
import { CHROMIUM, scenario, within } from "./scene.mjs";
import { GRACE, eventually } from "./server.mjs";

const htmx = await readFile(new URL("node_modules/htmx.org/dist/htmx.min.js", import.meta.url), "utf8");

scenario("an element that htmx swaps in shows who is there, and leaves when it is swapped out", CHROMIUM, (scene) => withFront(scene, async (front) => {
  const room = "room:element";
  front.serve("/htmx.js", "text/javascript", htmx);
  front.serve("/element.js", "text/javascript", await guide("htmx, and other HTML from the server"));
  front.page("/page", `<script src=/htmx.js></script><script src=/realtime/client.js></script><script src=/element.js></script>
    <a id=come hx-get=/room hx-target=main>come</a> <a id=go hx-get=/nothing hx-target=main>go</a><main></main>`);
  front.page("/room", `<who-is-here group="${room}"><li>rendered</li></who-is-here>`);
  front.page("/nothing", "");
  const watcher = await scene.person(room);
  const ada = await scene.profile();
  await ada.signIn("ada", front.url);
  const tab = await ada.tab(`${front.url}/page`);
  const errors = [];
  tab.page.on("pageerror", (error) => errors.push(String(error)));
  const shown = () => tab.evaluate(() => [...document.querySelectorAll("who-is-here li")].map((item) => item.textContent));

  await tab.evaluate(() => document.getElementById("come").click());
  await eventually("who is there", ["ada"], shown);
  const ben = await scene.person(room, "ben");
  await eventually("who is there", ["ada", "ben"], shown);

  const went = Date.now();
  await tab.evaluate(() => document.getElementById("go").click());
  const left = (await watcher.when("leave", "ada")) - went;
  within(GRACE / 2, left, "the leave");
  assert.deepEqual(await shown(), []);
  ben.vanish();
  assert.deepEqual(errors, []);
  await tab.close();
}));
