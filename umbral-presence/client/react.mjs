// Who is in a group, for React. Components that show one group share a subscription.
import { useSyncExternalStore } from "react";
import { NOTHING, presenceStore } from "./store.mjs";
/** @import { PresenceStore } from "./store.mjs" */

/** The store of each group that is shown, and how many components show it.
 * @type {Map<string, {store: PresenceStore<any>, subscribe: PresenceStore["subscribe"], shown: number}>} */
const rooms = new Map();

/** @param {string} group */
const roomOf = (group) => {
  const room = rooms.get(group);
  if (room) return room;
  const store = presenceStore(group);
  const made = {
    store,
    shown: 0,
    /** @type {PresenceStore["subscribe"]} */
    subscribe(changed) {
      const stop = store.subscribe(changed);
      // It may have been dropped between two renders of the component.
      rooms.set(group, made);
      made.shown += 1;
      return () => {
        stop();
        made.shown -= 1;
        if (!made.shown) rooms.delete(group);
      };
    },
  };
  // A server renders for everybody and never unmounts, so it keeps no store.
  if (globalThis.document) rooms.set(group, made);
  return made;
};

/** What is shown where there is no group to show. */
const NO_ROOM = { store: { snapshot: () => NOTHING }, subscribe: () => () => {} };

/** @type {import("./react.mjs").usePresence} */
export const usePresence = (group) => {
  const { store, subscribe } = group == null ? NO_ROOM : roomOf(group);
  return useSyncExternalStore(subscribe, store.snapshot, () => NOTHING);
};
