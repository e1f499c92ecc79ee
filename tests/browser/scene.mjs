// A scenario: a test with a server, a proxy before it, and people with browsers of their own.

import { after, test } from "node:test";
import { startBrowser } from "./browsers.mjs";
import { startProxy } from "./proxy.mjs";
import { Person, eventually, graceEnds, startServer } from "./server.mjs";

/** @type {Map<string, Awaited<ReturnType<typeof startBrowser>>>} */
const browsers = new Map();

after(async () => {
  for (const browser of browsers.values()) await browser.close();
});

/** The browsers that a scenario is shown in. */
export const BOTH = ["chromium", "firefox"];
export const CHROMIUM = ["chromium"];

/** Only browsers in this list take part, where `BROWSERS` is set. */
const chosen = process.env.BROWSERS?.split(",") ?? BOTH;

/** Something came later than it has to. */
class TooLate extends Error {}

/** Something has to come within a time, in milliseconds, and took so long. The machine may have had
 * other things to do, so the scenario is played up to three times, of which one counts. */
export function within(most, took, what) {
  if (took >= most) throw new TooLate(`${what} took ${took.toFixed(0)} ms of ${most}`);
}

/** Plays a scenario in each of these browsers. `options` are the proxy's. */
export function scenario(name, where, play, options = {}) {
  for (const browser of where.filter((each) => chosen.includes(each))) {
    test(`${name} (${browser})`, async () => {
      if (!browsers.has(browser)) browsers.set(browser, await startBrowser(browser));
      for (let left = 2; ; left -= 1) {
        try {
          return await playOnce(browsers.get(browser), play, options);
        } catch (error) {
          if (!(error instanceof TooLate) || left === 0) throw error;
        }
      }
    });
  }
}

async function playOnce(browser, play, options) {
  const server = await startServer();
  const scene = new Scene(browser, server, await startProxy(server.url, options));
  try {
    await play(scene);
    for (const tab of scene.tabs) if (!tab.gone && !tab.page.isClosed()) await tab.isWell();
  } finally {
    await scene.end();
  }
}

export class Scene {
  tabs = [];
  #profiles = [];
  #people = [];

  constructor(browser, server, proxy) {
    this.browser = browser;
    this.server = server;
    this.proxy = proxy;
  }

  /** A browser of somebody's own; nobody's without a name. */
  async profile(user = "") {
    const profile = await this.browser.profile();
    this.#profiles.push(profile);
    await profile.signIn(user, this.proxy.url);
    return profile;
  }

  /** The address of a page that enters rooms. */
  address(rooms, options = {}) {
    const query = new URLSearchParams([...rooms.map((room) => ["room", room]), ...Object.entries(options)]);
    return `${this.proxy.url}/page?${query}`;
  }

  /** A tab that enters rooms. */
  async tab(profile, rooms, { script, ...options } = {}) {
    const tab = await profile.tab(this.address(rooms, options), script);
    this.tabs.push(tab);
    return tab;
  }

  /** The same, once it has the rosters. */
  async syncedTab(profile, rooms, options) {
    const tab = await this.tab(profile, rooms, options);
    for (const room of rooms) await tab.synced(room);
    return tab;
  }

  /** Somebody in a group who sees what others see; anonymous without a name. */
  async person(group, user) {
    const person = await Person.enter(this.server, group, user);
    this.#people.push(person);
    return person;
  }

  graceEnds(watcher, group) {
    return graceEnds(this.server, watcher, group);
  }

  /** Waits until so many streams of browsers are open, at the proxy and at the server. */
  async streams(count) {
    await eventually(`${count} streams`, count, () => this.proxy.streams);
    const people = this.#people.filter((person) => !person.gone).length;
    await eventually(`${count} connections`, count + people, async () => (await this.server.health()).connections);
  }

  /** The server is killed; `start` has another one in its place. */
  async stopServer() {
    const { port } = this.server;
    await this.server.stop();
    return { start: async () => (this.server = await startServer(port)) };
  }

  /** Ends everything; a browser that is closed leaves no connection. */
  async end() {
    try {
      for (const profile of this.#profiles) await profile.close();
      for (const person of this.#people) person.vanish();
      await eventually("no stream is left", 0, () => this.proxy.streams);
    } finally {
      await this.proxy.stop();
      await this.server.stop();
    }
  }
}
