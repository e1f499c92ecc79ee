// What a page does by itself: which hub it looks for, what it writes to the console, what it
// takes as settings. The hub says what a test has it say.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Browser, plain, until } from "./page.mjs";

const GROUP = "room:42";
const NO_PRESENCE = { code: "no_presence", message: "it has no presence" };

/** @type {Browser} */
let browser;

beforeEach(() => (browser = new Browser()));
afterEach(() => browser.close());

/** A hub that only does what it is told to. */
class Hub {
  /** What pages have said. @type {any[]} */
  heard = [];
  /** The names of the workers that were started. @type {string[]} */
  names = [];
  ports = [];

  constructor() {
    const hub = this;
    this.SharedWorker = class {
      constructor(url, { name }) {
        hub.names.push(name);
        this.port = hub.connect();
        hub.worker = this;
        hub.say({ t: "here" });
      }
    };
  }

  /** A page's end of a way to this hub. */
  connect() {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => {
      this.heard.push(data);
      if (data.t === "attach") this.say({ t: "ready", lock: "hub" });
    };
    this.ports.push(port1, port2);
    return port2;
  }

  say(message) {
    this.ports.at(-2).postMessage(message);
  }

  status(status, error = null, me = "7") {
    this.say({ t: "status", page: { status, error, me } });
  }

  room(room, members = null, rosterId = 1) {
    this.say({ t: "room", group: GROUP, room: { status: "live", error: null, ...room }, members, rosterId });
  }

  close() {
    for (const port of this.ports) port.close();
  }
}

/** A page with such a hub, which has attached. */
async function attached(t, options = {}) {
  const hub = new Hub();
  t.after(() => hub.close());
  // The hub's lock is held for as long as it lives.
  browser.locks.request("hub", () => new Promise(() => {}));
  const page = browser.open({ ...options, globals: { SharedWorker: hub.SharedWorker } });
  if (options.configure) page.realtime.configure(options.configure);
  const subscription = page.realtime.presence(GROUP);
  await until("the page", () => hub.heard.some(({ t }) => t === "want"));
  return { hub, page, subscription };
}

const said = (page, text) => page.logged.filter((line) => line.includes(text)).length;

test("what keeps a page from being live is in `error` and in the console once, while it lasts", async (t) => {
  const { hub, page, subscription } = await attached(t);
  const error = { code: "unreachable", message: "the server does not answer" };
  for (let i = 0; i < 3; i += 1) hub.status("connecting", { ...error });
  hub.status("reconnecting", { ...error });
  await until("the error", () => subscription.status === "reconnecting");
  assert.deepEqual(plain(subscription.error), error);
  assert.deepEqual(page.logged, ["umbral.realtime: the server does not answer (unreachable)"]);
  hub.status("reconnecting", { code: "full", message: "at most 100 connections" });
  hub.status("live");
  hub.room({});
  await until("live", () => subscription.status === "live");
  assert.equal(subscription.error, null);
  hub.status("reconnecting", error);
  await until("lost again", () => subscription.status === "reconnecting");
  assert.deepEqual([said(page, "(unreachable)"), said(page, "at most 100 connections (full)")], [2, 1]);
});

test("the refusal of a group is in the console once, with the group, and again when it is asked for again", async (t) => {
  const { hub, page, subscription } = await attached(t);
  hub.status("live");
  const error = { code: "denied", message: "you may not join" };
  hub.room({ status: "denied", error });
  hub.room({ status: "denied", error: { ...error } });
  await until("the refusal", () => subscription.status === "denied");
  hub.status("live");
  await until("all is told", () => said(page, "denied"));
  assert.deepEqual(page.logged, [`umbral.realtime: ${GROUP}: you may not join (denied)`]);
  page.realtime.presence(GROUP);
  hub.room({ status: "denied", error });
  await until("the second refusal", () => page.logged.length === 2);
});

test("a group without presence: one warning, an error, no sync, and nobody in it", async (t) => {
  const { hub, page, subscription } = await attached(t);
  let syncs = 0;
  subscription.on("sync", () => (syncs += 1));
  hub.status("live");
  hub.room({ error: NO_PRESENCE });
  hub.room({ error: NO_PRESENCE });
  await until("the error", () => subscription.error);
  const again = page.realtime.presence(GROUP);
  await until("the error of the second", () => again.error);
  assert.deepEqual([subscription.error.code, subscription.status, syncs], ["no_presence", "live", 0]);
  assert.deepEqual(plain(subscription.members), []);
  assert.equal(said(page, `${GROUP}: `), 1);
  assert.equal(said(page, "(no_presence)"), 1);
});

