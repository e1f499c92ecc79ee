// The example, started for a test, and people who use it in browsers of their own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { startChromium } from "./browsers.mjs";
import { DEADLINE, eventually } from "./server.mjs";

export { eventually, startChromium as startBrowser };

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Starts the lobby on a port (0: any that is free), alone or as a node with a Redis server; gives
 * its address and what stops it. */
export function startLobby(port = 0, redis = null) {
  return startExample("lobby", redis ? ["--port", String(port), "--redis", redis.url] : [String(port)]);
}

/** Starts an example, whose first line is its address. */
export async function startExample(name, words) {
  const target = process.env.CARGO_TARGET_DIR ?? `${root}target`;
  const child = spawn(`${target}/debug/${name}`, words, { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  const [url] = await once(lines, "line");
  return {
    url,
    port: Number(new URL(url).port),
    health: async () => (await fetch(`${url}/health`)).json(),
    async stop() {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

/** A tab with the lobby open. What happens in its rooms is recorded from the start. */
export async function openTab(context, url) {
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(url);
  return Object.assign(page, { errors });
}

/** Chooses a name on the page. */
export async function signIn(page, name) {
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Appear" }).click();
  await page.locator(`body[data-me="${name}"]`).waitFor({ timeout: DEADLINE });
}

/** Goes into a room and waits until it is live. */
export async function enter(page, room) {
  await page.locator(`[data-enter="${room}"]`).click();
  await page.locator(`article[data-room="${room}"][data-status="live"]`).waitFor({ timeout: DEADLINE });
}

/** Says something in a room and waits until the page has heard it. */
export async function say(page, room, text) {
  await page.locator(`article[data-room="${room}"] form[name="say"] input`).fill(text);
  await page.keyboard.press("Enter");
  await page.locator(`article[data-room="${room}"] .message p`, { hasText: text }).last().waitFor();
}

/** The names that a page shows in a room, sorted. */
export function namesIn(page, room) {
  const people = page.locator(`[data-room="${room}"] .people [data-member]`);
  return people.evaluateAll((items) => items.map((item) => item.dataset.member).sort());
}

/** Waits until a page shows exactly these names in a room. */
export async function shows(page, room, names) {
  await eventually(`${names} in ${room}`, names, () => namesIn(page, room));
}

/** Records every join and leave that a page gets for a group, from now on. */
export async function record(page, group) {
  await page.evaluate((group) => {
    const events = [];
    const subscription = window.umbral.realtime.presence(group, {
      sync: (members) => events.push(["sync", members.length]),
      join: (member) => events.push(["join", member.name]),
      leave: (member) => events.push(["leave", member.name]),
    });
    (window.recorded ??= {})[group] = { events, subscription };
  }, group);
  await eventually("the first sync", true, async () => (await recorded(page, group)).length > 0);
}

/** What has been recorded. */
export function recorded(page, group) {
  return page.evaluate((group) => window.recorded[group].events, group);
}
