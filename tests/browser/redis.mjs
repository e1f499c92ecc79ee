// A Redis server of a test's own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** Starts the program that `REDIS_SERVER` names, or `redis-server`, on a free port. */
export async function startRedis() {
  const redis = new Redis(await mkdtemp(join(tmpdir(), "umbral-redis-")), await freePort());
  await redis.start();
  return redis;
}

/** A port that was free a moment ago: the one that is wanted, if it was. */
export async function freePort(wanted = 0) {
  const server = createServer().listen(wanted, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (error) {
    if (wanted === 0) throw error;
    return freePort();
  }
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

class Redis {
  #folder;
  #child;

  constructor(folder, port) {
    this.#folder = folder;
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
  }

  /** Starts it, after a `kill` on the same port and with the same data. */
  async start() {
    const program = process.env.REDIS_SERVER ?? "redis-server";
    const words = ["--bind", "127.0.0.1", "--port", String(this.port), "--dir", this.#folder];
    const keeps = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"];
    this.#child = spawn(program, [...words, ...keeps], { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    for await (const line of createInterface({ input: this.#child.stdout })) {
      if (line.includes("Ready to accept connections")) return this.#child.stdout.resume();
      said += `${line}\n`;
    }
    throw new Error(`${program} ends before it serves:\n${said}`);
  }

  async kill() {
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }

  async stop() {
    await this.kill();
    await rm(this.#folder, { recursive: true });
  }
}
