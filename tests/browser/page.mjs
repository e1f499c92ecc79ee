// Pages without a browser: client.js as it is served, a hub, and a server that does what a
// test says.

import { readFile } from "node:fs/promises";
import { createContext, runInContext } from "node:vm";
import { createHub } from "../../umbral-presence/client/worker.js";

// `import` works in modules only here; a test says what it gives.
const SOURCE = (await readFile(new URL("../../umbral-presence/client/client.js", import.meta.url), "utf8")) //
  .replaceAll("import(", "load(")
  .replace('"0.1.0"', '"0123456789abcdef"');
const ORIGIN = "http://page.test";
const SCRIPT = { src: `${ORIGIN}/realtime/client.js` };

/** Web Locks, as far as the client uses them. */
class Locks {
  held = new Map();

  async request(name, ...[options, hold = options]) {
    const before = this.held.get(name) ?? Promise.resolve();
    const mine = before.then(() => hold({ name }));
    if (options.mode !== "shared") this.held.set(name, mine.catch(() => {}));
    return mine;
  }
}

/** The server: keeps what it was asked, and answers what it is told to. */
export class Server {
  /** @type {{url: URL, write: (frame: object) => void, raw: (bytes: Uint8Array) => void, end: () => void, open: boolean}[]} */
  streams = [];
  /** @type {{conn: string, n: number, groups: string[], sync: string[]}[]} */
  calls = [];
  /** Answers of the next calls; those after are answered with 200. @type {Response[]} */
  answers = [];
  /** Says which of these groups are denied. */
  denied = (/** @type {string[]} */ _groups) => [];
  /** So many groups a connection may have. */
  limit = Infinity;
  /** Nobody is reached. */
  down = false;
  #groups = new Set();

  #full() {
    const error = { code: "too_many_groups", message: `at most ${this.limit}`, limit: this.limit };
    return Response.json({ error }, { status: 400 });
  }

  fetch = async (/** @type {string} */ address, /** @type {any} */ options = {}) => {
    const url = new URL(address);
    if (this.down) throw new TypeError("Failed to fetch");
    if (url.pathname.endsWith("/control")) {
      const call = JSON.parse(options.body);
      this.calls.push(call);
      const answer = this.answers.shift();
      if (answer) return answer;
      if (call.groups.length > this.limit) return this.#full();
      const denied = this.denied(call.groups);
      const joined = call.groups.filter((g) => !denied.includes(g) && !this.#groups.has(g));
      this.#groups = new Set(call.groups.filter((g) => !denied.includes(g)));
      return Response.json({ n: call.n, joined, left: [], denied });
    }
    this.#groups = new Set(url.searchParams.get("groups").split(",").filter(Boolean));
    const stream = { url, open: true };
    const body = new ReadableStream({
      start(controller) {
        const text = new TextEncoder();
        stream.raw = (bytes) => stream.open && controller.enqueue(bytes);
        stream.write = (frame) =>
          stream.raw(text.encode(`event: u\nid: 1\ndata: ${JSON.stringify(frame)}\n\n`));
        stream.end = () => stream.open && ((stream.open = false), controller.close());
        options.signal?.addEventListener("abort", () => {
          if (stream.open) controller.error(new Error("aborted"));
          stream.open = false;
        });
      },
    });
    this.streams.push(stream);
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
}

/** What a page imports is the file of this name. */
const load = (/** @type {string} */ address) =>
  import(new URL(`../../umbral-presence/client${new URL(address).pathname.replace("/realtime", "")}`, import.meta.url).href);

/** A browser: one hub, and pages that share it. */
export class Browser {
  server = new Server();
  locks = new Locks();
  #ports = [];
  #pages = [];

  constructor() {
    globalThis.fetch = (...request) => this.server.fetch(...request);
    Object.defineProperty(globalThis, "navigator", { value: { locks: this.locks }, configurable: true });
    this.hub = createHub(`${ORIGIN}/realtime/`);
  }

  /** A page that has loaded the script; without a worker it gets its hub by what it imports. */
  open({ worker = true, imports = load, prerendering = false, script = SCRIPT, globals = {} } = {}) {
    const { hub } = this;
    const ports = this.#ports;
    const events = new EventTarget();
    this.#pages.push(events);
    const [errors, logged] = [[], []];
    class Document extends EventTarget {
      isPrerendered = prerendering;
      get currentScript() {
        return script;
      }
      get hidden() {
        return false;
      }
      get prerendering() {
        return this.isPrerendered;
      }
    }
    const document = new Document();
    const log = (...words) => logged.push(words.join(" "));
    class SharedWorker {
      constructor() {
        const { port1, port2 } = new MessageChannel();
        ports.push(port1, port2);
        hub.serve(port1);
        port1.postMessage({ t: "here" });
        this.port = port2;
      }
    }
    const page = createContext({
      ...(worker && { SharedWorker }),
      load: imports,
      Document,
      console: { error: log, warn: log, debug: log },
      MessageChannel,
      URL,
      Blob,
      // A page's timers keep no test running.
      setTimeout: (...timer) => setTimeout(...timer)?.unref?.(),
      queueMicrotask,
      performance,
      navigator: { locks: this.locks },
      location: new URL(ORIGIN),
      document,
      addEventListener(...listener) {
        (this === document ? document : events).addEventListener(...listener);
      },
      reportError: (error) => void errors.push(error),
      ...globals,
    });
    runInContext("Symbol.dispose ??= Symbol('dispose'); Symbol.asyncDispose ??= Symbol('asyncDispose');", page);
    runInContext(SOURCE, page);
    return {
      dispose: runInContext("Symbol.dispose", page),
      realtime: page.umbral.realtime,
      current: () => page.umbral.realtime,
      load: () => runInContext(SOURCE, page),
      errors,
      logged,
      events,
      document,
    };
  }

  /** Ends everything that would keep the test running. */
  close() {
    for (const page of this.#pages) page.dispatchEvent(new Event("pagehide"));
    for (const port of this.#ports) port.close();
    this.hub.tabs.clear();
    this.hub.goodbye();
    for (const stream of this.server.streams) stream.end();
  }
}

/** Values of a page's realm, as this one's. */
export const plain = (value) => JSON.parse(JSON.stringify(value));

/** Waits until `read` gives something, within a deadline. */
export async function until(what, read, deadline = 20000) {
  const end = Date.now() + deadline;
  for (;;) {
    const value = read();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((done) => setTimeout(done, 2));
  }
}
