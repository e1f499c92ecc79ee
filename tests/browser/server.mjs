// The server of the browser tests, and people at it without a browser, who see what others
// see.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** What must happen happens within this time, in milliseconds; the machine may be busy. */
export const DEADLINE = 20000;

/** The usual grace of the server's rooms, in milliseconds. */
export const GRACE = 3000;

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Waits until `read` gives what is expected. */
export async function eventually(what, expected, read, deadline = DEADLINE) {
  const end = Date.now() + deadline;
  for (;;) {
    const value = await read();
    try {
      return assert.deepEqual(value, expected);
    } catch (error) {
      if (Date.now() > end) throw new Error(`waited in vain: ${what}`, { cause: error });
    }
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** Waits until `read` gives something, which it gives back. */
export async function until(what, read, deadline = DEADLINE) {
  let value;
  await eventually(what, true, async () => Boolean((value = await read())), deadline);
  return value;
}

/** Starts the server on a port (0: any that is free). */
export async function startServer(port = 0) {
  const target = process.env.CARGO_TARGET_DIR ?? `${root}target`;
  const child = spawn(`${target}/debug/browser-server`, [String(port)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [url] = await once(createInterface({ input: child.stdout }), "line");
  return new Server(url, child);
}

class Server {
  #child;

  constructor(url, child) {
    this.url = url;
    this.#child = child;
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  async health() {
    return (await fetch(`${this.url}/health`)).json();
  }

  async #post(path, body) {
    const response = await fetch(`${this.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    assert.ok(response.ok, `${path}: ${response.status}`);
    return response;
  }

  /** To `{user}`, to `{group}`, or to everybody. */
  async send(whom, event, data = null) {
    await this.#post("/send", { ...whom, event, data });
  }

  /** The ids of a group's members, sorted. */
  async members(group) {
    const members = await (await this.#post("/members", { group })).json();
    return members.map(({ id }) => id).sort();
  }

  /** The user leaves every group at once. */
  async disconnect(user) {
    await this.#post("/disconnect", { user });
  }

  async drain() {
    await this.#post("/drain", {});
  }

  /** So many users join a group; answered when they have. */
  async crowd(crowd) {
    await this.#post("/crowd", crowd);
  }

  async stop() {
    this.#child.kill("SIGKILL");
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
  }
}

/** Somebody in a group by a stream of their own; without a name, a watcher. */
export class Person {
  /** @type {[string, string | string[], number][]} what has come, and when */
  seen = [];
  gone = false;
  #abort = new AbortController();

  static async enter(server, group, user) {
    const person = new Person();
    const headers = { accept: "text/event-stream", ...(user && { cookie: `user=${user}` }) };
    const address = `${server.url}/realtime/sse?groups=${encodeURIComponent(group)}`;
    const response = await fetch(address, { headers, signal: person.#abort.signal });
    assert.equal(response.status, 200);
    person.#read(response.body).catch(() => {});
    await until("the snapshot", () => person.seen.length > 0);
    return person;
  }

  async #read(body) {
    let rest = "";
    for await (const text of body.pipeThrough(new TextDecoderStream())) {
      const frames = (rest + text).split("\n\n");
      rest = frames.pop();
      for (const frame of frames) {
        const data = /^data: (.*)$/m.exec(frame)?.[1];
        if (data && /^event: u$/m.test(frame)) this.#take(JSON.parse(data));
      }
    }
  }

  #take({ e, d }) {
    const what = e.replace("presence:", "");
    const value = what === "sync" ? d.map(({ id }) => id).sort() : (d?.id ?? d);
    this.seen.push([what, value, Date.now()]);
  }

  /** Who has come and gone since the snapshot. */
  get events() {
    return changes(this.seen).slice(1);
  }

  /** When something came, in milliseconds since 1970. */
  async when(what, id) {
    const found = () => this.seen.find(([event, value]) => event === what && value === id);
    return (await until(`${what} of ${id}`, found))[2];
  }

  /** Loses the connection. */
  vanish() {
    this.gone = true;
    this.#abort.abort();
  }
}

let canaries = 0;

/** The presence events of what has been seen, without their times and without canaries. */
export function changes(seen) {
  const counts = ([what, id]) =>
    ["sync", "join", "leave", "update"].includes(what) && !String(id).startsWith("canary");
  return seen.filter(counts).map(([what, id]) => [what, id]);
}

/** Waits until whoever has been lost by now is seen to have left: somebody comes into the group
 * and is lost in turn, and graces end in the order in which they began. */
export async function graceEnds(server, watcher, group) {
  const name = `canary-${++canaries}`;
  const canary = await Person.enter(server, group, name);
  await watcher.when("join", name);
  canary.vanish();
  await watcher.when("leave", name);
}
