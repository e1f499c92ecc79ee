// A hub in a world of its own: its clock runs as fast as it can, and its server gives the answers
// that a test says. What it asks for is noted with the time.

import { createHub as createEventHub } from "../../umbral-presence/client/worker.js";
import { createHub as createSocketHub } from "../../umbral-presence/client/ws.js";

const BASE = "http://page.test/realtime/";
const FAILED = new TypeError("Failed to fetch");

/** Numbers that look as if they were drawn, and are the same each time. */
export function drawn(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What a hello says, and more of it or something else. */
export const hello = (more = {}) => ({ conn: "ab".repeat(16), me: "7", denied: [], heartbeat: 15, ...more });

/**
 * What a server says to a request for a stream, a call, or a handshake: a status with a body and a
 * `retry-after`; `"error"`; `"hang"`; `{frames, ends}`: frames, each after so many milliseconds, and
 * an end after so many, if there is one.
 * @typedef {any} Answer
 */
export class World {
  /** By the clock that only goes forward, in milliseconds. */
  time = 1e6;
  /** How far the clock on the wall is off. */
  wall = 1.7e12;
  /** The page is hidden: its timers run once a minute. */
  isHidden = false;
  /** @type {{what: string, at: number, groups?: string[]}[]} */
  requests = [];
  /** What the tabs were told. */
  told = [];
  sockets = [];
  streams = [];
  #timers = new Map();
  #ids = 0;
  #before = {};

  /** @param {(what: string, nth: number, world: World) => Answer} server @param {{seed?: number, overSocket?: boolean}} options */
  constructor(server, { seed = 1, overSocket = false } = {}) {
    this.server = server;
    const world = this;
    const random = drawn(seed);
    this.#replace(Math, "random", random);
    this.#replace(Date, "now", () => world.wall + world.time);
    this.#replace(performance, "now", () => world.time);
    this.#replace(globalThis, "setTimeout", (run, ms) => world.#set(run, ms, world.isHidden));
    this.#replace(globalThis, "clearTimeout", (id) => void world.#timers.delete(id));
    this.#replace(AbortSignal, "timeout", (ms) => {
      const abort = new AbortController();
      world.#set(() => abort.abort(), ms);
      return abort.signal;
    });
    this.#replace(globalThis, "fetch", (address, options) => world.#fetch(new URL(address), options));
    this.#replace(globalThis, "WebSocket", class extends Socket {
      constructor(address) {
        super(world, new URL(address));
      }
    });
    this.#replace(console, "error", () => {});
    this.hub = (overSocket ? createSocketHub : createEventHub)(BASE);
  }

  #replace(object, name, value) {
    this.#before[name] = [object, Object.getOwnPropertyDescriptor(object, name)];
    Object.defineProperty(object, name, { value, configurable: true, writable: true });
  }

  /** The real clock and network again. */
  end() {
    for (const [name, [object, before]] of Object.entries(this.#before)) {
      if (before) Object.defineProperty(object, name, before);
      else delete object[name];
    }
  }

  /** As browsers do: what is no number, is negative or beyond 31 bits is no time to wait. */
  #set(run, ms = 0, isHidden = false) {
    const wait = ms >= 1 && ms < 2 ** 31 ? ms : 1;
    const at = this.time + wait;
    this.#timers.set(++this.#ids, { run, at: isHidden ? Math.ceil(at / 60000) * 60000 : at });
    return this.#ids;
  }

  later(ms, run) {
    this.#set(run, ms);
  }

  /** Opens a tab with these groups; gives its port, as the hub sees it. */
  tab(groups, more = {}) {
    const told = [];
    const port = { onmessage: null, postMessage: (message) => (told.push({ ...message, at: this.time }), this.told.push(message)) };
    this.hub.serve(port);
    port.onmessage({ data: { t: "attach", lock: null, groups, ...more } });
    return { told, say: (message) => port.onmessage({ data: message }), page: () => told.findLast(({ t }) => t === "status")?.page };
  }

  /** Lets so many milliseconds pass. */
  async pass(ms) {
    const end = this.time + ms;
    for (;;) {
      await settled();
      let next;
      for (const [id, { at, run }] of this.#timers) if (!next || at < next.at) next = { id, at, run };
      if (!next || next.at > end) break;
      this.#timers.delete(next.id);
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    this.time = Math.max(this.time, end);
    await settled();
  }

  /** How many requests there were in each minute. */
  perMinute(minutes) {
    const counts = Array(minutes).fill(0);
    for (const { at } of this.requests) {
      const minute = Math.floor((at - 1e6) / 60000);
      if (minute < minutes) counts[minute] += 1;
    }
    return counts;
  }

  note(what, groups) {
    const nth = this.requests.filter((each) => each.what === what).length;
    this.requests.push({ what, at: this.time, groups });
    // Who asks so often is not answered any more, or a test would run for ever.
    if (this.requests.length > 2000) return "hang";
    return this.server(what, nth, this);
  }

  #fetch(url, { signal, body } = {}) {
    const what = url.pathname.endsWith("/control") ? "control" : "sse";
    const groups = body ? JSON.parse(body).groups : url.searchParams.get("groups").split(",").filter(Boolean);
    const answer = this.note(what, groups);
    const aborted = new Promise((_, fail) => signal?.addEventListener("abort", () => fail(FAILED)));
    aborted.catch(() => {});
    if (answer === "error") return Promise.reject(FAILED);
    if (answer === "hang") return aborted;
    const response = (status, type, more) =>
      Promise.resolve({
        ok: status >= 200 && status < 300,
        status,
        headers: new Headers({ "content-type": type, ...answer.headers }),
        ...more,
      });
    if (!answer.frames) {
      const { status = 200, body = null, type = "application/json" } = answer;
      const json = () => (typeof body === "string" ? Promise.reject(new SyntaxError(body)) : Promise.resolve(body));
      const text = { read: () => Promise.resolve({ done: true }) };
      return response(status, type, { json, body: { pipeThrough: () => ({ getReader: () => text }) } });
    }
    const wire = new Wire(this, answer, aborted);
    this.streams.push(wire);
    return response(200, "text/event-stream", { body: { pipeThrough: () => ({ getReader: () => wire }) } });
  }
}

