// The npm package as build tools make it: they leave alone what a browser is to load from the
// server, and the package says by itself where that is.

import assert from "node:assert/strict";
import { builders, startVite } from "./builders.mjs";
import { withFront } from "./front.mjs";
import { CHROMIUM, scenario } from "./scene.mjs";
import { eventually } from "./server.mjs";

/** Opens the application with a worker, and then where a tab leads: each loads other scripts. */
async function runs(scene, url, warnings) {
  const ada = await scene.profile();
  await ada.signIn("ada", new URL(url).origin);
  const problems = [...warnings];
  for (const script of ["", "delete window.SharedWorker"]) {
    const room = `room:built-${script.length}`;
    const tab = await ada.tab("about:blank", script);
    tab.page.on("console", (message) => /error|warning/.test(message.type()) && problems.push(message.text()));
    tab.page.on("pageerror", (error) => problems.push(String(error)));
    tab.page.on("request", (request) => /__[A-Z]+__/.test(request.url()) && problems.push(request.url()));
    tab.page.on("response", (response) => {
      const { pathname } = new URL(response.url());
      if (response.status() >= 400 && pathname !== "/favicon.ico") problems.push(`${response.status()} ${pathname}`);
    });
    await tab.goto(`${url}?room=${room}`);
    await scene.person(room, "ben");
    await eventually(`who is there (${problems})`, ["ada", "ben"], () => tab.evaluate(() => window.shown));
    // The iterator's script is the server's as well.
    await eventually("the iterator", true, () => tab.evaluate(() => window.events.includes("sync")));
    assert.equal(await tab.evaluate(() => window.room.status), "live");
    await tab.close();
  }
  assert.deepEqual(problems, []);
}

for (const [name, build] of Object.entries(builders)) {
  scenario(`what ${name} builds runs, without a warning`, CHROMIUM, (scene) => withFront(scene, async (front) => {
    const { files, html, warnings } = await build("plain.js");
    front.serve("/app/", "text/html", html);
    for (const [path, body] of Object.entries(files)) {
      assert.doesNotMatch(body, /file:\/\//, `${path} names a path of this machine`);
      front.serve(path, path.endsWith(".html") ? "text/html" : "text/javascript", body);
    }
    await runs(scene, `${front.url}/app/`, warnings);
  }));
}

scenario("what Vite's development server gives runs, without a warning", CHROMIUM, async (scene) => {
  const vite = await startVite("plain.js", scene.proxy.url);
  try {
    await runs(scene, `${vite.url}/`, vite.warnings);
    assert.deepEqual(vite.warnings, []);
  } finally {
    await vite.stop();
  }
});
