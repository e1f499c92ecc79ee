// What keeps a page or a group from being live is in `error` and in the console, once.

import assert from "node:assert/strict";
import { SCRIPTS, withFront } from "./front.mjs";
import { BOTH, CHROMIUM, scenario } from "./scene.mjs";
import { eventually, until } from "./server.mjs";

/** A tab whose console is kept, at a page that is configured so. */
async function heardTab(profile, front, rooms, options = {}) {
  front.page("/page", SCRIPTS.replace("</script><script src=/page", `</script><script>umbral.realtime.configure(${JSON.stringify(options)})</script><script src=/page`));
  await profile.signIn("ada", front.url);
  const tab = await profile.tab("about:blank");
  const lines = { warn: [], debug: [] };
  tab.page.on("console", (message) => lines[message.type().replace("warning", "warn")]?.push(message.text()));
  await tab.goto(`${front.url}/page?${new URLSearchParams(rooms.map((room) => ["room", room]))}`);
  const error = (room) => tab.evaluate((room) => window.open[room].presence.error, room);
  return { tab, lines, error };
}

for (const transport of ["sse", "ws"]) {
  scenario(`a group that nothing declares says so once, and its events go on (${transport})`, BOTH, (scene) => withFront(scene, async (front) => {
    // The WebSocket of a page goes to its own origin, which a front does not pass on.
    const target = transport === "ws" ? { url: scene.proxy.url, page: (path, html) => scene.proxy.serve(path, "text/html", `<!doctype html>${html}`) } : front;
    const [room, other, bare] = ["room:declared", "room:later", "bare:1"];
    const { tab, lines, error } = await heardTab(await scene.profile(), target, [room, bare], { transport });
    await tab.synced(room);
    await eventually("the error", "no_presence", async () => (await error(bare))?.code);
    // A later question of another group leaves it so.
    await tab.enter(other);
    await tab.synced(other);
    await tab.enter(bare, "again");
    await eventually("the error of the second", "no_presence", async () => (await error("again"))?.code);
    await tab.hears(scene.server, bare);
    assert.deepEqual(await tab.events(bare), []);
    assert.deepEqual(await tab.state(bare), { members: [], count: 0, me: "ada", status: "live" });
    assert.equal(await error(room), null);
    assert.deepEqual(lines.warn.filter((line) => line.includes("no_presence")).length, 1);
    assert.match(lines.warn.join(), /bare:1: it has no presence/);
  }));
}

scenario("a server that is away is an error with words while it lasts, and one line", CHROMIUM, (scene) => withFront(scene, async (front) => {
  const room = "patient:away";
  const { tab, lines, error } = await heardTab(await scene.profile(), front, [room, "denied:no"]);
  await tab.synced(room);
  await eventually("the refusal", "denied", () => tab.status("denied:no"));
  scene.proxy.refuse("/sse", 502, {}, Infinity);
  scene.proxy.cut();
  const { code, message } = await until("the error", () => error(room));
  assert.ok(code && message.length > 10, `${code}: ${message}`);
  await until("several attempts", () => scene.proxy.opens.filter(({ status }) => status === 502).length > 2);
  assert.equal(await tab.status(room), "reconnecting");
  scene.proxy.relent();
  await tab.evaluate(() => dispatchEvent(new Event("online")));
  await eventually("it is over", [null, "live"], async () => [await error(room), await tab.status(room)]);
  const ours = lines.warn.filter((line) => line.startsWith("umbral.realtime:"));
  assert.equal(ours.filter((line) => line.includes(`(${code})`)).length, 1, ours.join("\n"));
  assert.equal(ours.filter((line) => line.includes("denied:no")).length, 1, ours.join("\n"));
}));

for (const debug of [true, false]) {
  scenario(`what the shared connection does is in the console with debug, and else not (${debug})`, BOTH, (scene) => withFront(scene, async (front) => {
    const room = "room:debug";
    const { tab, lines } = await heardTab(await scene.profile(), front, [room], { debug });
    await tab.synced(room);
    await tab.enter("room:more");
    await tab.synced("room:more");
    if (debug) await until("the calls", () => lines.debug.some((line) => /umbral.realtime: .*control.*200/.test(line)));
    else assert.deepEqual(lines.debug, []);
  }));
}

scenario("a frame that has no origin, which the server does not let in, says what is wrong", CHROMIUM, (scene) => withFront(scene, async (front) => {
  const room = "room:framed";
  front.page("/framed", SCRIPTS);
  front.page("/around", `<title>around</title><iframe sandbox="allow-scripts" src="/framed?room=${room}"></iframe>`);
  const tab = await (await scene.profile()).tab("about:blank");
  const lines = [];
  tab.page.on("console", (message) => message.type() === "warning" && lines.push(message.text()));
  await tab.goto(`${front.url}/around`);
  const frame = await until("the frame", () => tab.page.frames().find((each) => each.url().includes("/framed")));
  const error = () => frame.evaluate((room) => window.open?.[room]?.presence.error, room);
  const { code, message } = await until("the error", error);
  assert.ok(code && message, "in words");
  assert.deepEqual(lines.filter((line) => line.startsWith("umbral.realtime:")), [`umbral.realtime: ${message} (${code})`]);
}));
