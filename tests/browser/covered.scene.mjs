// Markup can cover what the window and the document have.

import assert from "node:assert/strict";
import { SCRIPTS, withFront } from "./front.mjs";
import { BOTH, scenario } from "./scene.mjs";

/** Each of these covers what a script may look for. */
const NAMES = ["currentScript", "hidden", "prerendering", "addEventListener", "visibilityState", "baseURI", "location", "defaultView"];
const GLOBALS = ["SharedWorker", "onconnect", "umbral", "locks", "origin", "performance", "SharedWorkerGlobalScope"];
const COVERED = [
  ...NAMES.map((name) => `<img name="${name}" src="http://elsewhere.test/x/y.png">`),
  ...GLOBALS.map((name) => `<form id="${name}" name="${name}"><input name="realtime"><input name="base"></form>`),
].join("");

for (const script of ["", "delete window.SharedWorker"]) {
  const where = script ? "a leader" : "a worker";
  scenario(`elements that are named like what the client looks for change nothing, with ${where}`, BOTH, (scene) => withFront(scene, async (front) => {
    const room = "room:covered";
    front.page("/page", `${COVERED}${SCRIPTS}`);
    const ada = await scene.profile();
    await ada.signIn("ada", front.url);
    const tab = await ada.tab(`${front.url}/page?room=${room}`, script);
    await tab.synced(room);
    assert.equal(await tab.evaluate(() => document.currentScript?.src ?? document.currentScript?.localName), "http://elsewhere.test/x/y.png");
    const second = await ada.tab(`${front.url}/page?room=${room}`, script);
    await second.synced(room);
    await scene.streams(1);
    await tab.close();
    await second.hears(scene.server, room);
    await scene.streams(1);
  }));
}
