// The browsers, behind one small surface: a profile has cookies and a worker of its own, a
// tab is a page of the tests.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import puppeteer from "puppeteer-core";
import { chromium } from "playwright-core";
import { DEADLINE, changes, until } from "./server.mjs";

/** A name that leads here and is not taken for secure, unlike 127.0.0.1. */
export const INSECURE = "insecure.test";

/** What Chromium is to leave out: the popups of the address bar, pages of its own that take half of the
 * processor in each window though nobody types an address. The option counts once, so the rest is what
 * Playwright leaves out. */
const SWITCHED_OFF = [
  "WebUIOmniboxPopup",
  "WebUIOmniboxAimPopup",
  "WebUIOmniboxFullPopup",
  "AimEnabled",
  "AvoidCorsURLLoaderRestartOnRedirect",
  "AvoidUnnecessaryBeforeUnloadCheckSync",
  "DestroyProfileOnBrowserClose",
  "HttpsFirstBalancedModeAutoEnable",
  "HttpsUpgrades",
  "LensOverlay",
  "MediaRouter",
  "NetworkTimeServiceQuerying",
  "OptimizationHints",
  "PaintHolding",
  "PreconnectToSearch",
  "ThirdPartyStoragePartitioning",
];

/** Starts a browser by its name. */
export async function startBrowser(name) {
  return name === "firefox" ? new Firefox(await startFirefox()) : new Chromium(await startChromium());
}

/** Starts a Chromium with a profile of its own. */
export function startChromium() {
  return chromium.launch(chromiumOptions());
}

/** Starts a Chromium whose one profile is kept in a folder; gives its context. */
export function startPersistent(folder) {
  return chromium.launchPersistentContext(folder, chromiumOptions());
}

/** Starts a Chromium at an address with nobody who drives it, since those who drive a browser
 * switch off what they do not expect, such as prerendering; gives what ends it. */
export async function startUndriven(folder, url) {
  const { executablePath, args } = chromiumOptions();
  const browser = spawn(executablePath, [...args, "--headless", `--user-data-dir=${folder}`, url], { stdio: "ignore" });
  return async () => {
    browser.kill();
    await once(browser, "exit");
  };
}

function chromiumOptions() {
  return {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    // Playwright switches the back/forward cache off.
    ignoreDefaultArgs: ["--disable-back-forward-cache"],
    args: [
      "--no-sandbox",
      // Nobody has signed those of the tests, and an option of a page is none of its worker.
      "--ignore-certificate-errors",
      "--disable-gpu",
      // Nobody looks at most pages: to draw them takes a sixth of the processor.
      "--disable-software-rasterizer",
      `--disable-features=${SWITCHED_OFF.join()}`,
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      `--host-resolver-rules=MAP ${INSECURE} 127.0.0.1`,
    ],
  };
}

/** Starts a Firefox with these preferences. */
export function startFirefox(extraPrefsFirefox = {}) {
  return puppeteer.launch({
    browser: "firefox",
    protocol: "webDriverBiDi",
    executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
    headless: true,
    acceptInsecureCerts: true,
    extraPrefsFirefox,
  });
}

class Chromium {
  name = "chromium";

  constructor(browser) {
    this.browser = browser;
  }

  async profile() {
    return new Profile(await this.browser.newContext(), {
      sign: (context, cookie) => context.addCookies([cookie]),
      prepare: (page, script) => page.addInitScript(script),
    });
  }

  close() {
    return this.browser.close();
  }
}

class Firefox {
  name = "firefox";

  constructor(browser) {
    this.browser = browser;
  }

  async profile() {
    return new Profile(await this.browser.createBrowserContext(), {
      sign: (context, { url, ...cookie }) =>
        context.setCookie({ ...cookie, domain: new URL(url).hostname, path: "/" }),
      prepare: (page, script) => page.evaluateOnNewDocument(script),
    });
  }

