// The hub where there is no SharedWorker: in one of the tabs, the leader, which the others
// reach over a BroadcastChannel. Without Web Locks every tab has a hub of its own.
/** @import { Join } from "./internal.js" */

/** The tab's side of the channel, once there is one. @type {import("./internal.js").Port | null} */
let joined = null;

/** @type {Join} */
export const join = async (base, script, name) => {
  const { createHub } = await import(script);
  if (!navigator.locks) return alone(createHub(base));
  if (joined) return joined;

  const id = Math.random();
  const channel = new BroadcastChannel(name);
  /** What to say to the next leader. @type {any} */
  let greeting = null;
  /** @type {import("./internal.js").Port} */
  const port = (joined = {
    onmessage: null,
    postMessage(data) {
      if (data.t === "attach") greeting = data;
      channel.postMessage({ from: id, data });
    },
  });
  channel.onmessage = ({ data: { to, data } }) => {
    if (to === id) port.onmessage?.({ data });
    if (to === "all" && greeting) port.postMessage(greeting);
  };
  stand(() => lead(createHub(base), name), `${name}-leader`);
  return port;
};

/** Takes part in the election, except while the page is frozen: it could not do its duty.
 * @param {() => () => void} lead takes up the work; gives what ends it @param {string} lock */
const stand = (lead, lock) => {
  let stop = () => {};
  const start = () => {
    stop();
    const abort = new AbortController();
    stop = () => abort.abort();
    const hold = () =>
      new Promise((done) => {
        const end = lead();
        stop = () => done(end());
      });
    // Who is stopped while waiting hears of it by a rejection.
    navigator.locks.request(lock, { signal: abort.signal }, hold).catch(() => {});
  };
  for (const event of ["pagehide", "freeze"]) on(event, () => stop());
  on("resume", start);
  on("pageshow", (event) => event.persisted && start());
  start();
};

/** `freeze` and `resume` are events of the document. @param {string} event @param {(event: any) => void} handler */
const on = (event, handler) => (/^page/.test(event) ? window : document).addEventListener(event, handler);

/** Serves the tabs as their leader. @param {import("./internal.js").Hub} hub @param {string} name */
const lead = (hub, name) => {
  const channel = new BroadcastChannel(name);
  /** @type {Map<number, import("./internal.js").Port>} */
  const ports = new Map();
  channel.onmessage = ({ data: { from, data } }) => {
    if (!from) return;
    let port = ports.get(from);
    if (!port) {
      port = { onmessage: null, postMessage: (data) => channel.postMessage({ to: from, data }) };
      ports.set(from, port);
      hub.serve(port);
    }
    port.onmessage?.({ data });
  };
  channel.postMessage({ to: "all" });
  return () => {
    channel.close();
    quit(hub);
  };
};

/** Ends a hub without a goodbye, for another takes over. @param {import("./internal.js").Hub} hub */
const quit = (hub) => {
  hub.say("reconnecting");
  hub.tabs.clear();
  hub.drop();
  hub.release?.(null);
};

/** @param {import("./internal.js").Hub} hub */
const alone = (hub) => {
  const { port1, port2 } = new MessageChannel();
  hub.serve(port1);
  on("pagehide", () => quit(hub));
  return port2;
};
