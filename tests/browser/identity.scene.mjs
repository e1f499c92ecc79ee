// Nothing that was for one user is seen by the next one in the same browser.

import assert from "node:assert/strict";
import { BOTH, scenario } from "./scene.mjs";
import { changes, eventually, until } from "./server.mjs";

const me = async (tab, room) => (await tab.state(room)).me;

/** Two tabs of Ada's, and Eve in the same room. Ada gets a letter every few milliseconds. */
async function begin(scene) {
  const room = "room:identity";
  await scene.person(room, "eve");
  const profile = await scene.profile("ada");
  const tabs = [await scene.syncedTab(profile, [room]), await scene.syncedTab(profile, [room])];
  const letters = setInterval(() => scene.server.send({ user: "ada" }, "letter").catch(() => {}), 5);
  const stop = () => clearInterval(letters);
  try {
    for (const tab of tabs) {
      await tab.when(room, "letter");
      assert.equal(await me(tab, room), "ada");
    }
  } catch (error) {
    stop();
    throw error;
  }
  return { room, profile, tabs, stop };
}

/** Waits until a tab is Ben's; checks that it began afresh and got nothing of Ada's after that. */
async function isBens(scene, tab, room, since) {
  await tab.when(room, "sync", undefined, since);
  await until("Ben's tab", async () => (await me(tab, room)) === "ben");
  // A letter to Ben marks the end of those to Ada.
  const sent = Date.now();
  await scene.server.send({ user: "ben" }, "letter");
  const arrived = async () =>
    (await tab.seen(room)).some(([what, value, at]) => what === "letter" && value[0] === "@user:ben" && at >= sent);
  await until("a letter to Ben", arrived);
  const seen = await tab.seen(room);
  const began = seen.findLastIndex(([what]) => what === "sync");
  const after = seen.slice(began).filter(([what, value]) => what === "letter" && value[0] !== "@user:ben");
  assert.deepEqual(after, [], "nothing of Ada's after Ben's snapshot");
  assert.deepEqual(changes(seen).at(-1), ["sync", ["ben", "eve"]]);
  const { members, status } = await tab.state(room);
  assert.deepEqual([members, status], [["ben", "eve"], "live"]);
  return seen;
}

scenario("when another user has signed in, all tabs start afresh", BOTH, async (scene) => {
  const { room, profile, tabs, stop } = await begin(scene);
  try {
    await profile.signIn("ben", scene.proxy.url);
    const since = Date.now();
    const at = await tabs[0].evaluate((room) => {
      window.umbral.realtime.reconnect();
      return window.seen[room].length;
    }, room);
    for (const tab of tabs) {
      const seen = await isBens(scene, tab, room, since);
      // Ada's going and Ben's coming are no join and leave to be shown.
      assert.deepEqual(changes(seen), [["sync", ["ada", "eve"]], ["sync", ["ben", "eve"]]]);
    }
    // The tab that has said so gets nothing of Ada's any more.
    const later = (await tabs[0].seen(room)).slice(at);
    assert.deepEqual(later.filter(([what, value]) => what === "letter" && value[0] === "@user:ada"), []);
    await scene.streams(1);
    await eventually("Ada is gone", ["ben", "eve"], () => scene.server.members(room));
  } finally {
    stop();
  }
});

scenario("another user is noticed without reconnect(), by the next tab that opens", BOTH, async (scene) => {
  const { room, profile, tabs, stop } = await begin(scene);
  try {
    await profile.signIn("ben", scene.proxy.url);
    const since = Date.now();
    const late = await scene.tab(profile, [room]);
    for (const tab of [late, ...tabs]) await isBens(scene, tab, room, since);
    const seen = await late.seen(room);
    assert.deepEqual(seen.filter(([, value]) => JSON.stringify(value)?.includes("ada")), []);
    await scene.streams(1);
  } finally {
    stop();
  }
});

scenario("another user is noticed without reconnect(), by the next room that is entered", BOTH, async (scene) => {
  const { room, profile, tabs, stop } = await begin(scene);
  try {
    await profile.signIn("ben", scene.proxy.url);
    const since = Date.now();
    await tabs[1].enter("private:ours");
    for (const tab of tabs) await isBens(scene, tab, room, since);
    await tabs[1].synced("private:ours");
    assert.deepEqual(await tabs[1].events("private:ours"), [["sync", ["ben"]]]);
    // The server has said why.
    assert.ok(scene.proxy.requests.some(({ status }) => status === 409));
    await scene.streams(1);
  } finally {
    stop();
  }
});

scenario("who signs out is a visitor in all tabs, and has left", BOTH, async (scene) => {
  const { room, profile, tabs, stop } = await begin(scene);
  try {
    const watcher = await scene.person(room);
    await profile.signIn("", scene.proxy.url);
    const since = Date.now();
    await tabs[1].evaluate(() => window.umbral.realtime.reconnect());
    await watcher.when("leave", "ada");
    for (const tab of tabs) {
      await tab.when(room, "sync", undefined, since);
      await until("nobody", async () => (await me(tab, room)) === null);
    }
    await until("Eve alone", async () => {
      const rosters = await Promise.all(tabs.map(async (tab) => (await tab.state(room)).members.join()));
      return rosters.every((roster) => roster === "eve");
    });
  } finally {
    stop();
  }
});
