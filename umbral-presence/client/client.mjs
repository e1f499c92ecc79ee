// `umbral.realtime` as a module.
import "./client.js";

/** @type {any} */
const { realtime } = /** @type {any} */ (globalThis).umbral;
if (!realtime.configured) realtime.configure({ base: new URL(".", import.meta.url).href });

export const { presence, subscribe, reconnect, configure } = realtime;
