// The package of npm, bundled with real React, Svelte, Vue and Solid, in a browser.

import assert from "node:assert/strict";
import { bundle } from "./npm.mjs";
import { CHROMIUM, scenario, within } from "./scene.mjs";
import { GRACE, eventually } from "./server.mjs";

/** What an element shows. */
const shown = (tab, name) =>
  tab.evaluate((name) => {
    const element = document.getElementById(name);
    return element && [element.textContent, element.dataset.status, element.dataset.count, element.dataset.me];
  }, name);

const shows = (tab, name, ...expected) => eventually(`${name}: ${expected}`, expected, () => shown(tab, name));

for (const [framework, entry] of [["React", "react.jsx"], ["Svelte", "svelte.js"], ["Vue", "vue.js"], ["Solid", "solid.js"]]) {
  scenario(`${framework} shows who is there, and leaves a room that nothing shows any more`, CHROMIUM, async (scene) => {
    const html = "<!doctype html><main></main><script type=module src=/app.js></script>";
    scene.proxy.serve("/app", "text/html", html);
    scene.proxy.serve("/app.js", "text/javascript", await bundle(entry));
    const [room, other] = ["room:one", "room:two"];
    const watcher = await scene.person(room);
    const ada = await scene.profile("ada");
    const tab = await ada.tab(`${scene.proxy.url}/app`);
    const errors = [];
    tab.page.on("pageerror", (error) => errors.push(String(error)));
    tab.page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    await eventually("the application runs", true, () => tab.evaluate(() => "show" in window));
    const show = (what) => tab.evaluate((what) => window.show(what), what);

    await show({ first: room, second: room });
    for (const name of ["first", "second"]) await shows(tab, name, "ada", "live", "1", "ada");
    const renders = () => tab.evaluate(() => window.renders?.first);
    const before = await renders();
    const ben = await scene.person(room, "ben");
    for (const name of ["first", "second"]) await shows(tab, name, "ada ben", "live", "2", "ada");
    // One change, one rendering, which React's strict mode does twice.
    if (framework === "React") assert.equal((await renders()) - before, 2);

    // The room goes on for the one that stays.
    await show({ second: room });
    ben.vanish();
    await shows(tab, "second", "ada", "live", "1", "ada");
    assert.deepEqual(watcher.events, [["join", "ada"], ["join", "ben"], ["leave", "ben"]]);

    if (framework === "React") {
      // No group, no question.
      const asked = scene.proxy.requests.length;
      await show({ second: room, third: null });
      await shows(tab, "third", "", "connecting", "0", undefined);
      assert.equal(scene.proxy.requests.length, asked);
      await show({ second: room });
    }

    // Another room in the same place.
    const moved = Date.now();
    await show({ second: other });
    await shows(tab, "second", "ada", "live", "1", "ada");
    const left = (await watcher.when("leave", "ada")) - moved;
    within(GRACE / 2, left, "the leave");
    await show({ second: "denied:no" });
    await shows(tab, "second", "", "denied", "0", "ada");
    await show({});
    await eventually("nobody is in the other room", [], () => scene.server.members(other));
    assert.equal(await shown(tab, "second"), null);
    assert.equal(scene.proxy.opens.length, 1);
    assert.deepEqual(errors, []);
  });
}
