// The hub where there is no SharedWorker: in one of the tabs, the leader, which the others
// reach over a BroadcastChannel. Where either cannot be used every tab has a hub of its own.
/** What a message within a page takes at most, in milliseconds. */
const TRIAL = 3000;

/** Whether what is said in one channel is heard in another one: where cookies are blocked it may
 * throw, or bring nothing. */
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

/** This tab's way to the leader, which ends when the page goes, be it into a cache. @type {Port | null} */
let joined = null;

/** @type {Join} */
export const join = async (base, script, name, locks) => {
  /** @type {{createHub: CreateHub}} */
  const { createHub } = await import(/* webpackIgnore: true */ /* @vite-ignore */ script);
  if (joined) return joined;
  if (!locks || !hasChannels) return alone(createHub(base));

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
  const election = stand(() => lead(createHub(base), name), locks, `${name}-leader`);
  const left = new AbortController();
  // A frozen page could not do its duty. An element may be named like a method of the document.
  addEventListener.call(document, "freeze", election.leave, left);
  addEventListener.call(document, "resume", election.enter, left);
  onLeaving(() => {
    joined = null;
    left.abort();
    election.leave();
    channel.close();
  });
  return (joined = port);
};

/** Takes part in an election.
 * @param {() => () => void} lead takes up the work; gives what ends it
 * @param {LockManager} locks @param {string} lock */
const stand = (lead, locks, lock) => {
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
    locks.request(lock, { signal: abort.signal }, hold).catch(() => {});
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
      // Tabs that crashed have not said so.
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
