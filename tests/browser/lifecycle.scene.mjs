// Pages end in many ways, and some come back.

import assert from "node:assert/strict";
import { BOTH, CHROMIUM, scenario, within } from "./scene.mjs";
import { GRACE, until } from "./server.mjs";

/** A page to which nothing is said of its end. */
const DEAF = `{
  const deaf = ["beforeunload", "pagehide", "unload", "freeze", "visibilitychange"];
  for (const target of [window, document]) {
    const listen = target.addEventListener.bind(target);
    target.addEventListener = (type, ...rest) => deaf.includes(type) || listen(type, ...rest);
  }
}`;

/** Two rooms with a watcher each, and Ada in a tab of her own for each. */
async function twoTabs(scene, { first, second } = {}) {
  const rooms = ["room:one", "room:two"];
  const watchers = [await scene.person(rooms[0]), await scene.person(rooms[1])];
  const ada = await scene.profile("ada");
  const tabs = [await scene.syncedTab(ada, [rooms[0]], first), await scene.syncedTab(ada, [rooms[1]], second)];
  return { rooms, watchers, tabs, ada };
}

const ENDS = {
  "whose renderer is killed": (tab) => tab.crash(),
  "that closes without a word": async (tab) => {
    await tab.close();
    return Date.now();
  },
};

for (const [how, end] of Object.entries(ENDS)) {
  scenario(`a tab ${how} has left its room within three seconds`, CHROMIUM, async (scene) => {
    const { rooms, watchers, tabs } = await twoTabs(scene, { second: { script: DEAF } });
    const ended = await end(tabs[1]);
    const left = (await watchers[1].when("leave", "ada")) - ended;
    within(3000, left, "the leave");
    await scene.graceEnds(watchers[0], rooms[0]);
    assert.deepEqual(watchers[0].events, [["join", "ada"]]);
    await tabs[0].hears(scene.server, rooms[0]);
    assert.deepEqual(await tabs[0].events(rooms[0]), [["sync", ["ada"]]]);
  });
}

scenario('a tab that stays after "leave page?" is joined and live', CHROMIUM, async (scene) => {
  const room = "room:stays";
  const watcher = await scene.person(room);
  const ada = await scene.profile("ada");
  const tab = await scene.syncedTab(ada, [room]);
  await tab.evaluate(() => addEventListener("beforeunload", (event) => event.preventDefault()));
  // Without a gesture no browser asks.
  await tab.page.getByRole("heading").click();
  for (const leave of [
    () => tab.page.close({ runBeforeUnload: true }),
    () => tab.evaluate(() => void setTimeout(() => (location.href = "/elsewhere"))),
  ]) {
    const asked = tab.page.waitForEvent("dialog");
    await leave();
    const dialog = await asked;
    assert.equal(dialog.type(), "beforeunload");
    await dialog.dismiss();
    await scene.graceEnds(watcher, room);
    assert.deepEqual(watcher.events, [["join", "ada"]]);
    await tab.hears(scene.server, room);
    assert.equal(await tab.status(room), "live");
  }
  await scene.person(room, "ben");
  await tab.when(room, "join", "ben");
  // The tab is still counted: when it goes, this is seen.
  const [closed] = [Date.now(), await tab.close()];
  within(GRACE + 3000, (await watcher.when("leave", "ada")) - closed, "the leave");
});

scenario("the tab whose process held the worker is killed: the other one is live within two seconds", CHROMIUM, async (scene) => {
  const { rooms, watchers, tabs } = await twoTabs(scene);
  const session = await scene.browser.browser.newBrowserCDPSession();
  const workers = async () => {
    const { targetInfos } = await session.send("Target.getTargets");
    const ours = targetInfos.filter(({ type, url }) => type === "shared_worker" && url.startsWith(scene.proxy.url));
    return ours.map(({ targetId }) => targetId);
  };
  const [before] = await workers();
  assert.ok(before, "there is a worker");
  const killed = await tabs[0].crash();
  const heard = await tabs[1].hears(scene.server, rooms[1]);
  within(2000, heard - killed, "what the other tab hears");
  await until("another worker", async () => {
    const now = await workers();
    return now.length > 0 && !now.includes(before);
  });
  await scene.graceEnds(watchers[1], rooms[1]);
  assert.deepEqual(watchers[1].events, [["join", "ada"]]);
  assert.equal(await tabs[1].status(rooms[1]), "live");
  await watchers[0].when("leave", "ada");
  await scene.streams(1);
});

for (const others of [0, 1]) {
  const name = `a page in the back/forward cache has left its room, and is live on return (${others} other tabs)`;
  scenario(name, CHROMIUM, async (scene) => {
    const [room, other] = ["room:cached", "room:other"];
    const watcher = await scene.person(room);
    const ada = await scene.profile("ada");
    const tab = await scene.syncedTab(ada, [room]);
    const rest = others ? [await scene.syncedTab(ada, [other])] : [];
    const away = Date.now();
    await tab.goElsewhere();
    const left = (await watcher.when("leave", "ada")) - away;
    within(3000, left, "the leave");
    await scene.person(room, "ben");
    const back = Date.now();
    await tab.goBack();
    await watcher.when("join", "ada");
    await tab.when(room, "sync", undefined, back);
    await tab.hears(scene.server, room);
    const { members, status } = await tab.state(room);
    assert.deepEqual([members, status], [["ada", "ben"], "live"]);
    for (const each of rest) await each.hears(scene.server, other);
    await scene.streams(1);
  });
}

for (const slow of [0, 800]) {
  scenario(`five reloads of a page that takes ${slow} ms to start: others see nothing`, slow ? CHROMIUM : BOTH, async (scene) => {
    const room = "room:reloads";
    const watcher = await scene.person(room);
    const tab = await scene.syncedTab(await scene.profile("ada"), [room], slow ? { slow } : {});
    for (let i = 0; i < 5; i += 1) {
      await tab.reload();
      await tab.synced(room);
      assert.deepEqual(await tab.events(room), [["sync", ["ada"]]]);
    }
    await scene.graceEnds(watcher, room);
    assert.deepEqual(watcher.events, [["join", "ada"]]);
    assert.equal(await tab.status(room), "live");
    await scene.streams(1);
  });
}

scenario("when the last tab closes others see the leave soon", BOTH, async (scene) => {
  const room = "room:last";
  const watcher = await scene.person(room);
  const ada = await scene.profile("ada");
  const tabs = [await scene.syncedTab(ada, [room]), await scene.syncedTab(ada, [room])];
  await tabs[0].close();
  await scene.graceEnds(watcher, room);
  assert.deepEqual(watcher.events, [["join", "ada"]]);
  const closed = Date.now();
  await tabs[1].close();
  const left = (await watcher.when("leave", "ada")) - closed;
  within(GRACE + 3000, left, "the leave");
  await scene.streams(0);
});
