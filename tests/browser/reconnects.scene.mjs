// Connections get lost; who has one for a while is there for the others, and gets to know
// what was missed.

import assert from "node:assert/strict";
import { CHROMIUM, scenario, within } from "./scene.mjs";
import { eventually, startServer, until } from "./server.mjs";

scenario("a stream that is cut and refused comes back, and others see no leave", CHROMIUM, async (scene) => {
  // Two waits may take as long as the usual grace.
  const room = "patient:cut";
  const watcher = await scene.person(room);
  const ada = await scene.profile("ada");
  const tabs = [await scene.syncedTab(ada, [room]), await scene.syncedTab(ada, [room])];
  scene.proxy.refuse("/sse", 502);
  const cut = Date.now();
  scene.proxy.cut();
  for (const tab of tabs) {
    await tab.when(room, "status", "reconnecting", cut);
    await tab.when(room, "status", "live", cut);
    await tab.when(room, "sync", undefined, cut);
    assert.deepEqual(await tab.events(room), [["sync", ["ada"]], ["sync", ["ada"]]]);
  }
  assert.deepEqual(scene.proxy.opens.map(({ status }) => status), [200, 502, 200]);
  await scene.graceEnds(watcher, room);
  assert.deepEqual(watcher.events, [["join", "ada"]]);
});

scenario("a stream that brings nothing more is given up after two and a half heartbeats", CHROMIUM, async (scene) => {
  const room = "room:silent";
  const watcher = await scene.person(room);
  const tab = await scene.syncedTab(await scene.profile("ada"), [room]);
  // For three seconds it has little more than heartbeats, and is not given up for that.
  await scene.graceEnds(watcher, room);
  assert.equal(scene.proxy.opens.length, 1);
  const silent = Date.now();
  scene.proxy.silence();
  const opened = await until("a new stream", () => scene.proxy.opens[1]);
  // The last heartbeat came at most one before the silence; a wait of up to two seconds follows.
  const after = opened.at - silent;
  assert.ok(after > 1400, `reconnected after ${after} ms`);
  within(5000, after, "the other stream");
  await tab.when(room, "sync", undefined, silent);
  assert.equal(await tab.status(room), "live");
  await tab.hears(scene.server, room);
  await scene.graceEnds(watcher, room);
  assert.deepEqual(watcher.events, [["join", "ada"]]);
  assert.equal(scene.proxy.opens.length, 2);
}, { heartbeat: 1 });

scenario("joins and leaves while there is no connection: the net changes, then one snapshot", CHROMIUM, async (scene) => {
  const room = "room:missed";
  for (const user of ["ben", "cy"]) await scene.person(room, user);
  const ada = await scene.profile("ada");
  const tabs = [await scene.syncedTab(ada, [room]), await scene.syncedTab(ada, [room])];
  scene.proxy.refuse("/sse", 503, {}, Infinity);
  const cut = Date.now();
  scene.proxy.cut();
  for (const tab of tabs) await tab.when(room, "status", "reconnecting", cut);
  await scene.server.disconnect("ben");
  await scene.person(room, "dan");
  await scene.person(room, "eve");
  await scene.server.disconnect("eve");
  await scene.server.disconnect("cy");
  await scene.person(room, "cy");
  // Whoever was there stays on show.
  for (const tab of tabs) {
    const { members, status } = await tab.state(room);
    assert.deepEqual([members, status], [["ada", "ben", "cy"], "reconnecting"]);
  }
  scene.proxy.relent();
  for (const tab of tabs) {
    await tab.when(room, "sync", undefined, cut);
    const events = (await tab.events(room)).slice(1);
    assert.deepEqual(events.slice(0, 2).sort(), [["join", "dan"], ["leave", "ben"]]);
    assert.deepEqual(events.slice(2), [["sync", ["ada", "cy", "dan"]]]);
    const { members, status } = await tab.state(room);
    assert.deepEqual([members, status], [["ada", "cy", "dan"], "live"]);
  }
});

scenario("ten browsers do not all come back at once when the server has been restarted", CHROMIUM, async (scene) => {
  const room = "room:restart";
  const users = [...Array(10).keys()].map((i) => `user-${i}`);
  const tabs = [];
  for (const user of users) tabs.push(await scene.syncedTab(await scene.profile(user), [room]));
  const stopped = Date.now();
  const server = await scene.stopServer();
  const since = () => scene.proxy.opens.filter(({ at }) => at >= stopped);
  // Everybody has been turned away twice.
  await until("twenty attempts", () => users.every((user) => since().filter((open) => open.user === user).length > 1));
  await server.start();
  const opened = await until("ten streams", () => {
    const opened = since().filter(({ status }) => status === 200);
    return opened.length === 10 && opened;
  }, 40000);
  const times = opened.map(({ at }) => at);
  const spread = Math.max(...times) - Math.min(...times);
  assert.ok(spread >= 1000, `all came back within ${spread} ms`);
  for (const tab of tabs) {
    await eventually("the roster", [users, "live"], async () => {
      const { members, status } = await tab.state(room);
      return [members, status];
    });
  }
  assert.deepEqual(await scene.server.members(room), users);
});

scenario("a server that drains is left within its time, one browser after the other", CHROMIUM, async (scene) => {
  const room = "room:drained";
  const users = ["ada", "ben", "cy"];
  const tabs = [];
  for (const user of users) tabs.push(await scene.syncedTab(await scene.profile(user), [room]));
  // Behind the proxy there is another node.
  const other = await startServer();
  try {
    scene.proxy.target = new URL(other.url);
    await scene.server.drain();
    // Three streams there are all the time: some new ones, and the old ones that are still open.
    await eventually("three more streams", true, () => scene.proxy.opens.length >= 6);
    await eventually("three streams", 3, () => scene.proxy.streams);
    const times = scene.proxy.opens.slice(3).map(({ at }) => at);
    assert.equal(times.length, 3);
    assert.ok(Math.max(...times) - Math.min(...times) >= 100, `they went at ${times}`);
    for (const tab of tabs) {
      await eventually("the roster", users, async () => (await tab.state(room)).members);
    }
    assert.deepEqual(await other.members(room), users);
  } finally {
    scene.proxy.target = new URL(scene.server.url);
    await other.stop();
  }
});
