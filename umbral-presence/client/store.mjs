// Who is in a group, as a store that Svelte reads: `$room.members`. It subscribes with its first
// reader and unsubscribes with its last.
import { presence } from "./client.mjs";
/** @import { Presence, Snapshot } from "./client.mjs" */

/** What is shown before there is a subscription, and on a server. @type {Snapshot<any>} */
export const NOTHING = Object.freeze({
  members: Object.freeze([]),
  count: 0,
  me: null,
  status: "connecting",
  error: null,
});

/** @type {import("./store.mjs").presenceStore} */
export const presenceStore = (group) => {
  /** @type {Presence<any> | null} */
  let current = null;
  let readers = 0;
  return {
    snapshot: () => current?.snapshot() ?? NOTHING,
    subscribe(changed) {
      current ??= presence(group);
      readers += 1;
      const stop = current.subscribe(changed);
      let stopped = false;
      return () => {
        if (stopped) return;
        stopped = true;
        stop();
        readers -= 1;
        if (readers) return;
        current?.unsubscribe();
        current = null;
      };
    },
  };
};
