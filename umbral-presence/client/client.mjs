// `umbral.realtime` as a module. A page that has the script too has one client.
import "./client.js";

const { realtime } = globalThis.umbral;
if (!realtime.configured) realtime.configure({ base: new URL(".", import.meta.url).href });

export const { presence, subscribe, send, reconnect, configure } = realtime;
