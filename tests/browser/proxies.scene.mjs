// Behind proxies as they are: those that change what is asked for, and those that are in the way.

import assert from "node:assert/strict";
import { INSECURE } from "./browsers.mjs";
import { HOSTS } from "./proxy.mjs";
import { BOTH, CHROMIUM, scenario, within } from "./scene.mjs";
import { eventually, until } from "./server.mjs";

const errorOf = (tab, as) => tab.evaluate((as) => window.open[as].presence.error, as);
const codeOf = async (tab, as) => (await errorOf(tab, as))?.code;

/** Requests of the last milliseconds for streams, WebSockets and calls. */
const asked = (scene, since) =>
  scene.proxy.requests.filter(({ path, at }) => /\/(sse|ws|control)$/.test(path) && at >= since).length;

const pass = (ms) => new Promise((done) => setTimeout(done, ms));

for (const [how, host] of Object.entries(HOSTS)) {
  scenario(`behind ${how}, rooms are entered and left on one stream`, BOTH, async (scene) => {
    const [room, other] = ["room:behind", "room:other"];
    scene.proxy.host = host;
    const tab = await scene.syncedTab(await scene.profile("ada"), [room]);
    await tab.enter(other);
    await tab.synced(other);
    await scene.person(room, "ben");
    await tab.when(room, "join", "ben");
    await tab.leave(other);
    await eventually("the leave", [], () => scene.server.members(other));
    assert.equal(await errorOf(tab, room), null);
    assert.equal(scene.proxy.opens.length, 1);
    assert.ok(scene.proxy.requests.every(({ path, status }) => !path.endsWith("/control") || status === 200));
  });
}

scenario("over plain HTTP behind a proxy that changes the host, the page learns why, and asks no more", CHROMIUM, async (scene) => {
  const room = "room:plain";
  scene.proxy.host = () => "backend.internal";
  const origin = `http://${INSECURE}:${new URL(scene.proxy.url).port}`;
  const ada = await scene.profile("ada");
  await ada.signIn("ada", origin);
  const tab = await ada.tab(`${origin}/page?room=${room}`);
  await tab.when(room, "status", "denied");
  const { code, message } = await errorOf(tab, room);
  assert.equal(code, "origin");
  assert.ok(message.length > 10);
  await pass(3000);
  assert.ok(scene.proxy.opens.length <= 2, `${scene.proxy.opens.length} attempts`);
  await tab.close();
});

scenario("behind a proxy that lets streams in and refuses calls, nobody is asked without end", BOTH, async (scene) => {
  const room = "room:half";
  scene.proxy.answer("/control", { status: 403, body: "no" });
  const began = Date.now();
  const tab = await scene.tab(await scene.profile("ada"), [room]);
  await tab.when(room, "status", "denied");
  assert.equal(await codeOf(tab, room), "403");
  await pass(3000);
  assert.ok(asked(scene, began) <= 4, `${asked(scene, began)} requests`);
});

const IN_THE_WAY = {
  "refuses the method": { method: "POST", status: 405, body: "<h1>405</h1>" },
  "answers with its own page": { status: 502, body: "<h1>502</h1>", headers: { "content-type": "text/html" } },
  "breaks calls off": { status: 0 },
  "answers everything with a sign-in": { body: "<h1>Sign in</h1>", headers: { "content-type": "text/html" } },
};

for (const [what, answer] of Object.entries(IN_THE_WAY)) {
  scenario(`behind a proxy that ${what}, a late tab and a room are live within seconds, and nobody sees a leave`, what === "answers with its own page" ? BOTH : CHROMIUM, async (scene) => {
    const [room, other] = ["room:way", "room:late"];
    const watcher = await scene.person(room);
    const ada = await scene.profile("ada");
    const first = await scene.syncedTab(ada, [room]);
    scene.proxy.answer("/control", answer);
    const began = Date.now();
    const late = await scene.tab(ada, [room, other]);
    for (const each of [room, other]) await late.synced(each);
    const took = Date.now() - began;
    within(6000, took, "the late tab");
    await scene.streams(1);
    await scene.person(room, "ben");
    for (const tab of [first, late]) {
      await tab.when(room, "join", "ben");
      assert.equal(await tab.status(room), "live");
    }
    assert.deepEqual((await first.seen(room)).filter(([what, value]) => what === "status" && value !== "live"), []);
    await scene.graceEnds(watcher, room);
    assert.deepEqual(watcher.events, [["join", "ada"], ["join", "ben"]]);
    // They go on failing; then the proxy gets better.
    await until("the trouble is told", () => errorOf(first, room));
    assert.ok(asked(scene, began) <= 14, `${asked(scene, began)} requests`);
    scene.proxy.relent();
    await late.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await eventually("no trouble", [null, null], async () => [await errorOf(first, room), await errorOf(late, room)], 60000);
  });
}

