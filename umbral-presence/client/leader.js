// The hub where there is no SharedWorker: in one of the tabs, the leader, which the others
// reach over a BroadcastChannel. Without Web Locks every tab has a hub of its own.
/** This tab's way to the leader, which ends when the page goes, be it into a cache. @type {Port | null} */
let joined = null;

/** @type {Join} */
export const join = async (base, script, name) => {
  /** @type {{createHub: CreateHub}} */
  const { createHub } = await import(script);
  if (!navigator.locks) return alone(createHub(base));
  if (joined) return joined;

  const id = Math.random();
  const channel = new BroadcastChannel(name);
  /** What no leader has answered yet, for there may be none. @type {any} */
  let greeting = null;
  /** @type {Port} */
  const port = {
    onmessage: null,
    postMessage(data) {
      if (data.t === "attach") greeting = data;
      channel.postMessage({ from: id, data });
    },
  };
  channel.onmessage = ({ data: { to, data } }) => {
    if (to === id) {
      if (data.t === "ready") greeting = null;
      port.onmessage?.({ data });
    }
    if (to === "all" && greeting) port.postMessage(greeting);
  };
  const election = stand(() => lead(createHub(base), name), `${name}-leader`);
  // A frozen page could not do its duty.
  document.addEventListener("freeze", election.leave);
  document.addEventListener("resume", election.enter);
  onLeaving(() => {
    joined = null;
    election.leave();
    channel.close();
    document.removeEventListener("freeze", election.leave);
    document.removeEventListener("resume", election.enter);
  });
  return (joined = port);
};

/** Takes part in an election.
 * @param {() => () => void} lead takes up the work; gives what ends it @param {string} lock */
const stand = (lead, lock) => {
  let leave = () => {};
  const enter = () => {
    leave();
    const abort = new AbortController();
    leave = () => abort.abort();
    const hold = () =>
      new Promise((/** @type {(value: void) => void} */ done) => {
        const end = lead();
        leave = () => {
          leave = () => {};
          done(end());
        };
      });
    // Who leaves before being elected hears of it by a rejection.
    navigator.locks.request(lock, { signal: abort.signal }, hold).catch(() => {});
  };
  enter();
  return { enter, leave: () => leave() };
};

/** Serves the tabs as their leader; gives what ends it. @param {Hub} hub @param {string} name */
const lead = (hub, name) => {
  const channel = new BroadcastChannel(name);
  /** @type {Map<number, Port>} */
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
    if (data.t === "vanish") ports.delete(from);
  };
  channel.postMessage({ to: "all" });
  return () => {
    channel.close();
    quit(hub);
  };
};

/** @param {Hub} hub @returns {Port} */
const alone = (hub) => {
  const { port1, port2 } = new MessageChannel();
  hub.serve(port1);
  onLeaving(() => {
    quit(hub);
    port1.close();
  });
  return port2;
};

/** Ends a hub without a goodbye: another one takes over. @param {Hub} hub */
const quit = (hub) => {
  hub.tabs.clear();
  hub.drop();
  hub.release?.(null);
};

/** @param {() => void} leave called when the page goes */
const onLeaving = (leave) => addEventListener("pagehide", leave, { once: true });