test("the application's events of a group without presence go on, and nothing is warned of", async (t) => {
  const { hub, page, subscription } = await attached(t);
  const got = [];
  page.realtime.subscribe(GROUP, (event) => got.push(event));
  subscription.unsubscribe();
  hub.status("live");
  hub.room({ error: NO_PRESENCE });
  hub.say({ t: "event", c: GROUP, e: "chat", d: 1 });
  await until("the event", () => got.length);
  assert.deepEqual([got, page.logged], [["chat"], []]);
  // Who asks who is there is told.
  const late = page.realtime.presence(GROUP);
  await until("the error", () => late.error);
  assert.equal(said(page, "(no_presence)"), 1);
});

test("a group that has lost its presence shows nobody, and everybody once it has it again", async (t) => {
  const { hub, subscription } = await attached(t);
  const events = [];
  for (const event of ["sync", "join", "leave"]) subscription.on(event, (value) => events.push([event, plain(value)]));
  hub.status("live");
  hub.room({}, [[1, { id: "a" }]], 1);
  hub.room({ error: NO_PRESENCE });
  await until("nobody", () => subscription.error && subscription.count === 0);
  hub.room({}, [[1, { id: "b" }]], 2);
  await until("somebody", () => subscription.count === 1);
  assert.equal(subscription.error, null);
  assert.deepEqual(events, [["sync", [{ id: "a" }]], ["sync", [{ id: "b" }]]]);
});

test("with `debug` the hub is asked for what it does, which is written as it comes; else it is not asked", async (t) => {
  const { mock } = t.mock.method(console, "debug", () => {});
  const { hub } = await attached(t, { configure: { debug: true } });
  assert.equal(hub.heard.find(({ t }) => t === "attach").debug, true);
  hub.say({ t: "log", text: "GET /realtime/sse 200" });
  await until("the line", () => mock.callCount() === 1);
  assert.deepEqual(mock.calls[0].arguments, ["umbral.realtime:", "GET /realtime/sse 200"]);
  await browser.close();
  browser = new Browser();
  const { hub: other } = await attached(t, { configure: { debug: false } });
  assert.ok(!other.heard.find(({ t }) => t === "attach").debug);
});

/** A page that cannot use a worker; gives what it asks the leader's script for. */
async function joins(globals, base) {
  const asked = [];
  const channels = [];
  const imports = async (address) => {
    asked.push(address);
    return {
      join: async (...args) => {
        asked.push(args);
        const { port1, port2 } = new MessageChannel();
        channels.push(port1, port2);
        browser.hub.serve(port1);
        return port2;
      },
    };
  };
  const page = browser.open({ imports, globals });
  if (base) page.realtime.configure({ base });
  page.realtime.presence(GROUP);
  const [script, args] = await until("the leader", () => asked.length > 1 && asked);
  await until("the stream", () => browser.server.streams.length);
  for (const channel of channels) channel.close();
  return { page, script, base: args[0], url: args[1], name: args[2], locks: args[3] };
}

class Unused {
  constructor() {
    throw new Error("is not to be used");
  }
}

for (const [what, locks] of [
  ["reject", { request: () => Promise.reject(new DOMException("denied", "SecurityError")) }],
  ["throw", { request: () => { throw new DOMException("denied", "SecurityError"); } }],
  ["are not there", undefined],
]) {
  test(`locks that ${what} are handed on to nobody, and no worker is started`, async () => {
    const { locks: used } = await joins({ navigator: { locks }, SharedWorker: Unused });
    assert.equal(used, null);
  });
}

test("a tab that finds another one leading follows it, though there may be a worker", async () => {
  const led = { request: async (name, options, hold) => (options.ifAvailable ? hold(null) : browser.locks.request(name, options, hold)) };
  const { locks } = await joins({ navigator: { locks: led }, SharedWorker: Unused });
  assert.equal(locks, led);
});

