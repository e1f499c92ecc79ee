// Two lobbies with one Redis server between them are one house.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import {
  enter,
  eventually,
  openTab,
  record,
  recorded,
  say,
  shows,
  signIn,
  startBrowser,
  startLobby,
} from "./lobby.mjs";
import { startProxy } from "./proxy.mjs";
import { startRedis } from "./redis.mjs";

const LOBBY = "public:lobby";

let browser;
let redis;
let one;
let two;
const contexts = [];

/** A browser of somebody's own. Its cookies are for both nodes, since cookies have no port. */
async function profile(options = {}) {
  const context = await browser.newContext(options);
  contexts.push(context);
  return context;
}

/** Somebody with a page of this node, signed in and in the garden. */
async function person(node, name) {
  const page = await openTab(await profile(), node.url);
  await signIn(page, name);
  await enter(page, "garden");
  return page;
}

const degraded = async (node) => (await node.health()).degraded;

before(async () => {
  [browser, redis] = [await startBrowser(), await startRedis()];
  [one, two] = [await startLobby(0, redis), await startLobby(0, redis)];
  for (const node of [one, two]) await eventually("the store is reached", null, () => degraded(node));
});

afterEach(async () => {
  await Promise.all(contexts.splice(0).map((context) => context.close()));
  for (const node of [one, two]) {
    await eventually("nobody is left", 0, async () => (await node.health()).groups);
  }
});

after(async () => {
  await browser?.close();
  await one?.stop();
  await two?.stop();
  await redis?.stop();
});

test("people on two nodes see each other by name, and hear what is said", async () => {
  const [ada, ben] = [await person(one, "Ada"), await person(two, "Ben")];
  for (const page of [ada, ben]) {
    for (const room of ["lobby", "garden"]) await shows(page, room, ["Ada", "Ben"]);
  }
  await say(ada, "garden", "Good morning from here.");
  await say(ben, "garden", "And from over there.");
  for (const page of [ada, ben]) {
    const said = page.locator('article[data-room="garden"] .message p');
    const expected = ["Good morning from here.", "And from over there."];
    await eventually("both are heard", expected, () => said.allTextContents());
  }
  await ada.locator('article[data-room="garden"] .leave').click();
  await shows(ben, "garden", ["Ben"]);
  assert.deepEqual([ada.errors, ben.errors], [[], []]);
});

test("a room that is made on one node is on the other, and may be entered there", async () => {
  const [ada, ben] = [await person(one, "Ada"), await person(two, "Ben")];
  await ada.getByLabel("New room").fill("Attic");
  await ada.getByRole("button", { name: "Create" }).click();
  await ada.locator('article[data-room="attic"][data-status="live"]').waitFor();
  await enter(ben, "attic");
  for (const page of [ada, ben]) await shows(page, "attic", ["Ada", "Ben"]);
  await ben.getByLabel("New room").fill("attic");
  await ben.getByRole("button", { name: "Create" }).click();
  await ben.getByText("There is a room of that name.").waitFor();
});

test("who has signed in on one node is known on the other, is one member, and has the same keys", async () => {
  const watcher = await openTab(await profile(), two.url);
  const ada = await person(one, "Ada");
  await ada.locator('[data-enter="staff"]').click();
  await ada.locator('article[data-room="staff"] form[name="key"] input').fill("sesame");
  await ada.getByRole("button", { name: "Unlock" }).click();
  await ada.locator('article[data-room="staff"][data-status="live"]').waitFor();
  await shows(watcher, "lobby", ["Ada"]);
  await record(watcher, LOBBY);

  const other = await openTab(ada.context(), two.url);
  await other.locator('body[data-me="Ada"]').waitFor();
  for (const room of ["garden", "staff"]) await enter(other, room);
  for (const room of ["lobby", "garden", "staff"]) await shows(other, room, ["Ada"]);
  // Her page of the first node goes, and others see nothing of it: Ben, who goes after her from the
  // same node, is seen to leave, and she is not.
  const ben = await person(one, "Ben");
  await shows(watcher, "lobby", ["Ada", "Ben"]);
  await ada.close();
  await ben.close();
  await shows(watcher, "lobby", ["Ada"]);
  const expected = [["sync", 1], ["join", "Ben"], ["leave", "Ben"]];
  assert.deepEqual(await recorded(watcher, LOBBY), expected);
});

test("signing out on one node signs out on the other", async () => {
  const watcher = await openTab(await profile(), two.url);
  const ada = await person(one, "Ada");
  const other = await openTab(ada.context(), two.url);
  await other.locator('body[data-me="Ada"]').waitFor();
  await other.getByRole("button", { name: "Sign out" }).click();
  await ada.locator('body[data-me=""]').waitFor();
  for (const page of [watcher, ada, other]) await shows(page, "lobby", []);
});

test("while Redis is away everybody stays, and afterwards everything goes on", async () => {
  const [ada, ben] = [await person(one, "Ada"), await person(two, "Ben")];
  for (const page of [ada, ben]) {
    await shows(page, "lobby", ["Ada", "Ben"]);
    await record(page, LOBBY);
  }
  const before = Math.floor(Date.now() / 1000);
  await redis.kill();
  for (const node of [one, two]) {
    await eventually("it is alone", true, async () => (await degraded(node)) !== null);
    const { since, why } = await degraded(node);
    assert.ok(since >= before && why.length > 0, `${since} ${why}`);
  }
  // A new tab waits until it is known whose it is.
  const second = await openTab(ada.context(), one.url);
  await redis.start();
  await second.locator('body[data-me="Ada"]').waitFor();
  for (const node of [one, two]) await eventually("they are together", null, () => degraded(node));
  for (const page of [ada, second, ben]) await shows(page, "lobby", ["Ada", "Ben"]);
  await say(ada, "garden", "Is anybody still there?");
  await ben.locator(".message p", { hasText: "Is anybody still there?" }).waitFor();
  for (const page of [ada, ben]) assert.deepEqual(await recorded(page, LOBBY), [["sync", 2]]);
});

test("behind a balancer without stickiness a tab changes its rooms a hundred times on one stream", async () => {
  const balancer = await startProxy(one.url);
  const targets = [one, two].map((node) => new URL(node.url));
  const calls = new Set();
  let turn = 0;
  balancer.server.prependListener("request", (request) => {
    turn += 1;
    balancer.target = targets[turn % 2];
    if (request.url.endsWith("/control")) calls.add(turn % 2);
  });
  try {
    const page = await openTab(await profile(), balancer.url);
    await signIn(page, "Ada");
    const watcher = await person(two, "Ben");
    // From here on the page has the stream that she has as Ada.
    await shows(page, "lobby", ["Ada", "Ben"]);
    const before = balancer.opens.length;
    await page.evaluate(async () => {
      const rooms = ["room:garden", "room:kitchen", "room:library"];
      for (let i = 0; i < 100; i += 1) {
        const room = umbral.realtime.presence(rooms[i % 3], {});
        await new Promise((resolve) => room.on("sync", resolve));
        if (i < 99) room.unsubscribe();
      }
    });
    await shows(watcher, "garden", ["Ada", "Ben"]);
    assert.equal(balancer.opens.length, before, "the stream is never opened again");
    assert.deepEqual([...calls].sort(), [0, 1], "calls came to both nodes");
    assert.deepEqual(page.errors, []);
  } finally {
    await balancer.stop();
  }
});
