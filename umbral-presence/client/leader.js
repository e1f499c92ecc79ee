// The hub where there is no SharedWorker: it runs in one of the tabs, the leader, which the others
// reach over a BroadcastChannel. Where either is of no use, every tab has a hub of its own.
//
//   tab ── { from, data } ──▶ channel ──▶ leader ──▶ hub
//   tab ◀── { to, data } ──── channel ◀── leader ◀── hub
//
// The tab that holds a lock leads. When it closes, crashes or freezes, the next one in the lock's
// queue does, and says so to all.

/** How long a message within a browser may take, in milliseconds. */
const TRIAL = 3000;

/** Whether what is said in one channel is heard in another one. Where cookies are blocked a channel
 * may throw, or bring nothing. */
const hasChannels = await new Promise((done) => {
  try {
    const name = `umbral-presence-trial-${Math.random()}`;
    const [heard, said] = [new BroadcastChannel(name), new BroadcastChannel(name)];
    const end = (/** @type {boolean} */ works) => {
      heard.close();
      said.close();
      done(works);
    };
    heard.onmessage = () => end(true);
    setTimeout(end, TRIAL, false);
    said.postMessage(null);
  } catch {
    done(false);
  }
});

/** This tab's way to the leader. It ends when the page goes, also into the back/forward cache.
 * @type {Port | null} */
let joined = null;

/** @type {Join} */
export const join = async (base, script, name, locks) => {
  /** @type {{createHub: CreateHub}} */
  const { createHub } = await import(/* webpackIgnore: true */ /* @vite-ignore */ script);
  if (joined) return joined;
  if (!locks || !hasChannels) return ownHub(createHub(base));

  const id = Math.random();
  const channel = new BroadcastChannel(name);
  /** What no leader has answered yet. The next one gets it again. @type {TabMessage | null} */
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
  const candidate = stand(() => lead(createHub(base), name), locks, `${name}-leader`);
  const left = new AbortController();
  // A frozen page cannot do a leader's work. An element may be named like a method of the document.
  addEventListener.call(document, "freeze", candidate.resign, left);
  addEventListener.call(document, "resume", candidate.enter, left);
  onLeaving(() => {
    joined = null;
    left.abort();
    candidate.resign();
    channel.close();
  });
  return (joined = port);
};

/** Stands for election.
 * @param {() => () => void} lead takes up the work; gives what ends it
 * @param {LockManager} locks @param {string} lock */
const stand = (lead, locks, lock) => {
  let resign = () => {};
  const enter = () => {
    resign();
    const abort = new AbortController();
    resign = () => abort.abort();
    const hold = () =>
      new Promise((/** @type {(value: void) => void} */ done) => {
        const end = lead();
        resign = () => {
          resign = () => {};
          done(end());
        };
      });
    // A candidate that resigns before it is elected hears of it by a rejection.
    locks.request(lock, { signal: abort.signal }, hold).catch(() => {});
  };
  enter();
  return { enter, resign: () => resign() };
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
      // A tab that has crashed has not said so.
      for (const [id, each] of ports) if (!hub.tabs.has(each)) ports.delete(id);
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

/** A way to a hub that serves this tab alone. @param {Hub} hub @returns {Port} */
const ownHub = (hub) => {
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

/** @param {() => void} leave is called when the page goes */
const onLeaving = (leave) => addEventListener("pagehide", leave, { once: true });
