// The npm package, as an application has it: packed, and unpacked where React and Svelte are
// found beside it.

import { execFile } from "node:child_process";
import { cp, mkdir, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { compile } from "svelte/compiler";

const run = promisify(execFile);
const here = fileURLToPath(new URL(".", import.meta.url));
const packed = fileURLToPath(new URL("../../umbral-presence/client", import.meta.url));

/** What `npm pack` would publish: its name, version and files. */
export async function pack(folder) {
  const arguments_ = folder ? ["--pack-destination", folder] : ["--dry-run"];
  const { stdout } = await run("npm", ["pack", packed, "--json", "--silent", ...arguments_]);
  const [{ name, version, filename, files }] = JSON.parse(stdout);
  return { name, version, filename, files: files.map(({ path }) => path).sort() };
}

/** An application's folder with the package installed; gives where it is. */
export async function install(name) {
  const app = fileURLToPath(new URL(`../../target/npm/${name}`, import.meta.url));
  await rm(app, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  const place = `${app}/node_modules/umbral-presence`;
  await mkdir(place, { recursive: true, maxRetries: 20, retryDelay: 100 });
  const { filename } = await pack(app);
  await run("tar", ["-xzf", `${app}/${filename}`, "-C", place, "--strip-components=1"]);
  return app;
}

/** The same, with React and a file of the folder `apps`. */
export async function application(name, entry) {
  const app = await install(name);
  for (const each of ["react", "react-dom", "scheduler"]) {
    await symlink(`${here}node_modules/${each}`, `${app}/node_modules/${each}`);
  }
  await writeFile(`${app}/package.json`, JSON.stringify({ type: "module" }));
  await cp(`${here}apps/${entry}`, `${app}/${entry}`);
  return app;
}

/** What the compiler of TypeScript says of an application's file. */
export async function typeCheck(name, compilerOptions) {
  const app = await install(name);
  await cp(`${here}types/${name}`, `${app}/${name}`);
  await writeFile(`${app}/package.json`, JSON.stringify({ type: "module" }));
  await writeFile(`${app}/tsconfig.json`, JSON.stringify({ compilerOptions, files: [name] }));
  const { stdout } = await run(`${here}node_modules/.bin/tsc`, ["-p", app]).catch((error) => error);
  return stdout;
}

/** Svelte's compiler, for the files that want it. */
const svelte = {
  name: "svelte",
  setup({ onLoad }) {
    onLoad({ filter: /\.svelte$/ }, async ({ path }) => {
      const { js } = compile(await readFile(path, "utf8"), { filename: path, generate: "client" });
      return { contents: js.code, loader: "js" };
    });
  },
};

/** The first script that the guide's page about pages shows under a heading. */
export async function guide(heading) {
  const page = await readFile(new URL("../../umbral-presence/docs/in_the_page.md", import.meta.url), "utf8");
  const [, part] = page.split(`\n## ${heading}\n`);
  return /```js\n(.*?)```/s.exec(part)[1];
}

/** A script of the folder `hooks`, with all that it imports. */
export async function bundle(entry) {
  const app = await install(entry);
  for (const file of await readdir(`${here}hooks`)) await cp(`${here}hooks/${file}`, `${app}/${file}`);
  for (const framework of ["Vue", "Solid"]) {
    await writeFile(`${app}/${framework.toLowerCase()}-presence.js`, await guide(framework));
  }
  const { outputFiles } = await build({
    entryPoints: [`${app}/${entry}`],
    bundle: true,
    write: false,
    format: "esm",
    jsx: "automatic",
    // What is not in the application's own folder is in the tests'.
    nodePaths: [`${here}node_modules`],
    conditions: ["browser"],
    define: { "process.env.NODE_ENV": '"development"', __VUE_OPTIONS_API__: "false", __VUE_PROD_DEVTOOLS__: "false" },
    plugins: [svelte],
    logLevel: "error",
  });
  return outputFiles[0].text;
}
