// The whole way: the example's server, real Chromium, several people.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import {
  enter,
  eventually,
  openTab,
  record,
  recorded,
  shows,
  signIn,
  startBrowser,
  startLobby,
} from "./lobby.mjs";

const LOBBY = "public:lobby";

let browser;
let lobby;
const contexts = [];

/** A browser of somebody's own: other cookies, another worker. */
async function profile(options = {}) {
  const context = await browser.newContext(options);
  contexts.push(context);
  return context;
}

const connections = (count) =>
  eventually(`${count} connections`, count, async () => (await lobby.health()).connections);

before(async () => {
  [browser, lobby] = [await startBrowser(), await startLobby()];
});

afterEach(async () => {
  await Promise.all(contexts.splice(0).map((context) => context.close()));
  await eventually("nobody is left", [0, 0, 0], async () => {
    const { connections, groups, users } = await lobby.health();
    return [connections, groups, users];
  });
});

after(async () => {
  await browser?.close();
  await lobby?.stop();
});

test("two people with two tabs each: everybody sees both, one connection per browser", async () => {
  const [ada, ben] = [await profile(), await profile()];
  const first = await openTab(ada, lobby.url);
  await signIn(first, "Ada");
  const other = await openTab(ben, lobby.url);
  await signIn(other, "Ben");
  for (const page of [first, other]) await shows(page, "lobby", ["Ada", "Ben"]);

  // A late tab gets its snapshot, from the worker, and nobody else notices.
  await record(first, LOBBY);
  const [second, fourth] = [await openTab(ada, lobby.url), await openTab(ben, lobby.url)];
  for (const page of [second, fourth]) {
    await shows(page, "lobby", ["Ada", "Ben"]);
    await record(page, LOBBY);
    assert.deepEqual(await recorded(page, LOBBY), [["sync", 2]]);
  }
  await connections(2);
  assert.deepEqual(await recorded(first, LOBBY), [["sync", 2]]);

  // One of two tabs closes: nothing. The last one closes: all see it.
  await fourth.close();
  await other.close();
  await shows(first, "lobby", ["Ada"]);
  await shows(second, "lobby", ["Ada"]);
  assert.deepEqual(await recorded(first, LOBBY), [["sync", 2], ["leave", "Ben"]]);
  assert.deepEqual(await recorded(second, LOBBY), [["sync", 2], ["leave", "Ben"]]);
  await connections(1);
  assert.deepEqual([first.errors, second.errors], [[], []]);
});

test("the metrics say how many are there, and name nobody", async () => {
  const tab = await openTab(await profile(), lobby.url);
  await signIn(tab, "Ada");
  await shows(tab, "lobby", ["Ada"]);
  const metrics = await (await fetch(`${lobby.url}/metrics`)).text();
  for (const line of [
    "# TYPE presence_connections gauge",
    'presence_connections{transport="sse"} 1',
    'presence_members{declaration="lobby::rooms::Lobby"} 1',
    'presence_members{declaration="lobby::rooms::Room"} 0',
    'presence_resolve_seconds_bucket{resolver="batch",le="+Inf"}',
  ]) {
    assert(metrics.includes(line), `${line} is not in:\n${metrics}`);
  }
  assert(!metrics.includes("Ada") && !metrics.includes(LOBBY));
});

test("a reload is seen by nobody, with one tab and with two", async () => {
  const [ada, ben] = [await profile(), await profile()];
  const watcher = await openTab(ben, lobby.url);
  const page = await openTab(ada, lobby.url);
  await signIn(page, "Ada");
  await shows(watcher, "lobby", ["Ada"]);
  await record(watcher, LOBBY);
  for (let i = 0; i < 3; i += 1) {
    await page.reload();
    await shows(page, "lobby", ["Ada"]);
  }
  const second = await openTab(ada, lobby.url);
  await shows(second, "lobby", ["Ada"]);
  await page.reload();
  await shows(page, "lobby", ["Ada"]);
  await connections(2);
  assert.deepEqual(await recorded(watcher, LOBBY), [["sync", 1]]);
});