for (const number of ["-1", "0.001", "1e400", "4294967.297"]) {
  scenario(`a Retry-After of ${number} is no reason to ask without end`, BOTH, async (scene) => {
    const room = "room:numbers";
    scene.proxy.answer("/sse", { status: 503, headers: { "retry-after": number } });
    const tab = await scene.tab(await scene.profile("ada"), [room]);
    await until("an attempt", () => scene.proxy.opens.length);
    await eventually("the reason", ["connecting", "503"], async () => [await tab.status(room), await codeOf(tab, room)]);
    await pass(4000);
    assert.ok(scene.proxy.opens.length <= 6, `${scene.proxy.opens.length} attempts in four seconds`);
  });
}

const WS = { transport: "ws" };

scenario("behind a proxy that does not pass Upgrade on, a page over a WebSocket learns it", BOTH, async (scene) => {
  const room = "room:upgrade";
  scene.proxy.upgrades = false;
  const began = Date.now();
  const tab = await scene.tab(await scene.profile("ada"), [room], WS);
  await eventually("the reason", "no_websocket", () => codeOf(tab, room));
  assert.match((await errorOf(tab, room)).message, /Upgrade/);
  assert.equal(await tab.status(room), "connecting");
  await pass(4000);
  assert.ok(asked(scene, began) <= 8, `${asked(scene, began)} requests`);
  scene.proxy.upgrades = true;
  await tab.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await tab.synced(room);
  assert.equal(await errorOf(tab, room), null);
});

scenario("over a WebSocket behind a proxy that changes the host, a page is live where its browser says whose it is, or learns why not", BOTH, async (scene) => {
  const room = "room:socket";
  scene.proxy.host = () => "backend.internal";
  const tab = await scene.tab(await scene.profile("ada"), [room], WS);
  const shown = await until("a word", async () => ((await tab.status(room)) === "live" ? "live" : codeOf(tab, room)));
  if (shown === "live") return tab.synced(room);
  assert.equal(shown, "no_websocket");
  assert.match((await errorOf(tab, room)).message, /Host/);
});

scenario("a WebSocket that is refused says so in the server's words", BOTH, async (scene) => {
  const room = "room:refused";
  const error = { code: "origin", message: "pages of this origin may not connect" };
  const answer = { status: 403, body: JSON.stringify({ error }), headers: { "content-type": "application/json" } };
  for (const path of ["/ws", "/sse"]) scene.proxy.answer(path, answer);
  const tab = await scene.tab(await scene.profile("ada"), [room], WS);
  await tab.when(room, "status", "denied");
  assert.deepEqual(await errorOf(tab, room), error);
});

scenario("who debugs sees in the console what the worker does", CHROMIUM, async (scene) => {
  const [first, second] = ["room:debug", "room:refused"];
  const tab = await scene.tab(await scene.profile("ada"), [], {
    script: "window.lines = []; console.debug = (...words) => window.lines.push(words.join(' '));",
  });
  const shown = async (line) => (await tab.evaluate(() => window.lines)).some((each) => each.includes(line));
  await tab.evaluate(() => window.umbral.realtime.configure({ debug: true }));
  await tab.enter(first);
  await tab.synced(first);
  // What the worker did before it had loaded the words for it is summed up.
  await until("the state", () => shown("the stream is live"));
  scene.proxy.refuse("/control", 503, { "retry-after": "1" });
  await tab.enter(second);
  await tab.synced(second);
  for (const line of ["control: 503", "until the next attempt", "control: 200"]) {
    await until(line, () => shown(line));
  }
});
