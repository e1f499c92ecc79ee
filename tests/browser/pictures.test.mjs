// How the example looks, with people in it: pictures for whoever changes it to look at.
// They go to target/pictures; those of the README are copies.

import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { after, before, test } from "node:test";
import { enter, openTab, root, say, shows, signIn, startBrowser, startLobby } from "./lobby.mjs";
import { freePort, startRedis } from "./redis.mjs";

const PEOPLE = ["Ada Lovelace", "Grace Hopper", "Alan", "Katherine", "Linus", "Margaret"];
const folder = resolve(root, "target/pictures");

let browser;
let lobby;
let host;

async function picture(page, name) {
  await page.mouse.move(0, 0);
  await page.screenshot({ path: `${folder}/${name}.png`, animations: "disabled" });
}

async function person(name, rooms, options, node = lobby) {
  const page = await openTab(await browser.newContext(options), node.url);
  await signIn(page, name);
  for (const room of rooms) await enter(page, room);
  return page;
}

before(async () => {
  [browser, lobby] = [await startBrowser(), await startLobby()];
  await mkdir(folder, { recursive: true });
  const pages = [];
  for (const [i, name] of PEOPLE.entries()) {
    pages.push(await person(name, i === 5 ? [] : i % 2 ? ["garden"] : ["garden", "library"]));
  }
  host = pages[0];
});

after(async () => {
  await browser?.close();
  await lobby?.stop();
});

for (const colorScheme of ["light", "dark"]) {
  for (const [device, viewport] of [
    ["desktop", { width: 1200, height: 760 }],
    ["phone", { width: 390, height: 844 }],
  ]) {
    test(`the lobby on a ${device}, ${colorScheme}`, async (context) => {
      const options = { colorScheme, viewport, deviceScaleFactor: 2 };
      const page = await person("Tim", ["garden", "library"], options);
      context.after(() => page.context().close());
      await shows(page, "lobby", [...PEOPLE, "Tim"].sort());
      await say(host, "garden", "Has anybody seen the analytical engine?");
      await say(page, "garden", "It was in the library a minute ago.");
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= viewport.width, `nothing sticks out: ${wide}`);
      await page.evaluate(() => scrollTo(0, 0));
      await picture(page, `lobby-${device}-${colorScheme}`);
    });
  }
}

test("the lobby before a name is chosen", async () => {
  const options = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 };
  const page = await openTab(await browser.newContext(options), lobby.url);
  await shows(page, "lobby", [...PEOPLE].sort());
  await picture(page, "lobby-visitor");
});

/** A picture of windows side by side, each with its address. */
async function windows(pages, name) {
  const figures = pages.map(async (page, i) => {
    await picture(page, `${name}-${i + 1}`);
    const data = await readFile(`${folder}/${name}-${i + 1}.png`, "base64");
    return `<figure><figcaption>${new URL(page.url()).host}</figcaption>
      <img width="${page.viewportSize().width}" src="data:image/png;base64,${data}"></figure>`;
  });
  const desk = await browser.newPage({ viewport: { width: 1, height: 1 }, deviceScaleFactor: 2 });
  await desk.setContent(`<style>
    body { display: inline-flex; gap: 24px; margin: 0; padding: 24px; background: #e3e0f4; }
    figure { margin: 0; border-radius: 12px; overflow: hidden; background: #fff;
      box-shadow: 0 0 0 1px #cfcae6, 0 8px 24px #4a3f8a33; }
    figcaption { padding: 9px 16px; font: 500 15px system-ui, sans-serif; color: #4b4763;
      border-bottom: 1px solid #dedbec; }
    img { display: block; }
  </style>${(await Promise.all(figures)).join("")}`);
  await desk.locator("body").screenshot({ path: `${folder}/${name}.png` });
}

test("two lobbies with one Redis server between them", async (context) => {
  const redis = await startRedis();
  context.after(() => redis.stop());
  const nodes = [];
  for (const port of [3001, 3002]) nodes.push(await startLobby(await freePort(port), redis));
  context.after(() => Promise.all(nodes.map((node) => node.stop())));

  // Each node lists people as it has heard of them. It hears of all if somebody is there from the
  // beginning, and then both lists have the same order.
  const tim = await person("Tim", ["garden"], {}, nodes[1]);
  const options = { viewport: { width: 800, height: 720 }, deviceScaleFactor: 2 };
  const [ada, grace] = [
    await person("Ada Lovelace", ["garden"], options, nodes[0]),
    await person("Grace Hopper", ["garden"], options, nodes[1]),
  ];
  for (const [i, name] of ["Alan", "Katherine", "Linus"].entries()) {
    await person(name, ["garden"], {}, nodes[i % 2]);
  }
  await tim.context().close();
  await say(ada, "garden", "Which node are you on?");
  await grace.locator(".message p", { hasText: "Which node" }).waitFor();
  await say(grace, "garden", "The second one. And you?");
  await ada.locator(".message p", { hasText: "The second one" }).waitFor();
  await say(ada, "garden", "The first. It is the same garden.");
  await grace.locator(".message p", { hasText: "The first" }).waitFor();
  for (const page of [ada, grace]) {
    await shows(page, "garden", ["Ada Lovelace", "Alan", "Grace Hopper", "Katherine", "Linus"]);
    // What has come and gone fades after a while.
    await page.locator(".note").first().waitFor({ state: "detached" });
    await page.evaluate(() => scrollTo(0, 0));
  }
  await windows([ada, grace], "two-nodes");
});
