// How the example looks, with people in it: pictures for whoever changes it to look at.
// They go to target/pictures; the README's is a copy of one of them.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { after, before, test } from "node:test";
import { enter, openTab, root, shows, signIn, startBrowser, startLobby } from "./lobby.mjs";

const PEOPLE = ["Ada Lovelace", "Grace Hopper", "Alan", "Katherine", "Linus", "Margaret"];
const folder = resolve(root, "target/pictures");

let browser;
let lobby;
let host;

async function say(page, room, text) {
  await page.locator(`article[data-room="${room}"] form[name="say"] input`).fill(text);
  await page.keyboard.press("Enter");
  await page.locator(`article[data-room="${room}"] .message p`, { hasText: text }).last().waitFor();
}

async function picture(page, name) {
  await page.mouse.move(0, 0);
  await page.screenshot({ path: `${folder}/${name}.png`, animations: "disabled" });
}

async function person(name, rooms, options) {
  const page = await openTab(await browser.newContext(options), lobby.url);
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
