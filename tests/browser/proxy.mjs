// A proxy before the server that makes trouble when it is told to: gives answers of its own, cuts
// off, falls silent, says that another host was asked for, does not know WebSockets. It counts what
// passes. Each has a port and so an origin of its own.

import { once } from "node:events";
import http from "node:http";
import net from "node:net";

const isStream = (url) => url.pathname.endsWith("/sse");

/** What proxies make of the `Host` that a browser sends. */
export const HOSTS = {
  "nginx's plain proxy_pass, or Vite's changeOrigin": (_, target) => target.host,
  "nginx with $host": (host) => host.replace(/:\d+$/, ""),
  "a name of its own": () => "backend.internal",
};

/** Passes on to `target`; with `heartbeat` streams are said to have one every so many seconds,
 * and have. */
export async function startProxy(target, { heartbeat } = {}) {
  const proxy = new Proxy(new URL(target), heartbeat);
  proxy.server.listen(0, "127.0.0.1");
  await once(proxy.server, "listening");
  return proxy;
}

class Proxy {
  /** What has been asked for. @type {{method: string, path: string, user?: string, at: number, status?: number}[]} */
  requests = [];
  /** @type {Set<Stream>} */
  #streams = new Set();
  /** Those that nothing passes through any more. @type {Set<Stream>} */
  #silent = new Set();
  /** What a `Host` becomes on its way; as proxies do it, see `HOSTS`. @type {(host: string, target: URL) => string} */
  host = (host) => host;
  /** Whether what asks for another protocol may have it. */
  upgrades = true;
  /** Answers that are given instead of the server's. */
  #refusals = [];
  /** Files that the server does not have. @type {Map<string, {type: string, body: string}>} */
  #files = new Map();
  #sockets = new Set();