test("the names that tabs share have the base in them, and the version of the scripts", async (t) => {
  const names = [];
  const locks = { request: (name, ...rest) => (names.push(name), browser.locks.request(name, ...rest)) };
  const hub = new Hub();
  t.after(() => hub.close());
  browser.locks.request("hub", () => new Promise(() => {}));
  const page = browser.open({ globals: { navigator: { locks }, SharedWorker: hub.SharedWorker } });
  page.realtime.configure({ base: "/other" });
  page.realtime.presence(GROUP);
  await until("the page", () => hub.heard.length);
  const { name } = await joins({ SharedWorker: undefined }, "/other");
  // A tab's own lock is named by chance.
  const shared = [...names.filter((name) => !/^hub$|-tab/.test(name)), ...hub.names, name];
  assert.equal(shared.length, 3);
  for (const each of shared) assert.match(each, /http:\/\/page\.test\/other\//);
  for (const each of [...hub.names, name]) assert.match(each, /0123456789abcdef/);
});

test("a page that is prerendered asks for nothing until somebody looks at it", async () => {
  const page = browser.open({ prerendering: true });
  const subscription = page.realtime.presence(GROUP);
  page.realtime.reconnect();
  for (let i = 0; i < 20; i += 1) await new Promise(setImmediate);
  assert.deepEqual([browser.hub.tabs.size, browser.server.streams.length], [0, 0]);
  assert.throws(() => page.realtime.configure({}), /comes first/);
  page.document.isPrerendered = false;
  page.document.dispatchEvent(new Event("prerenderingchange"));
  await until("the stream", () => browser.server.streams.length);
  assert.equal(subscription.status, "connecting");
});

test("scripts that cannot be loaded are an error while it lasts, and are asked for at a falling pace", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const asked = [];
  const imports = async (address) => {
    asked.push(address);
    throw new TypeError(`cannot load ${address}`);
  };
  const page = browser.open({ worker: false, imports });
  const { error, status } = page.realtime.presence(GROUP);
  assert.deepEqual([error, status], [null, "connecting"]);
  const turn = async () => {
    for (let i = 0; i < 20; i += 1) await new Promise(setImmediate);
  };
  await turn();
  assert.equal(page.realtime.presence(GROUP).error.code, "script");
  for (let second = 0; second < 60; second += 1) {
    t.mock.timers.tick(1000);
    await turn();
  }
  assert.ok(asked.length >= 5 && asked.length <= 12, `${asked.length} in the first minute`);
  const first = asked.length;
  for (let second = 0; second < 60; second += 1) {
    t.mock.timers.tick(1000);
    await turn();
  }
  assert.ok(asked.length - first < first, `${asked.length - first} in the second`);
  assert.equal(new Set(asked).size, asked.length);
});

test("a hub that dies as soon as it is there is looked for at a falling pace", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const hub = new Hub();
  t.after(() => hub.close());
  browser.open({ globals: { SharedWorker: hub.SharedWorker } }).realtime.presence(GROUP);
  const turn = () => new Promise((done) => setImmediate(() => setImmediate(done)));
  for (let i = 0; i < 500 && !hub.heard.length; i += 1) await turn();
  for (let second = 0; second < 60; second += 1) {
    for (let i = 0; i < 5; i += 1) await turn();
    t.mock.timers.tick(1000);
  }
  assert.ok(hub.names.length >= 5 && hub.names.length <= 12, `${hub.names.length} in the first minute`);
});

test("messages wait for a hub, a hundred of them, and are not sent as another user's", async () => {
  const page = browser.open({ prerendering: true });
  page.realtime.configure({ transport: "ws" });
  page.realtime.presence(GROUP);
  for (let i = 0; i < 150; i += 1) page.realtime.send(GROUP, "chat", i);
  assert.equal(said(page, "not sent"), 50);
  const sent = [];
  const { receive } = browser.hub;
  browser.hub.receive = (port, message) => {
    if (message.t === "send") sent.push(JSON.parse(message.text).data);
    else receive.call(browser.hub, port, message);
  };
  page.realtime.reconnect();
  page.realtime.send(GROUP, "chat", "mine");
  page.document.dispatchEvent(new Event("prerenderingchange"));
  await until("the message", () => sent.length);
  assert.deepEqual(sent, ["mine"]);
});

test("settings that are not known, and a base that cannot be one, are errors that name them", () => {
  const { realtime } = browser.open();
  assert.throws(() => realtime.configure({ bass: "/realtime", transprot: "ws" }), /bass,transprot/);
  for (const [base, named] of [
    ["/realtime?v=1", "/realtime?v=1"],
    ["/realtime#there", "/realtime#there"],
    ["http://user:word@page.test/realtime", "not http://page.test/realtime"],
    ["ftp://page.test/realtime", "ftp://page.test/realtime"],
    ["", "not "],
  ]) {
    assert.throws(() => realtime.configure({ base }), (error) => {
      assert.equal(error.name, "TypeError");
      assert.ok(error.message.includes(named) && !error.message.includes("word@"), error.message);
      return true;
    });
  }
  assert.throws(() => realtime.configure({ base: "http://" }), /TypeError|URL/);
  for (const base of ["/realtime", "/realtime/", "http://page.test/realtime", "/@app/realtime", undefined]) realtime.configure({ base });
});

test("user and password of whoever looks at the page are no part of the base", async () => {
  for (const [from, options] of [["http://user:word@page.test/", { base: "/realtime" }], ["http://page.test/", {}]]) {
    const script = { src: "http://user:word@page.test/realtime/client.js" };
    const page = browser.open({ script, worker: false, globals: { location: new URL(from) }, imports: async (address) => {
      asked.push(address);
      throw new Error("enough");
    } });
    const asked = [];
    page.realtime.configure(options);
    page.realtime.presence(GROUP);
    assert.match(await until("the script", () => asked[0]), /^http:\/\/page\.test\/realtime\/leader\.js/);
    page.events.dispatchEvent(new Event("pagehide"));
  }
});
