// Pages that say by a token who asks.

import assert from "node:assert/strict";
import { BOTH, scenario } from "./scene.mjs";
import { eventually, until } from "./server.mjs";

const me = async (tab, room) => (await tab.state(room)).me;
const code = (tab, room) => tab.evaluate((room) => window.open[room].presence.error?.code, room);

for (const transport of ["sse", "ws"]) {
  scenario(`tabs with a token share a stream, and one with another user's is shown nothing of it (${transport})`, BOTH, async (scene) => {
    const room = "room:tokens";
    await scene.person(room, "eve");
    const profile = await scene.profile();
    const tabs = [];
    for (const token of ["ann", "ann"]) tabs.push(await scene.syncedTab(profile, [room], { transport, token }));
    for (const tab of tabs) assert.equal(await me(tab, room), "ann");
    await scene.streams(1);
    const ben = await scene.tab(profile, [room], { transport, token: "ben" });
    await until("ben is told why", async () => (await code(ben, room)) === "identity_changed");
    assert.deepEqual((await ben.state(room)).members, []);
    assert.equal(await me(tabs[0], room), "ann");
    await scene.streams(1);
    // Ben signs in for the whole browser, and Ann's tabs are shown nothing of his.
    await ben.evaluate(() => window.umbral.realtime.reconnect());
    await until("ben", async () => (await me(ben, room)) === "ben");
    for (const tab of tabs) await until("a stranger", async () => (await tab.state(room)).status === "denied");
    await eventually("Ann is gone", ["ben", "eve"], () => scene.server.members(room));
    assert.ok(!scene.proxy.requests.some(({ path, url }) => path !== "/page" && /ann|ben/.test(url)), "no token is in the address of a request");
  });

  scenario(`a token that has run out is asked for again once, then the page is denied (${transport})`, BOTH, async (scene) => {
    const room = "room:tokens";
    const profile = await scene.profile();
    const tab = await scene.syncedTab(profile, [room], { transport, token: "old-ann", fresh: "ann" });
    assert.equal(await me(tab, room), "ann");
    await tab.evaluate(() => {
      window.token.fresh = "old-ann";
      window.umbral.realtime.reconnect();
    });
    await until("denied", async () => (await code(tab, room)) === "unauthenticated");
    assert.equal((await tab.state(room)).status, "denied");
    const { asked } = await tab.evaluate(() => window.token);
    assert.ok(asked[0] + asked[1] < 12, `asked ${asked} times`);
  });
}
