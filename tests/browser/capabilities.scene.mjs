// What a browser has and does not let a page use. One stream is the right number wherever tabs can
// find each other.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Profile, startFirefox, startPersistent } from "./browsers.mjs";
import { BOTH, CHROMIUM, scenario } from "./scene.mjs";

/** Two tabs that show the same, with so many streams between them. */
async function twoTabs(scene, script, streams, room = "room:capable") {
  const ada = await scene.profile("ada");
  const tabs = [];
  for (let i = 0; i < 2; i += 1) tabs.push(await scene.syncedTab(ada, [room], { script }));
  await scene.streams(streams);
  await scene.person(room, "ben");
  for (const tab of tabs) {
    await tab.when(room, "join", "ben");
    assert.deepEqual(await tab.events(room), [["sync", ["ada"]], ["join", "ben"]]);
    assert.equal(await tab.status(room), "live");
  }
  assert.equal(scene.proxy.opens.length, streams);
  return tabs;
}

const REFUSED = `() => { throw new DOMException("The operation is insecure.", "SecurityError"); }`;

for (const [what, script, streams] of [
  ["locks that reject", `navigator.locks.request = async ${REFUSED}`, 2],
  ["locks that throw", `navigator.locks.request = ${REFUSED}`, 2],
  ["locks that cannot be reached", `Object.defineProperty(navigator, "locks", { get: ${REFUSED} })`, 2],
  ["a SharedWorker that throws", `window.SharedWorker = function () { (${REFUSED})(); }`, 1],
  [
    "a SharedWorker that throws, and channels that do",
    `window.SharedWorker = window.BroadcastChannel = function () { (${REFUSED})(); }`,
    2,
  ],
  [
    "no SharedWorker, and channels that bring nothing",
    `delete window.SharedWorker; BroadcastChannel.prototype.postMessage = () => {}`,
    2,
  ],
]) {
  scenario(`${what}: all tabs are live, over ${streams} streams`, CHROMIUM, (scene) => twoTabs(scene, script, streams));
}

/** A browser of its own that takes no cookies; gives a profile of it. */
async function withoutCookies(name) {
  if (name === "firefox") {
    const browser = await startFirefox({ "network.cookie.cookieBehavior": 2 });
    return { profile: new Profile(await browser.createBrowserContext(), {}), close: () => browser.close() };
  }
  const folder = await mkdtemp(join(tmpdir(), "umbral-presence-"));
  await mkdir(join(folder, "Default"));
  const preferences = { profile: { default_content_setting_values: { cookies: 2 } } };
  await writeFile(join(folder, "Default", "Preferences"), JSON.stringify(preferences));
  const context = await startPersistent(folder);
  const close = async () => {
    await context.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  };
  return { profile: new Profile(context, {}), close };
}

scenario("with cookies blocked a public group is watched, by every tab for itself", BOTH, async (scene) => {
  const room = "room:public";
  await scene.person(room, "ben");
  const { profile, close } = await withoutCookies(scene.browser.name);
  try {
    const tabs = [];
    for (let i = 0; i < 2; i += 1) tabs.push(await scene.syncedTab(profile, [room]));
    const isRefused = () => navigator.locks.request("x", () => {}).then(() => false, () => true);
    assert.ok((await tabs[0].evaluate(isRefused)) || (await tabs[0].evaluate(() => {
      try {
        return !new BroadcastChannel("x");
      } catch {
        return true;
      }
    })), "something is refused");
    await scene.person(room, "cy");
    for (const tab of tabs) {
      await tab.when(room, "join", "cy");
      assert.deepEqual(await tab.events(room), [["sync", ["ben"]], ["join", "cy"]]);
      const { me, status } = await tab.state(room);
      assert.deepEqual([me, status], [null, "live"]);
    }
    await scene.streams(2);
  } finally {
    await close();
  }
});
