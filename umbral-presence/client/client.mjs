// `umbral.realtime` as a module. A page that has the script too has one client.
import "./client.js";

// The server puts `import.meta.url` here. What a build tool would make of that says nothing of
// where the server is, so in a package the client has a base of its own.
const ADDRESS = "__ADDRESS__";

const { realtime } = globalThis.umbral;
if (!realtime.configured) realtime.configure({ base: new URL(".", ADDRESS).href });

export const { presence, subscribe, send, reconnect, configure } = realtime;
