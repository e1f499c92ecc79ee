// What a browser has and does not let a page use; what markup covers; what comes late. One stream
// is the right number wherever tabs can find each other.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Profile, startFirefox, startPersistent, startUndriven } from "./browsers.mjs";
import { startFront } from "./front.mjs";
import { BOTH, CHROMIUM, scenario } from "./scene.mjs";
import { eventually, startServer, until } from "./server.mjs";

const SCRIPTS = "<title>page</title><script src=/realtime/client.js></script><script src=/page.js></script>";

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
    await rm(folder, { recursive: true, force: true });
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

/** A front before the scene's proxy, which ends with `play`. */
async function withFront(scene, play) {
  const front = await startFront(scene.proxy.url);
  try {
    await play(front);
  } finally {
    await front.stop();
  }
}

for (const [sandbox, isLetIn] of [["allow-scripts allow-same-origin", true], ["allow-scripts", true]]) {
  const what = isLetIn ? "watches a public group" : "that is not let in says so";
  scenario(`a frame with sandbox="${sandbox}" ${what}`, BOTH, (scene) => withFront(scene, async (front) => {
    const room = "room:framed";
    await scene.person(room, "ben");
    front.page("/framed", SCRIPTS);
    front.page("/around", `<title>around</title><iframe sandbox="${sandbox}" src="/framed?room=${room}"></iframe>`);
    if (isLetIn) front.open();
    const visitor = await scene.profile();
    const tab = await visitor.tab(`${front.url}/around`);
    const frame = await until("the frame", () => tab.page.frames().find((each) => each.url().includes("/framed")));
    const state = () => frame.evaluate((room) => {
      const { members, status, error } = window.open[room]?.presence ?? {};
      return { members: members?.map(({ id }) => id), status, error: error?.code };
    }, room);
    if (isLetIn) {
      await eventually("the roster", { members: ["ben"], status: "live", error: undefined }, state);
      await scene.person(room, "cy");
      await eventually("who came", ["ben", "cy"], async () => (await state()).members);
      await scene.streams(1);
    } else {
      await until("an error", async () => (await state()).error);
    }
  }));
}

scenario("a worker script that never comes: a tab leads, and there is one stream", BOTH, (scene) => withFront(scene, async (front) => {
  const room = "room:never";
  front.hold("/realtime/worker.js");
  // Of what a leader imports nothing must wait.
  front.serve("/leader-only.js", "text/javascript", "");
  const release = front.hold("/realtime/worker.js");
  front.page("/page", SCRIPTS);
  const ada = await scene.profile();
  await ada.signIn("ada", front.url);
  const tab = await ada.tab(`${front.url}/page?room=${room}`);
  await until("the leader's script", () => front.asked.includes("/realtime/leader.js"));
  release();
  await tab.synced(room);
  // The worker has come in the meantime, and a second tab finds it and the leader.
  const second = await ada.tab(`${front.url}/page?room=${room}`);
  await second.synced(room);
  await scene.person(room, "ben");
  for (const each of [tab, second]) {
    await each.when(room, "join", "ben");
    assert.deepEqual(await each.events(room), [["sync", ["ada"]], ["join", "ben"]]);
  }
  await scene.streams(1);
  assert.equal(scene.proxy.opens.length, 1);
}));

scenario("two applications of one origin, without SharedWorker, do not see each other", BOTH, (scene) => withFront(scene, async (front) => {
  const other = await startServer();
  try {
    front.mount("/other/", other.url);
    front.page("/page", SCRIPTS);
    front.page("/second", SCRIPTS.replace("/realtime/", "/other/"));
    const room = "room:same";
    await scene.person(room, "ben");
    const ada = await scene.profile();
    await ada.signIn("ada", front.url);
    const script = "delete window.SharedWorker";
    const first = await ada.tab(`${front.url}/page?room=${room}`, script);
    await first.synced(room);
    const second = await ada.tab(`${front.url}/second?room=${room}`, script);
    await second.synced(room);
    await first.hears(scene.server, room);
    await second.hears(other, room);
    assert.deepEqual((await first.state(room)).members, ["ada", "ben"]);
    assert.deepEqual((await second.state(room)).members, ["ada"]);
    assert.deepEqual(await other.members(room), ["ada"]);
    await scene.streams(1);
  } finally {
    await other.stop();
  }
}));

scenario("a page that is prerendered waits until somebody looks at it, and has one stream", CHROMIUM, (scene) => withFront(scene, async (front) => {
  const room = "room:prerendered";
  const watcher = await scene.person(room);
  const tell = "<script>fetch(`/told/${document.prerendering}/${performance.getEntriesByType('navigation')[0].activationStart > 0}`)</script>";
  front.page("/page", `${SCRIPTS}${tell}<script>setInterval(() => fetch('/is/' + window.open['${room}'].presence.status), 100)</script>`);
  const address = `/page?room=${room}`;
  const rules = JSON.stringify({ prerender: [{ source: "list", urls: [address], eagerness: "immediate" }] });
  const go = front.hold("/go");
  const click = "<script>document.cookie = 'user=ada'; fetch('/go').then(() => document.querySelector('a').click())</script>";
  front.page("/before", `<title>before</title><script type=speculationrules>${rules}</script><a href="${address}">go</a>${click}`);
  const folder = await mkdtemp(join(tmpdir(), "umbral-presence-"));
  const stop = await startUndriven(folder, `${front.url}/before`);
  try {
    await until("it is prerendered", () => front.asked.includes("/told/true/false"));
    await until("it goes on", () => front.asked.filter((path) => path === "/is/connecting").length > 3);
    await scene.graceEnds(watcher, room);
    assert.deepEqual([watcher.events, front.asked.includes("/realtime/sse")], [[], false]);
    go();
    await watcher.when("join", "ada");
    await until("it is live", () => front.asked.includes("/is/live"));
    await scene.streams(1);
    // It is that page, which was not loaded once more.
    assert.equal(front.asked.filter((path) => path === "/page").length, 1);
    assert.equal(scene.proxy.opens.length, 1);
    assert.deepEqual(watcher.events, [["join", "ada"]]);
  } finally {
    await stop();
    await rm(folder, { recursive: true, force: true });
  }
}));

/** Each of these covers what a script may look for. */
const NAMES = ["currentScript", "hidden", "prerendering", "addEventListener", "visibilityState", "baseURI", "location", "defaultView"];
const GLOBALS = ["SharedWorker", "onconnect", "umbral", "locks", "origin", "performance", "SharedWorkerGlobalScope"];
const COVERED = [
  ...NAMES.map((name) => `<img name="${name}" src="http://elsewhere.test/x/y.png">`),
  ...GLOBALS.map((name) => `<form id="${name}" name="${name}"><input name="realtime"><input name="configured"></form>`),
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