  close() {
    return this.browser.close();
  }
}

export class Profile {
  #drive;

  constructor(context, drive) {
    this.context = context;
    this.#drive = drive;
  }

  /** Whoever is signed in before is so no more; an empty name is nobody. */
  async signIn(user, url) {
    await this.#drive.sign(this.context, { name: "user", value: user, url });
  }

  /** Opens an address in a new tab, in which `script` runs before anything else. */
  async tab(url, script) {
    const page = await this.context.newPage();
    const tab = new Tab(page);
    if (script) await this.#drive.prepare(page, script);
    await tab.goto(url);
    return tab;
  }

  close() {
    return this.context.close();
  }
}

class Tab {
  constructor(page) {
    /** Playwright's or Puppeteer's. */
    this.page = page;
    /** Whether it shows no page of the tests any more. */
    this.gone = false;
  }

  goto(url) {
    return this.page.goto(url, { timeout: DEADLINE });
  }

  reload() {
    return this.page.reload({ timeout: DEADLINE });
  }

  close() {
    return this.page.close();
  }

  /** Ends the tab's process, and whatever else runs in it (Chromium only); gives when. */
  async crash() {
    const crashed = this.page.waitForEvent("crash");
    const session = await this.page.context().newCDPSession(this.page);
    // No answer comes from a process that has ended.
    session.send("Page.crash").catch(() => {});
    await crashed;
    this.gone = true;
    return Date.now();
  }

  /** Follows a link to a page that has nothing to do with this. */
  async goElsewhere() {
    await this.evaluate(() => void setTimeout(() => (location.href = "/elsewhere")));
    await this.page.waitForURL("**/elsewhere");
    this.gone = true;
  }

  /** Goes back to the page, which must have been in the back/forward cache. */
  async goBack() {
    await this.evaluate(() => void setTimeout(() => history.back()));
    await until("the page is restored", () =>
      // While it comes back there is nothing to ask.
      this.evaluate(() => window.happened?.includes("restored")).catch(() => false));
    this.gone = false;
  }

  evaluate(body, argument) {
    return this.page.evaluate(body, argument);
  }

  enter(group, as = group) {
    return this.evaluate(([group, as]) => window.enter(group, as), [group, as]);
  }

  leave(as) {
    return this.evaluate((as) => window.open[as].unsubscribe(), as);
  }

  /** All that has come for a group, with the times. */
  seen(as) {
    return this.evaluate((as) => window.seen[as], as);
  }

  /** Who has come and gone, the snapshots included. */
  async events(as) {
    return changes(await this.seen(as));
  }

  /** What the subscription says. */
  state(as) {
    return this.evaluate((as) => {
      const { members, count, me, status } = window.open[as].presence;
      return { members: members.map(({ id }) => id).sort(), count, me, status };
    }, as);
  }

  async status(as) {
    return (await this.state(as)).status;
  }

  /** Waits for the first snapshot; gives its time. */
  async synced(as) {
    return this.when(as, "sync");
  }

  /** Waits until something has come, at or after a time; gives its time. */
  async when(as, what, id, since = 0) {
    const found = async () =>
      (await this.seen(as)).find(
        ([event, value, at]) => event === what && (id === undefined || value === id) && at >= since,
      );
    return (await until(`${what} ${id ?? ""} in ${as}`, found))[2];
  }

  /** Waits until a message that is sent now arrives; gives its time. */
  async hears(server, group) {
    const word = `word-${Math.random()}`;
    const sent = setInterval(() => server.send({ group }, word).catch(() => {}), 50);
    try {
      await server.send({ group }, word);
      return await this.when(group, word);
    } finally {
      clearInterval(sent);
    }
  }

  /** What has happened to the page, which is no error. */
  async isWell() {
    const happened = await this.evaluate(() => window.happened);
    assert.deepEqual(happened.filter((each) => each !== "loaded" && each !== "restored"), []);
  }
}
