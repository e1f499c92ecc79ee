// `umbral.realtime` as a module. A page that loads the script as well has one client.
import "./client.js";

// The server puts `import.meta.url` here. What a build tool makes of that says nothing of where the
// server is, so the npm package has a base of its own.
const ADDRESS = "__ADDRESS__";

const { realtime } = globalThis.umbral;
if (!realtime.configured) realtime.configure({ base: new URL(".", ADDRESS).href });

export const { presence, subscribe, send, reconnect, configure } = realtime;
