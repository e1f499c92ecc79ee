// The example with real sign-in: two people with one document, in browsers of their own. Pictures for
// whoever changes it go to target/pictures; the one of the README is a copy.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { after, before, test } from "node:test";
import { eventually, openTab, root, startBrowser, startExample } from "./lobby.mjs";

const folder = resolve(root, "target/pictures");

let browser;
let accounts;

before(async () => {
  [browser, accounts] = [await startBrowser(), await startExample("accounts", ["--port", "0"])];
  await mkdir(folder, { recursive: true });
});

after(async () => {
  await browser?.close();
  await accounts?.stop();
});

/** Somebody who is signed in, in a browser of their own. */
async function person(name, options = {}) {
  const page = await openTab(await browser.newContext(options), accounts.url);
  await signIn(page, name);
  return page;
}

async function signIn(page, name) {
  await page.getByRole("button", { name }).click();
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator(`body[data-me="${name}"]`).waitFor();
}

const faces = (page) => page.locator("#faces .person").evaluateAll((all) => all.map((one) => one.title).sort());
const titles = (page) => page.locator("#documents a").evaluateAll((all) => all.map((one) => one.firstChild.data));
const shows = (page, names) => eventually(`${names} have it open`, names, () => faces(page));

for (const colorScheme of ["light", "dark"]) {
  for (const [device, viewport] of [
    ["desktop", { width: 1100, height: 690 }],
    ["phone", { width: 390, height: 844 }],
  ]) {
    test(`two people with a document on a ${device}, ${colorScheme}`, async (context) => {
      const options = { colorScheme, viewport, deviceScaleFactor: 2 };
      const door = await openTab(await browser.newContext(options), accounts.url);
      await door.getByRole("button", { name: "Ada Lovelace" }).click();
      await door.screenshot({ path: `${folder}/accounts-door-${device}-${colorScheme}.png` });
      await signIn(door, "Ada Lovelace");
      const grace = await person("Grace Hopper");
      context.after(() => Promise.all([door, grace].map((page) => page.context().close())));
      await shows(door, ["Ada Lovelace", "Grace Hopper"]);
      const wide = await door.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= viewport.width, `nothing sticks out: ${wide}`);
      await door.mouse.move(0, 0);
      const path = `${folder}/accounts-${device}-${colorScheme}.png`;
      await door.screenshot({ path, animations: "disabled", fullPage: device === "phone" });
    });
  }
}

test("whoever is removed from a document sees it no more, and comes back when invited", async (context) => {
  const [ada, grace] = [await person("Ada Lovelace"), await person("Grace Hopper")];
  context.after(() => Promise.all([ada, grace].map((page) => page.context().close())));
  await shows(ada, ["Ada Lovelace", "Grace Hopper"]);
  const row = ada.locator("#members .person", { hasText: "Grace Hopper" });
  await row.getByRole("button", { name: "Remove" }).click();
  await shows(ada, ["Ada Lovelace"]);
  const rest = ["A manual for the compiler", "The trajectory, once more"];
  await eventually("one document less", rest, () => titles(grace));
  await row.getByRole("button", { name: "Invite" }).click();
  await eventually("it is back", ["Notes on the Engine", ...rest], () => titles(grace));
  await grace.locator("#documents a").first().click();
  await shows(ada, ["Ada Lovelace", "Grace Hopper"]);
  assert.deepEqual([...ada.errors, ...grace.errors], []);
});

test("a sign-out is one of this device or of all", async (context) => {
  const pages = [await person("Alan Turing"), await person("Alan Turing"), await person("Alan Turing")];
  const [phone, laptop, desk] = pages;
  const ada = await person("Ada Lovelace");
  context.after(() => Promise.all([...pages, ada].map((page) => page.context().close())));
  await shows(ada, ["Ada Lovelace", "Alan Turing"]);
  await phone.getByRole("button", { name: "Sign out here" }).click();
  await phone.locator("#door").waitFor();
  assert.equal(await laptop.locator("body").getAttribute("data-me"), "Alan Turing");
  await laptop.getByRole("button", { name: "Sign out everywhere" }).click();
  for (const page of [laptop, desk]) await page.locator("#door").waitFor();
  await shows(ada, ["Ada Lovelace"]);
  await signIn(desk, "Katherine Johnson");
  await desk.locator("#documents a").first().click();
  await shows(ada, ["Ada Lovelace", "Katherine Johnson"]);
  assert.deepEqual(pages.flatMap((page) => page.errors), []);
});