test("rooms are entered and left without a new connection, and others see no reconnect", async () => {
  const [ada, ben] = [await profile(), await profile()];
  const [one, two] = [await openTab(ada, lobby.url), await openTab(ben, lobby.url)];
  await signIn(one, "Ada");
  await signIn(two, "Ben");
  await enter(two, "garden");
  await shows(two, "lobby", ["Ada", "Ben"]);
  await record(two, LOBBY);
  const streams = [];
  one.on("request", (request) => request.url().includes("/sse") && streams.push(request.url()));
  await enter(one, "garden");
  for (const page of [one, two]) await shows(page, "garden", ["Ada", "Ben"]);
  await enter(one, "kitchen");
  await shows(one, "kitchen", ["Ada"]);
  assert.equal(await one.locator("#where").textContent(), "You are in 2 rooms");
  await one.locator('article[data-room="garden"] .leave').click();
  // At once, that is before the grace of three seconds.
  const left = Date.now();
  await shows(two, "garden", ["Ben"]);
  assert.ok(Date.now() - left < 2000, "a goodbye has no grace");
  assert.equal(await one.locator("#where").textContent(), "You are in 1 room");
  assert.deepEqual(await recorded(two, LOBBY), [["sync", 2]]);
  assert.deepEqual(streams, []);
});

test("what is said in a room is heard there and nowhere else", async () => {
  const [ada, ben] = [await profile(), await profile()];
  const [one, two] = [await openTab(ada, lobby.url), await openTab(ben, lobby.url)];
  await signIn(one, "Ada");
  await signIn(two, "Ben");
  for (const page of [one, two]) await enter(page, "garden");
  await enter(two, "kitchen");
  const text = "<b>hello</b> & good morning";
  await one.locator('article[data-room="garden"] form[name="say"] input').fill(text);
  await one.keyboard.press("Enter");
  for (const page of [one, two]) {
    const message = page.locator('article[data-room="garden"] .message p');
    await message.waitFor();
    assert.equal(await message.textContent(), text);
  }
  assert.equal(await two.locator('article[data-room="kitchen"] .message').count(), 0);
});

test("a stranger stays outside of the private room, and the other rooms do not mind", async () => {
  const page = await openTab(await profile(), lobby.url);
  await signIn(page, "Ada");
  await enter(page, "garden");
  await page.locator('[data-enter="staff"]').click();
  const staff = page.locator('article[data-room="staff"]');
  await page.locator('article[data-room="staff"][data-status="denied"]').waitFor();
  await shows(page, "garden", ["Ada"]);
  await staff.locator('form[name="key"] input').fill("sesame");
  await staff.getByRole("button", { name: "Unlock" }).click();
  await page.locator('article[data-room="staff"][data-status="live"]').waitFor();
  await shows(page, "staff", ["Ada"]);
});

test("who has no name watches and does not appear; signing in and out takes effect in all tabs", async () => {
  const [ada, visitor] = [await profile(), await profile()];
  const watcher = await openTab(visitor, lobby.url);
  const [first, second] = [await openTab(ada, lobby.url), await openTab(ada, lobby.url)];
  await signIn(first, "Ada");
  await shows(watcher, "lobby", ["Ada"]);
  await second.locator('body[data-me="Ada"]').waitFor();
  await shows(second, "lobby", ["Ada"]);
  assert.equal(await watcher.locator("#welcome").isVisible(), true);
  await first.getByRole("button", { name: "Sign out" }).click();
  await shows(watcher, "lobby", []);
  await second.locator('body[data-me=""]').waitFor();
  await connections(2);
});

test("without a shared worker the tabs share the stream of one of them, and the same is seen", async () => {
  const [ada, ben] = [await profile(), await profile()];
  await ada.addInitScript(() => delete window.SharedWorker);
  const watcher = await openTab(ben, lobby.url);
  const first = await openTab(ada, lobby.url);
  await signIn(first, "Ada");
  const second = await openTab(ada, lobby.url);
  for (const page of [watcher, first, second]) await shows(page, "lobby", ["Ada"]);
  await connections(2);
  await record(watcher, LOBBY);
  await first.reload();
  await shows(first, "lobby", ["Ada"]);
  await first.close();
  await shows(second, "lobby", ["Ada"]);
  await connections(2);
  assert.deepEqual(await recorded(watcher, LOBBY), [["sync", 1]]);
  await second.close();
  await shows(watcher, "lobby", []);
});

test("a server that goes away and comes back is found again", async () => {
  let own = await startLobby();
  const page = await openTab(await profile(), own.url);
  const status = (status) => page.locator(`#status[data-status="${status}"]`).waitFor();
  await status("live");
  await own.stop();
  await status("reconnecting");
  await page.getByText("reconnecting: connection lost").or(page.getByText(/^reconnecting: sse/)).waitFor();
  own = await startLobby(own.port);
  try {
    await status("live");
    assert.equal((await own.health()).connections, 1);
  } finally {
    await own.stop();
  }
});
