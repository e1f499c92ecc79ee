// What comes late, or is looked at late: there is one stream in the end, and not two.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startUndriven } from "./browsers.mjs";
import { SCRIPTS, withFront } from "./front.mjs";
import { BOTH, CHROMIUM, scenario } from "./scene.mjs";
import { until } from "./server.mjs";

scenario("a worker that comes late: a tab leads, and there is one stream", BOTH, (scene) => withFront(scene, async (front) => {
  const room = "room:late";
  const watcher = await scene.person(room);
  const release = front.hold("/realtime/worker.js");
  front.page("/page", SCRIPTS);
  const ada = await scene.profile();
  await ada.signIn("ada", front.url);
  const tab = await ada.tab(`${front.url}/page?room=${room}`);
  await until("the leader's script", () => front.asked.includes("/realtime/leader.js"));
  release();
  await tab.synced(room);
  // The worker comes as well, and a second tab finds both it and the leader.
  const second = await ada.tab(`${front.url}/page?room=${room}`);
  await second.synced(room);
  await scene.person(room, "ben");
  for (const each of [tab, second]) {
    await each.when(room, "join", "ben");
    assert.deepEqual(await each.events(room), [["sync", ["ada"]], ["join", "ben"]]);
  }
  await scene.graceEnds(watcher, room);
  await scene.streams(1);
  assert.equal(scene.proxy.opens.length, 1);
}));

scenario("a page that is busy for longer than it waits for its worker has it nevertheless", BOTH, (scene) => withFront(scene, async (front) => {
  const room = "room:busy";
  const busy = "for (const end = Date.now() + 4000; Date.now() < end; );";
  front.page("/page", `${SCRIPTS}<script>setTimeout(() => { ${busy} }, 5)</script>`);
  const ada = await scene.profile();
  await ada.signIn("ada", front.url);
  const tab = await ada.tab(`${front.url}/page?room=${room}`);
  await tab.synced(room);
  assert.equal(front.asked.includes("/realtime/leader.js"), false);
  await scene.streams(1);
  assert.equal(scene.proxy.opens.length, 1);
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
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}));
