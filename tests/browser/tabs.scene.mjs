// Tabs of one browser share a connection, and what one does is its own affair.

import assert from "node:assert/strict";
import { BOTH, CHROMIUM, scenario, within } from "./scene.mjs";
import { GRACE, eventually } from "./server.mjs";

scenario("a second tab gets a snapshot, and twenty tabs have one connection", BOTH, async (scene) => {
  const room = "room:tabs";
  const watcher = await scene.person(room);
  const ada = await scene.profile("ada");
  const tabs = [await scene.syncedTab(ada, [room])];
  tabs.push(await scene.syncedTab(ada, [room]));
  await scene.streams(1);
  while (tabs.length < 20) tabs.push(await scene.syncedTab(ada, [room]));
  for (const tab of tabs) {
    assert.deepEqual(await tab.events(room), [["sync", ["ada"]]]);
    assert.equal(await tab.status(room), "live");
  }
  await scene.streams(1);
  assert.equal(scene.proxy.opens.length, 1);
  // All of them are live.
  await scene.person(room, "ben");
  for (const tab of tabs) await tab.when(room, "join", "ben");
  assert.deepEqual(watcher.events, [["join", "ada"], ["join", "ben"]]);
});

scenario("others see nothing while a tab enters and leaves twenty rooms", BOTH, async (scene) => {
  const room = "room:first";
  const watcher = await scene.person(room);
  const ada = await scene.profile("ada");
  const first = await scene.syncedTab(ada, [room]);
  const second = await scene.syncedTab(ada, [room]);
  for (let i = 0; i < 20; i += 1) {
    const other = `room:other-${i}`;
    await second.enter(other);
    await second.synced(other);
    await second.leave(other);
  }
  await scene.graceEnds(watcher, room);
  assert.deepEqual(watcher.events, [["join", "ada"]]);
  for (const tab of [first, second]) assert.deepEqual(await tab.events(room), [["sync", ["ada"]]]);
  assert.equal(scene.proxy.opens.length, 1);
  assert.deepEqual(await scene.server.members(room), ["ada"]);
});

scenario("a tab that opens an empty room leaves the roster of the first alone", CHROMIUM, async (scene) => {
  const [room, empty] = ["room:full", "room:empty"];
  await scene.person(room, "ben");
  await scene.person(room, "cy");
  const visitor = await scene.profile();
  const first = await scene.syncedTab(visitor, [room]);
  const second = await scene.syncedTab(visitor, [empty]);
  assert.deepEqual(await second.events(empty), [["sync", []]]);
  await scene.person(room, "dan");
  await first.when(room, "join", "dan");
  assert.deepEqual(await first.events(room), [["sync", ["ben", "cy"]], ["join", "dan"]]);
  assert.deepEqual((await first.state(room)).members, ["ben", "cy", "dan"]);
  assert.deepEqual(await second.events(empty), [["sync", []]]);
});

scenario("of two subscriptions to one room in a tab, one goes on without the other", BOTH, async (scene) => {
  const room = "room:twice";
  const watcher = await scene.person(room);
  const tab = await scene.syncedTab(await scene.profile("ada"), [room]);
  await tab.enter(room, "again");
  await tab.synced("again");
  await tab.leave("again");
  await scene.person(room, "ben");
  await tab.when(room, "join", "ben");
  await scene.graceEnds(watcher, room);
  assert.deepEqual(await tab.events(room), [["sync", ["ada"]], ["join", "ben"]]);
  assert.deepEqual(await tab.events("again"), [["sync", ["ada"]]]);
  assert.deepEqual(watcher.events, [["join", "ada"], ["join", "ben"]]);
});

scenario("others see the leave at once when the last subscription ends", BOTH, async (scene) => {
  const [room, other] = ["room:left", "room:kept"];
  const [watcher, keeper] = [await scene.person(room), await scene.person(other)];
  const ada = await scene.profile("ada");
  const tab = await scene.syncedTab(ada, [room, other]);
  const second = await scene.syncedTab(ada, [room]);
  await second.leave(room);
  await scene.graceEnds(watcher, room);
  assert.deepEqual(watcher.events, [["join", "ada"]]);
  const left = Date.now();
  await tab.leave(room);
  const seen = (await watcher.when("leave", "ada")) - left;
  within(GRACE / 2, seen, "the leave");
  await eventually("nobody in the room", [], () => scene.server.members(room));
  assert.deepEqual(keeper.events, [["join", "ada"]]);
  assert.equal(scene.proxy.opens.length, 1);
});
