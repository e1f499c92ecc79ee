// The npm package of one version, and a server of another one.

import assert from "node:assert/strict";
import { builders } from "./builders.mjs";
import { withFront } from "./front.mjs";
import { CHROMIUM, scenario } from "./scene.mjs";
import { eventually } from "./server.mjs";

for (const [packaged, warnings] of [["0.0.9", 1], [null, 0]]) {
  const what = packaged ? "once that the package has another version than the server" : "nothing of a package that has the server's version";
  scenario(`the console says ${what}`, CHROMIUM, (scene) => withFront(scene, async (front) => {
    const { files, html } = await builders.esbuild("plain.js");
    front.serve("/app/", "text/html", html);
    for (const [path, script] of Object.entries(files)) {
      const [, version] = /"(\d+\.\d+\.\d+)"/.exec(script);
      front.serve(path, "text/javascript", script.replaceAll(`"${version}"`, `"${packaged ?? version}"`));
    }
    const ada = await scene.profile();
    await ada.signIn("ada", front.url);
    const tab = await ada.tab("about:blank");
    const told = [];
    const asked = [];
    tab.page.on("console", (message) => told.push(`${message.type()}: ${message.text()}`));
    tab.page.on("request", (request) => /version\.js/.test(request.url()) && asked.push(request.url()));
    await tab.goto(`${front.url}/app/?room=room:versions`);
    await eventually("who is there", ["ada"], () => tab.evaluate(() => window.shown));
    await eventually("the version is asked for once", 1, () => asked.length);
    // The same module again, which has run when it is given.
    await tab.evaluate((url) => import(url).then(() => true), asked[0]);
    await eventually("what the console says", warnings, () => told.length);
    for (const text of told) assert.match(text, /^warning: umbral\.realtime: this page has version 0\.0\.9 of .* version \d+\.\d+\.\d+ \(scripts [0-9a-f]{16}\)/);
    await tab.close();
  }));
}
