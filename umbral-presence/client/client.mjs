// `umbral.realtime` as a module. A page that loads the script as well has one client.
import "./client.js";

// The server puts `import.meta.url` here. What a build tool makes of that says nothing of where the
// server is, so the npm package has a base of its own.
const ADDRESS = "__ADDRESS__";

// The version of the npm package.
const VERSION = "0.1.0";

const { realtime } = globalThis.umbral;
if (!realtime.base) realtime.configure({ base: new URL(".", ADDRESS).href });

// The npm package works with scripts of the server, so both must have one version. A script of the
// server's says in the console if they have not. It is loaded once, with the first subscription:
// before, it may not be known where the server is.
let isCompared = ADDRESS.includes("/") || !globalThis.document;

/** @template {(...values: any[]) => any} Subscribe @param {Subscribe} subscribe @returns {Subscribe} */
const comparing = (subscribe) => /** @type {any} */ ((/** @type {any[]} */ ...values) => {
  const subscription = subscribe(...values);
  if (!isCompared) {
    isCompared = true;
    // Where the server cannot be reached, the client says so by itself.
    import(/* webpackIgnore: true */ /* @vite-ignore */ `${realtime.base}version.js?v=${VERSION}`).catch(() => {});
  }
  return subscription;
});

export const presence = comparing(realtime.presence);
export const subscribe = comparing(realtime.subscribe);
export const { send, reconnect, configure } = realtime;
