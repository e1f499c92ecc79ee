// nginx in front of the server, with few words in its configuration: what is left of `Host`
// then is the upstream's name, or has no port.

import assert from "node:assert/strict";
import { INSECURE } from "./browsers.mjs";
import { startNginx } from "./nginx.mjs";
import { BOTH, CHROMIUM, scenario } from "./scene.mjs";
import { eventually, until } from "./server.mjs";

const FIREFOX = ["firefox"];

const PLAIN = "";
const WITHOUT_PORT = "proxy_set_header Host $host;";
const WHOLE = "proxy_set_header Host $http_host;";
const UPGRADE = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;";

/** How long it is watched whether anything is asked for again and again, in milliseconds. */
const WATCHED = 3000;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Plays with nginx in front of the scene's server. */
function behind(name, where, options, play) {
  scenario(name, where, async (scene) => {
    const nginx = await startNginx(scene.server.url, options);
    try {
      await play(scene, nginx);
      // The pages go first, for what is under way is no request yet.
      for (const tab of scene.tabs) await tab.close();
      scene.tabs = [];
    } finally {
      await nginx.stop();
    }
  });
}

async function tabOf(scene, url, user, room, more = "") {
  const tab = await (await scene.profile(user)).tab(`${url}/page?room=${encodeURIComponent(room)}${more}`);
  scene.tabs.push(tab);
  return tab;
}

/** A page comes, enters another group, leaves the first one, and asks for nothing after that. */
async function isLive(scene, nginx, more) {
  const [first, second] = ["room:first", "room:second"];
  const watcher = await scene.person(first);
  const tab = await tabOf(scene, nginx.url, "ada", first, more);
  await tab.synced(first);
  await watcher.when("join", "ada");
  await tab.enter(second);
  await tab.synced(second);
  await tab.leave(first);
  await watcher.when("leave", "ada");
  await eventually("who is there", ["ada"], () => scene.server.members(second));
  await tab.hears(scene.server, second);
  assert.equal(await tab.status(second), "live");
  const asked = await nginx.requests();
  await pause(WATCHED);
  const later = await nginx.requests();
  assert.ok(later.length <= asked.length + 1, JSON.stringify(later));
  assert.deepEqual(later.filter(({ status }) => status !== 200), []);
  assert.ok(later.length <= 10, JSON.stringify(later));
  await tab.isWell();
  await tab.close();
  scene.tabs = [];
  await eventually("nobody is left", [], () => scene.server.members(second));
  // A stream is a request of its log once it has ended.
  const streams = async () => (await nginx.requests()).filter(({ path }) => !path.endsWith("/control")).length;
  await eventually("one stream, all in all", 1, streams);
}

for (const tls of [false, true])
  for (const location of [PLAIN, WITHOUT_PORT, WHOLE]) {
    const name = `a page behind nginx is live, ${tls ? "over TLS" : "on localhost"} with ${location || "nothing said of Host"}`;
    behind(name, tls && location === PLAIN ? BOTH : CHROMIUM, { tls, location }, (scene, nginx) => isLive(scene, nginx));
  }

behind("a WebSocket behind nginx is live where Host is passed on", BOTH, { tls: true, location: UPGRADE + WHOLE }, (scene, nginx) =>
  socketIsLive(scene, nginx));

// Chromium says nothing of the page that opens a WebSocket but its origin, and Firefox does.
behind("a WebSocket behind nginx that changes Host is live where the browser says whose page it is", FIREFOX, { tls: true, location: UPGRADE }, (scene, nginx) =>
  socketIsLive(scene, nginx));

behind("a WebSocket that nginx has made a stranger's is told so, and asks seldom", CHROMIUM, { tls: true, location: UPGRADE }, async (scene, nginx) => {
  const room = "room:socket";
  const tab = await tabOf(scene, nginx.url, "ada", room, "&transport=ws");
  const error = await until("an error", () => tab.evaluate((as) => window.open[as].presence.error, room));
  assert.equal(error.code, "no_websocket");
  assert.match(error.message, /"Host"/);
  await pause(WATCHED);
  const requests = await nginx.requests();
  assert.ok(requests.length <= 10, JSON.stringify(requests));
  assert.deepEqual(new Set(requests.filter(({ path }) => path.endsWith("/ws")).map(({ status }) => status)), new Set([403]));
});

async function socketIsLive(scene, nginx) {
  const room = "room:socket";
  const watcher = await scene.person(room);
  const tab = await tabOf(scene, nginx.url, "ada", room, "&transport=ws");
  await tab.synced(room);
  await watcher.when("join", "ada");
  assert.equal(await tab.status(room), "live");
  await pause(WATCHED);
  assert.equal(await tab.status(room), "live");
}

behind("over plain HTTP a page of another host than the server sees is told so, and asks seldom", CHROMIUM, {}, async (scene, nginx) => {
  const room = "room:insecure";
  const tab = await tabOf(scene, `http://${INSECURE}:${nginx.port}`, "", room);
  await tab.when(room, "status", "denied");
  const error = await tab.evaluate((as) => window.open[as].presence.error, room);
  assert.equal(error.code, "origin");
  await pause(WATCHED);
  const requests = await nginx.requests();
  assert.ok(requests.length <= 3, JSON.stringify(requests));
  assert.deepEqual(new Set(requests.map(({ status }) => status)), new Set([403]));
});

behind("over plain HTTP a page is live where Host is passed on", CHROMIUM, { location: WHOLE }, async (scene, nginx) => {
  const room = "room:insecure";
  const tab = await tabOf(scene, `http://${INSECURE}:${nginx.port}`, "", room);
  await tab.synced(room);
  await tab.enter("room:another");
  await tab.synced("room:another");
  assert.equal(await tab.status("room:another"), "live");
});
