// A refusal costs what was refused, for as long as the server says.

import assert from "node:assert/strict";
import { BOTH, CHROMIUM, scenario, within } from "./scene.mjs";
import { eventually } from "./server.mjs";

scenario("of a denied room only that subscription is denied", BOTH, async (scene) => {
  const [room, denied] = ["room:open", "denied:shut"];
  const ada = await scene.profile("ada");
  // Denied as the stream opens, and later, in another tab.
  const first = await scene.tab(ada, [denied, room]);
  await first.synced(room);
  await first.when(denied, "status", "denied");
  const second = await scene.syncedTab(ada, [room]);
  await second.enter(denied);
  await second.when(denied, "status", "denied");
  await scene.person(room, "ben");
  for (const tab of [first, second]) {
    await tab.when(room, "join", "ben");
    assert.deepEqual(await tab.events(room), [["sync", ["ada"]], ["join", "ben"]]);
    assert.equal(await tab.status(room), "live");
    assert.deepEqual(await tab.events(denied), []);
    assert.deepEqual(await tab.state(denied), { members: [], count: 0, me: "ada", status: "denied" });
  }
  await scene.streams(1);
  assert.equal(scene.proxy.opens.length, 1);
});

scenario("a room that wants a signed-in user is denied to a visitor, and opens by reconnect()", CHROMIUM, async (scene) => {
  const [room, members] = ["room:open", "private:members"];
  const visitor = await scene.profile();
  const tab = await scene.tab(visitor, [room, members]);
  await tab.synced(room);
  await tab.when(members, "status", "denied");
  await visitor.signIn("ada", scene.proxy.url);
  await tab.evaluate(() => window.umbral.realtime.reconnect());
  await tab.when(members, "sync");
  await eventually("both are live", ["live", "live"], async () => [
    await tab.status(room),
    await tab.status(members),
  ]);
  assert.deepEqual((await tab.state(members)).members, ["ada"]);
});

for (const status of [503, 429]) {
  scenario(`after a ${status} the client comes back when it was told to`, BOTH, async (scene) => {
    const room = "room:busy";
    scene.proxy.refuse("/sse", status, { "retry-after": "1" });
    const tab = await scene.tab(await scene.profile("ada"), [room]);
    const synced = await tab.synced(room);
    const [refused, opened] = scene.proxy.opens;
    assert.equal(refused.status, status);
    assert.ok(opened.at - refused.at >= 950, `tried again after ${opened.at - refused.at} ms`);
    within(2500, synced - refused.at, "the snapshot");
    assert.equal(scene.proxy.opens.length, 2);
    assert.equal(await tab.status(room), "live");
  });
}

scenario("a stream that is refused for good is not asked for again, but by reconnect()", CHROMIUM, async (scene) => {
  const room = "room:forbidden";
  scene.proxy.refuse("/sse", 403, {}, Infinity);
  const ada = await scene.profile("ada");
  const tab = await scene.tab(ada, [room]);
  await tab.when(room, "status", "denied");
  const second = await scene.tab(ada, [room]);
  await second.when(room, "status", "denied");
  // At most as often as a page has come into view.
  assert.ok(scene.proxy.opens.length <= 2, `${scene.proxy.opens.length} attempts`);
  scene.proxy.relent();
  await tab.evaluate(() => window.umbral.realtime.reconnect());
  for (const each of [tab, second]) {
    await each.synced(room);
    assert.equal(await each.status(room), "live");
  }
});

scenario("a change that is refused for a moment is made later, on the same stream", CHROMIUM, async (scene) => {
  const [room, other] = ["room:held", "room:wanted"];
  const watcher = await scene.person(room);
  const tab = await scene.syncedTab(await scene.profile("ada"), [room]);
  scene.proxy.refuse("/control", 503, { "retry-after": "1" });
  await tab.enter(other);
  await tab.synced(other);
  assert.deepEqual(await tab.events(room), [["sync", ["ada"]]]);
  assert.equal(scene.proxy.opens.length, 1);
  await scene.graceEnds(watcher, room);
  assert.deepEqual(watcher.events, [["join", "ada"]]);
});

scenario("a server that does not know the connection is given a new one, which nobody sees", CHROMIUM, async (scene) => {
  const [room, other] = ["room:held", "room:wanted"];
  const watcher = await scene.person(room);
  const tab = await scene.syncedTab(await scene.profile("ada"), [room]);
  scene.proxy.refuse("/control", 404);
  await tab.enter(other);
  await tab.synced(other);
  await scene.streams(1);
  assert.equal(scene.proxy.opens.length, 2);
  await scene.graceEnds(watcher, room);
  assert.deepEqual(watcher.events, [["join", "ada"]]);
  assert.equal((await tab.events(room)).filter(([what]) => what !== "sync").length, 0);
});
