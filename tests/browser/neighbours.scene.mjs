// Pages in pages, and applications beside one another.

import assert from "node:assert/strict";
import { SCRIPTS, withFront } from "./front.mjs";
import { BOTH, scenario } from "./scene.mjs";
import { eventually, startServer, until } from "./server.mjs";

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
