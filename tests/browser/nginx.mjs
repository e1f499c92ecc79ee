// The web server nginx in front of the tests' server, as Debian packages it.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { until } from "./server.mjs";

const run = promisify(execFile);

/** What each request was, in one line of its log. */
const FORMAT = "$request_method $uri $status $host";

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** A certificate that nobody has signed. */
async function selfSigned(folder) {
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
  await run("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", ...names, "-keyout", key, "-out", certificate]);
  return `ssl_certificate ${certificate}; ssl_certificate_key ${key};`;
}

/** Starts nginx in front of a server, with these lines in its location. */
export async function startNginx(upstream, { tls = false, location = "" } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "nginx-"));
  const [port, log] = [await freePort(), join(folder, "access.log")];
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((each) => `${each}_temp_path ${folder}/${each};`);
  const configuration = `
    daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
    events {}
    http {
      log_format each "${FORMAT}"; access_log ${log} each; ${paths.join(" ")}
      map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
      server {
        listen 127.0.0.1:${port}${tls ? " ssl" : ""}; ${tls ? await selfSigned(folder) : ""}
        location / { proxy_pass ${upstream}; ${location} }
      }
    }`;
  await writeFile(join(folder, "nginx.conf"), configuration);
  const options = ["-p", folder, "-c", join(folder, "nginx.conf"), "-e", join(folder, "error.log")];
  const child = spawn(process.env.NGINX ?? "/usr/sbin/nginx", options, { stdio: "inherit" });
  const ended = once(child, "exit");
  const isUp = until("nginx", () => readFile(join(folder, "pid"), "utf8").catch(() => ""));
  await Promise.race([isUp, ended.then(() => Promise.reject(new Error("nginx has ended; see its configuration")))]);
  return {
    url: `${tls ? "https" : "http"}://127.0.0.1:${port}`,
    port,
    /** What has been asked for of the realtime routes, and has been answered to its end. */
    async requests() {
      const lines = (await readFile(log, "utf8").catch(() => "")).split("\n").filter(Boolean);
      const requests = lines.map((line) => {
        const [method, path, status, host] = line.split(" ");
        return { method, path, status: Number(status), host };
      });
      return requests.filter(({ path }) => /\/realtime\/(sse|ws|control)$/.test(path));
    },
    async stop() {
      child.kill();
      await ended;
      await rm(folder, { recursive: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}
