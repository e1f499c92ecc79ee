// `umbral.realtime` as a module.
import "./client.js";

const { realtime } = globalThis.umbral;
if (!realtime.configured) realtime.configure({ base: new URL(".", import.meta.url).href });

export const { presence, subscribe, send, reconnect, configure } = realtime;