/** The text of an event stream. */
class Wire {
  #texts = [];
  #wake = null;
  isOver = false;

  constructor(world, { frames, ends, error }, aborted) {
    // One after the other, for there may be thousands.
    const begin = world.time;
    const come = (i) => {
      if (i >= frames.length || this.isOver) return;
      world.later(begin + frames[i][0] - world.time, () => (this.write(frames[i][1]), come(i + 1)));
    };
    come(0);
    if (ends !== undefined) world.later(ends, () => (error ? this.#fail() : this.end()));
    aborted.catch(() => this.#fail());
  }

  /** A frame, or a text. */
  write(frame) {
    this.#texts.push(typeof frame === "string" ? frame : `event: u\ndata: ${JSON.stringify(frame)}\n\n`);
    this.#wake?.();
  }

  end() {
    this.isOver = true;
    this.#wake?.();
  }

  #fail() {
    this.failed = this.isOver = true;
    this.#wake?.();
  }

  async read() {
    while (!this.#texts.length && !this.isOver) await new Promise((done) => (this.#wake = done));
    if (this.failed) throw FAILED;
    return this.#texts.length ? { value: this.#texts.shift() } : { done: true };
  }
}

/** A WebSocket's other end. */
class Socket {
  static OPEN = 1;
  readyState = 0;
  sent = [];

  constructor(world, url) {
    this.world = world;
    this.groups = url.searchParams.get("groups").split(",").filter(Boolean);
    world.sockets.push(this);
    const answer = world.note(this.groups.length ? "ws" : "greeting", this.groups);
    if (answer === "throw") throw new SyntaxError("no socket");
    if (answer === "hang") return;
    if (answer === "error") return void world.later(1, () => this.close(1006));
    world.later(1, () => {
      if (this.readyState) return;
      this.readyState = Socket.OPEN;
      this.onopen?.({});
    });
    this.answers = answer.answers;
    for (const [ms, frame] of answer.frames ?? []) world.later(ms + 2, () => this.say(frame));
    if (answer.ends !== undefined) world.later(answer.ends + 2, () => this.close(answer.code));
  }

  send(text) {
    const sent = JSON.parse(text);
    this.sent.push({ ...sent, bytes: new TextEncoder().encode(text).length });
    for (const frame of this.answers?.(sent) ?? []) this.world.later(1, () => this.say(frame));
  }

  say(frame) {
    if (this.readyState !== Socket.OPEN) return;
    if (typeof frame === "string") return this.onmessage?.({ data: frame });
    const { c, e, d, v, k } = frame;
    this.onmessage?.({ data: JSON.stringify({ channel: c, event: e, data: d, v, k }) });
  }

  close(code) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.world.later(1, () => this.onclose?.({ code }));
  }
}

const immediate = globalThis.setImmediate;

/** Waits until nothing more happens without the clock. */
async function settled() {
  for (let i = 0; i < 3; i += 1) await new Promise((done) => immediate(done));
}
