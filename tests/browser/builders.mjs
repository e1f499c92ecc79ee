// The build tools that applications use. Each gives what the application's script has become, by
// its path, and what it has warned of.

import { readFile, readdir, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { build as esbuild } from "esbuild";
import * as vite from "vite";
import webpack from "webpack";
import { application } from "./npm.mjs";

/** A page for an application's script. */
export const pageFor = (script) => `<!doctype html><title>app</title><link rel="icon" href="data:,"><script type="module" src="${script}"></script>`;

/** The files of a folder, by what they are called in a page of `/app/`. */
async function filesOf(folder) {
  const files = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = `${entry.parentPath}/${entry.name}`;
    files[`/app/${file.slice(folder.length + 1)}`] = await readFile(file, "utf8");
  }
  return files;
}

export const builders = {
  async esbuild(entry) {
    const app = await application("esbuild", entry);
    const options = { entryPoints: [`${app}/${entry}`], bundle: true, format: "esm", minify: true, outdir: `${app}/out` };
    const { warnings } = await esbuild({ ...options, logLevel: "silent" });
    const files = await filesOf(`${app}/out`);
    return { files, html: pageFor(`/app/${basename(entry)}`), warnings: warnings.map(({ text }) => text) };
  },

  "webpack (production)": (entry) => pack(entry, "production"),
  "webpack (development)": (entry) => pack(entry, "development"),

  async "vite (production)"(entry) {
    const app = await viteApplication("vite-build", entry);
    const { customLogger, warnings } = listener();
    await vite.build({ root: app, base: "/app/", configFile: false, customLogger, build: { outDir: "out", reportCompressedSize: false } });
    const files = await filesOf(`${app}/out`);
    return { files, html: files["/app/index.html"], warnings };
  },
};

async function pack(entry, mode) {
  const app = await application(`webpack-${mode}`, entry);
  const output = { path: `${app}/out`, filename: "main.js", publicPath: "/app/" };
  const compiler = webpack({ context: app, entry: `./${entry}`, mode, output, target: "web" });
  const stats = await new Promise((done, fail) => compiler.run((error, stats) => (error ? fail(error) : done(stats))));
  await new Promise((done) => compiler.close(done));
  const { warnings, errors } = stats.toJson({ warnings: true, errors: true });
  const told = [...warnings, ...errors].map(({ message }) => message);
  return { files: await filesOf(`${app}/out`), html: pageFor("/app/main.js"), warnings: told };
}

async function viteApplication(name, entry) {
  const app = await application(name, entry);
  await writeFile(`${app}/index.html`, pageFor(`./${entry}`));
  return app;
}

/** Vite's development server before a server of ours; gives its address. */
export async function startVite(entry, target) {
  const app = await viteApplication("vite-serve", entry);
  const { customLogger, warnings } = listener();
  const server = await vite.createServer({
    root: app,
    configFile: false,
    customLogger,
    server: { host: "127.0.0.1", port: 0, proxy: { "/realtime": { target, ws: true } } },
  });
  await server.listen();
  const { port } = server.httpServer.address();
  return { url: `http://127.0.0.1:${port}`, warnings, stop: () => server.close() };
}

/** A logger for Vite that keeps what is wrong. */
function listener() {
  const warnings = [];
  const customLogger = vite.createLogger("silent");
  for (const level of ["warn", "warnOnce", "error"]) customLogger[level] = (text) => warnings.push(text);
  return { customLogger, warnings };
}