  constructor(target, heartbeat) {
    this.target = target;
    this.heartbeat = heartbeat;
    this.server = http.createServer((request, response) => this.#pass(request, response));
    this.server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.server.on("connection", (socket) => {
      this.#sockets.add(socket.on("close", () => this.#sockets.delete(socket)));
    });
  }

  get url() {
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  /** How many streams are open. */
  get streams() {
    return this.#streams.size;
  }

  /** The requests for streams, WebSockets included. */
  get opens() {
    return this.requests.filter(({ path }) => /\/(sse|ws)$/.test(path));
  }

  /** Has the next requests for a path that ends so answered with this status. */
  refuse(path, status, headers = {}, times = 1) {
    this.answer(path, { status, headers, times });
  }

  /** The same with a body, or for one method. A status of 0 breaks off instead of answering, and
   * `hangs` leaves it at that. */
  answer(path, { status = 200, headers = {}, body = "", method, times = Infinity, hangs = false }) {
    this.#refusals.push({ path, status, headers, body, method, times, hangs });
  }

  /** The server answers everything again. */
  relent() {
    this.#refusals = [];
  }

  /** Breaks off what is open. */
  cut() {
    for (const stream of this.#streams) stream.cut();
  }

  /** What is open now stays open and brings nothing more, and neither side is told of the end
   * of the other. */
  silence() {
    for (const stream of this.#streams) {
      stream.silence();
      this.#silent.add(stream);
    }
    this.#streams.clear();
  }

  serve(path, type, body) {
    this.#files.set(path, { type, body });
  }

  async stop() {
    for (const socket of this.#sockets) socket.destroy();
    for (const stream of [...this.#streams, ...this.#silent]) stream.cut();
    this.server.close();
    await once(this.server, "close");
  }

  #note(request) {
    const { pathname: path } = new URL(request.url, this.url);
    const user = /user=([^;]*)/.exec(request.headers.cookie ?? "")?.[1];
    const noted = { method: request.method, url: request.url, path, user, at: Date.now() };
    this.requests.push(noted);
    return noted;
  }

  #refusal({ method, path }) {
    const isMeant = (each) => each.times > 0 && path.endsWith(each.path) && (each.method ?? method) === method;
    const refusal = this.#refusals.find(isMeant);
    if (refusal) refusal.times -= 1;
    return refusal;
  }

  #pass(request, response) {
    const noted = this.#note(request);
    const answer = (status, headers, body = "") => {
      noted.status = status;
      response.writeHead(status, headers).end(body);
    };
    const refusal = this.#refusal(noted);
    if (refusal?.hangs) return;
    if (refusal?.status === 0) return request.socket.destroy();
    if (refusal) return answer(refusal.status, refusal.headers, refusal.body);
    const file = this.#files.get(noted.path);
    if (file) return answer(200, { "content-type": file.type }, file.body);
    const { hostname, port } = this.target;
    const { method, url: path } = request;
    const headers = { ...request.headers, host: this.host(request.headers.host, this.target) };
    const above = http.request({ hostname, port, method, path, headers, agent: false });
    const stream = isStream(new URL(path, this.url)) && new Stream(response, above, this.heartbeat);
    above.on("response", (answered) => {
      noted.status = answered.statusCode;
      response.writeHead(answered.statusCode, answered.headers).flushHeaders();
      if (!stream || answered.statusCode !== 200) return answered.pipe(response);
      this.#streams.add(stream);
      answered.on("data", (bytes) => stream.write(bytes));
      answered.on("error", () => {});
      answered.on("close", () => stream.end());
    });
    above.on("error", () => {
      if (response.headersSent) response.destroy();
      else answer(502, {});
    });
    response.on("close", () => {
      this.#streams.delete(stream);
      if (stream) stream.left();
      else above.destroy();
    });
    request.pipe(above);
  }

  #upgrade(request, socket, head) {
    const noted = this.#note(request);
    const refusal = this.#refusal(noted);
    if (refusal?.hangs) return;
    if (refusal?.status === 0) return socket.destroy();
    if (refusal) {
      noted.status = refusal.status;
      const lines = Object.entries(refusal.headers).map(([name, value]) => `${name}: ${value}\r\n`);
      return socket.end(`HTTP/1.1 ${refusal.status} Refused\r\n${lines.join("")}content-length: 0\r\n\r\n`);
    }
    const above = net.connect(this.target.port, this.target.hostname, () => {
      const lines = [];
      for (let i = 0; i < request.rawHeaders.length; i += 2) {
        const [name, value] = request.rawHeaders.slice(i, i + 2);
        if (!this.upgrades && /^(upgrade|connection)$/i.test(name)) continue;
        lines.push(`${name}: ${/^host$/i.test(name) ? this.host(value, this.target) : value}\r\n`);
      }
      above.write(`GET ${request.url} HTTP/1.1\r\n${lines.join("")}\r\n`);
      above.write(head);
      noted.status = 101;
      socket.pipe(above).pipe(socket);
    });
    const stream = new Tunnel(socket, above);
    this.#streams.add(stream);
    for (const side of [socket, above]) {
      side.on("error", () => {});
      side.on("close", () => {
        this.#streams.delete(stream);
        stream.left();
      });
    }
  }
}

/** An event stream on its way through. */
class Stream {
  #silent = false;
  /** Whether what was written last is the end of a frame, so that a ping may follow. */
  #whole = false;

  constructor(response, above, heartbeat) {
    this.response = response;
    this.above = above;
    this.heartbeat = heartbeat;
    if (heartbeat) this.timer = setInterval(() => this.#ping(), 1000 * heartbeat);
  }

  write(bytes) {
    if (this.#silent) return;
    const text = bytes.toString("latin1");
    this.#whole = text.endsWith("\n\n");
    const said = this.heartbeat && text.replace(/"heartbeat":\d+/, `"heartbeat":${this.heartbeat}`);
    this.response.write(said ? Buffer.from(said, "latin1") : bytes);
  }

  #ping() {
    if (this.#whole && !this.#silent) this.response.write("event: ping\ndata: {}\n\n");
  }

  silence() {
    this.#silent = true;
  }

  /** The server has ended it. */
  end() {
    clearInterval(this.timer);
    if (!this.#silent) this.response.destroy();
  }

  /** The client has. */
  left() {
    clearInterval(this.timer);
    if (!this.#silent) this.above.destroy();
  }

  cut() {
    this.response.destroy();
    this.above.destroy();
  }
}

/** A WebSocket on its way through. */
class Tunnel {
  #silent = false;

  constructor(socket, above) {
    this.socket = socket;
    this.above = above;
  }

  silence() {
    this.#silent = true;
    this.socket.unpipe();
    this.above.unpipe();
    this.socket.resume();
    this.above.resume();
  }

  left() {
    if (!this.#silent) this.cut();
  }

  cut() {
    this.socket.destroy();
    this.above.destroy();
  }
}
