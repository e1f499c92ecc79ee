// What an origin can have before the proxy: files of its own, paths that are slow, a second
// application, and the headers that let pages of other origins in.

import { once } from "node:events";
import http from "node:http";

/** A page's own scripts. */
export const SCRIPTS = "<title>page</title><script src=/realtime/client.js></script><script src=/page.js></script>";

/** A scenario with a front before the scene's proxy. */
export async function withFront(scene, play) {
  const front = await startFront(scene.proxy.url);
  try {
    await play(front);
  } finally {
    await front.stop();
  }
}

/** Passes on to `target` whatever nothing else is said of. */
async function startFront(target) {
  const front = new Front(new URL(target));
  front.server.listen(0, "127.0.0.1");
  await once(front.server, "listening");
  return front;
}

class Front {
  /** The paths that have been asked for. @type {string[]} */
  asked = [];
  /** @type {Map<string, {type: string, body: string | Buffer}>} */
  #files = new Map();
  /** What is slow, and what ends the wait. @type {Map<string, Promise<void>>} */
  #slow = new Map();
  /** Applications beside the first one, by their path. @type {Map<string, URL>} */
  #beside = new Map();
  #isOpen = false;
  #sockets = new Set();

  constructor(target) {
    this.target = target;
    this.server = http.createServer((request, response) => this.#take(request, response));
    this.server.on("connection", (socket) => {
      this.#sockets.add(socket.on("close", () => this.#sockets.delete(socket)));
    });
  }

  get url() {
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  serve(path, type, body) {
    this.#files.set(path, { type, body });
  }

  /** A page of this path, without a policy. */
  page(path, html) {
    this.serve(path, "text/html", `<!doctype html>${html}`);
  }

  /** A path is answered only once what this gives is called. */
  hold(path) {
    let release;
    this.#slow.set(path, new Promise((done) => (release = done)));
    return release;
  }

  /** Has another server's `/realtime/` at this path, which ends in a slash. */
  mount(path, url) {
    this.#beside.set(path, new URL(url));
  }

  /** Lets pages of any origin in, be they in a sandbox, as an application may by its own layer. */
  open() {
    this.#isOpen = true;
  }

  async stop() {
    for (const socket of this.#sockets) socket.destroy();
    this.server.close();
    await once(this.server, "close");
  }

  async #take(request, response) {
    let { pathname: path, search } = new URL(request.url, this.url);
    this.asked.push(path);
    await this.#slow.get(path);
    const file = this.#files.get(path);
    if (file) return response.writeHead(200, { "content-type": file.type }).end(file.body);
    let { target } = this;
    for (const [prefix, url] of this.#beside) {
      if (path.startsWith(prefix)) [target, path] = [url, path.replace(prefix, "/realtime/")];
    }
    const headers = { ...request.headers };
    const more = {};
    if (this.#isOpen && headers.origin) {
      more["access-control-allow-origin"] = headers.origin;
      more["access-control-allow-credentials"] = "true";
      more["access-control-allow-headers"] = "content-type";
      if (request.method === "OPTIONS") return response.writeHead(204, more).end();
      delete headers.origin;
      delete headers["sec-fetch-site"];
    }
    const { hostname, port } = target;
    const options = { hostname, port, method: request.method, path: path + search, headers, agent: false };
    const above = http.request(options, (answered) => {
      response.writeHead(answered.statusCode, { ...answered.headers, ...more }).flushHeaders();
      answered.on("error", () => {}).on("close", () => response.end());
      answered.pipe(response);
    });
    above.on("error", () => response.destroy());
    response.on("close", () => above.destroy());
    request.pipe(above);
  }
}
