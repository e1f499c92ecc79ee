// Where something is missing that a browser usually has, handlers get the same.

import assert from "node:assert/strict";
import { INSECURE } from "./browsers.mjs";
import { BOTH, CHROMIUM, scenario, within } from "./scene.mjs";

const NO_WORKERS = "delete window.SharedWorker";

scenario("a policy that refuses workers: a tab leads, and there is one connection", BOTH, async (scene) => {
  const room = "room:policy";
  const watcher = await scene.person(room);
  const ada = await scene.profile("ada");
  const csp = "default-src 'self'; worker-src 'none'";
  const tabs = [];
  for (let i = 0; i < 3; i += 1) tabs.push(await scene.syncedTab(ada, [room], { csp }));
  await scene.streams(1);
  await scene.person(room, "ben");
  for (const tab of tabs) {
    await tab.when(room, "join", "ben");
    assert.deepEqual(await tab.events(room), [["sync", ["ada"]], ["join", "ben"]]);
    assert.equal(await tab.status(room), "live");
  }
  const other = "room:another";
  await tabs[2].enter(other);
  await tabs[2].synced(other);
  await scene.graceEnds(watcher, room);
  assert.deepEqual(watcher.events, [["join", "ada"], ["join", "ben"]]);
  assert.equal(scene.proxy.opens.length, 1);
});

/** Eight tabs without workers; `leads` tells which of them holds the stream. */
async function eightTabs(scene) {
  const room = "room:eight";
  const watcher = await scene.person(room);
  const ada = await scene.profile("ada");
  const tabs = [];
  let leads;
  for (let i = 0; i < 8; i += 1) {
    const tab = await scene.tab(ada, [], { script: NO_WORKERS });
    tab.page.on("request", (request) => {
      if (new URL(request.url()).pathname.endsWith("/sse")) leads = tab;
    });
    await tab.enter(room);
    await tab.synced(room);
    tabs.push(tab);
  }
  await scene.streams(1);
  return { room, watcher, tabs, leader: () => leads };
}

scenario("eight tabs without SharedWorker have one stream, and every page loads", CHROMIUM, async (scene) => {
  const { room, watcher, tabs } = await eightTabs(scene);
  assert.equal(scene.proxy.opens.length, 1);
  await scene.person(room, "ben");
  for (const tab of tabs) {
    await tab.when(room, "join", "ben");
    assert.deepEqual(await tab.events(room), [["sync", ["ada"]], ["join", "ben"]]);
    assert.equal(await tab.evaluate(async () => (await fetch("/health")).status), 200);
  }
  await tabs[3].reload();
  await scene.graceEnds(watcher, room);
  assert.deepEqual(watcher.events, [["join", "ada"], ["join", "ben"]]);
});

const ENDS = {
  crashes: (tab) => tab.crash(),
  closes: (tab) => tab.close(),
  "goes into the back/forward cache": (tab) => tab.goElsewhere(),
};

for (const [how, end] of Object.entries(ENDS)) {
  scenario(`a leader that ${how} hands over within a second`, CHROMIUM, async (scene) => {
    const { room, watcher, tabs, leader } = await eightTabs(scene);
    const first = leader();
    const rest = tabs.filter((tab) => tab !== first);
    const before = Date.now();
    await end(first);
    const ended = how === "crashes" ? Date.now() : before;
    const heard = await Promise.all(rest.map((tab) => tab.hears(scene.server, room)));
    within(1000, Math.max(...heard) - ended, "what all others hear");
    assert.notEqual(leader(), first);
    await scene.streams(1);
    await scene.graceEnds(watcher, room);
    assert.deepEqual(watcher.events, [["join", "ada"]]);
    for (const tab of rest) assert.equal(await tab.status(room), "live");
    if (how.includes("cache")) {
      const back = Date.now();
      await first.goBack();
      await first.when(room, "sync", undefined, back);
      await first.hears(scene.server, room);
      await scene.streams(1);
    }
  });
}

scenario("without Web Locks every tab has a stream, and gets the same", CHROMIUM, async (scene) => {
  const room = "room:insecure";
  const watcher = await scene.person(room);
  const ada = await scene.profile("ada");
  const origin = `http://${INSECURE}:${new URL(scene.proxy.url).port}`;
  await ada.signIn("ada", origin);
  const tabs = [];
  for (let i = 0; i < 3; i += 1) {
    tabs.push(await ada.tab(`${origin}/page?room=${room}`));
    await tabs[i].synced(room);
  }
  assert.equal(await tabs[0].evaluate(() => "locks" in navigator), false);
  await scene.streams(3);
  await scene.person(room, "ben");
  for (const tab of tabs) {
    await tab.when(room, "join", "ben");
    assert.deepEqual(await tab.events(room), [["sync", ["ada"]], ["join", "ben"]]);
  }
  await tabs[0].reload();
  await tabs[0].synced(room);
  await tabs[1].close();
  await scene.streams(2);
  await scene.graceEnds(watcher, room);
  assert.deepEqual(watcher.events, [["join", "ada"], ["join", "ben"]]);
  await tabs[0].close();
  const closed = Date.now();
  await tabs[2].close();
  const left = (await watcher.when("leave", "ada")) - closed;
  within(6000, left, "the leave");
});
