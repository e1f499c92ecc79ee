// The other transport: the same for handlers, and messages the other way.

import assert from "node:assert/strict";
import { BOTH, CHROMIUM, scenario, within } from "./scene.mjs";
import { GRACE, eventually } from "./server.mjs";

const WS = { transport: "ws" };

const overWebSocket = (scene) => {
  const paths = new Set(scene.proxy.requests.map(({ path }) => path));
  assert.ok(paths.has("/realtime/ws") && !paths.has("/realtime/sse"), [...paths].join());
};

scenario("over a WebSocket, tabs share a connection, and rooms come and go without another one", BOTH, async (scene) => {
  const [room, other] = ["room:tabs", "room:other"];
  const [watcher, second] = [await scene.person(room), await scene.person(other)];
  const ada = await scene.profile("ada");
  const tabs = [];
  for (let i = 0; i < 3; i += 1) tabs.push(await scene.syncedTab(ada, [room], WS));
  await scene.streams(1);
  // A tab that opens may need a handshake, to tell who its cookies say it is; a room does not.
  const opens = scene.proxy.opens.length;
  await tabs[1].enter(other);
  await tabs[1].synced(other);
  const left = Date.now();
  await tabs[1].leave(other);
  const seen = (await second.when("leave", "ada")) - left;
  within(GRACE / 2, seen, "the leave");
  await scene.person(room, "ben");
  for (const tab of tabs) {
    await tab.when(room, "join", "ben");
    assert.deepEqual(await tab.events(room), [["sync", ["ada"]], ["join", "ben"]]);
    assert.equal(await tab.status(room), "live");
  }
  assert.equal(scene.proxy.opens.length, opens);
  await tabs[2].reload();
  await tabs[2].synced(room);
  await scene.graceEnds(watcher, room);
  assert.deepEqual(watcher.events, [["join", "ada"], ["join", "ben"]]);
  await scene.streams(1);
  overWebSocket(scene);
});

scenario("over a WebSocket, a message reaches everybody in the room, and a refused one nobody", CHROMIUM, async (scene) => {
  const room = "room:chat";
  const [one, two] = [await scene.profile("ada"), await scene.profile("ben")];
  const [from, to] = [await scene.syncedTab(one, [room], WS), await scene.syncedTab(two, [room])];
  const send = (...message) => from.evaluate((message) => window.umbral.realtime.send(...message), message);
  await send("denied:chat", "chat", "not heard");
  await send(room, "chat", { text: "hello" });
  await send(room, "chat", "again");
  for (const tab of [from, to]) {
    await tab.when(room, "chat");
    await eventually("both messages", [[room, { text: "hello" }], [room, "again"]], async () =>
      (await tab.seen(room)).filter(([what]) => what === "chat").map(([, value]) => value));
  }
  await assert.rejects(
    to.evaluate((room) => window.umbral.realtime.send(room, "chat", "by events only"), room),
    /transport/,
  );
});

scenario("over a WebSocket, of a denied room only that subscription is denied", CHROMIUM, async (scene) => {
  const [room, denied] = ["room:open", "denied:shut"];
  const ada = await scene.profile("ada");
  const first = await scene.tab(ada, [denied, room], WS);
  const second = await scene.syncedTab(ada, [room], WS);
  await second.enter(denied);
  for (const tab of [first, second]) {
    await tab.synced(room);
    await tab.when(denied, "status", "denied");
    assert.equal(await tab.status(room), "live");
  }
  await scene.streams(1);
  overWebSocket(scene);
});

scenario("over a WebSocket, a connection that is cut and refused comes back with what was missed", CHROMIUM, async (scene) => {
  const room = "patient:cut";
  const watcher = await scene.person(room);
  await scene.person(room, "ben");
  const tab = await scene.syncedTab(await scene.profile("ada"), [room], WS);
  scene.proxy.refuse("/ws", 502);
  const cut = Date.now();
  scene.proxy.cut();
  await tab.when(room, "status", "reconnecting", cut);
  await scene.server.disconnect("ben");
  await scene.person(room, "cy");
  await tab.when(room, "sync", undefined, cut);
  const events = (await tab.events(room)).slice(1);
  assert.deepEqual(events.slice(0, 2).sort(), [["join", "cy"], ["leave", "ben"]]);
  assert.deepEqual(events.slice(2), [["sync", ["ada", "cy"]]]);
  await scene.graceEnds(watcher, room);
  assert.deepEqual(watcher.events, [["join", "ben"], ["join", "ada"], ["leave", "ben"], ["join", "cy"]]);
});

scenario("over a WebSocket, another user starts afresh in all tabs", CHROMIUM, async (scene) => {
  const room = "room:identity";
  const ada = await scene.profile("ada");
  const tabs = [await scene.syncedTab(ada, [room], WS), await scene.syncedTab(ada, [room], WS)];
  await ada.signIn("ben", scene.proxy.url);
  const since = Date.now();
  await tabs[0].evaluate(() => window.umbral.realtime.reconnect());
  for (const tab of tabs) {
    await tab.when(room, "sync", undefined, since);
    await eventually("Ben alone", [["ben"], "ben", "live"], async () => {
      const { members, me, status } = await tab.state(room);
      return [members, me, status];
    });
    assert.deepEqual((await tab.events(room)).filter(([what]) => what !== "sync" ), []);
  }
  await scene.streams(1);
  await eventually("Ben is there", ["ben"], () => scene.server.members(room));
});

scenario("over a WebSocket, others see the leave when the last tab has closed", CHROMIUM, async (scene) => {
  const room = "room:last";
  const watcher = await scene.person(room);
  const tab = await scene.syncedTab(await scene.profile("ada"), [room], WS);
  const closed = Date.now();
  await tab.close();
  const left = (await watcher.when("leave", "ada")) - closed;
  within(GRACE + 3000, left, "the leave");
  await scene.streams(0);
});
