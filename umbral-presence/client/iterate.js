// A subscription's events one after another, for `for await`.
/** So many wait for the reader at most. */
const MOST_QUEUED = 1000;

/** @type {Iterate} */
export async function* iterate(presence, synced) {
  const whole = () => /** @type {import("./client.mjs").PresenceEvent<any>} */ (["sync", presence.members]);
  let queue = synced ? [whole()] : [];
  let wake = () => {};
  const events = /** @type {const} */ (["sync", "join", "leave", "update", "status"]);
  const stops = events.map((event) =>
    presence.on(event, (/** @type {any} */ value) => {
      queue.push([event, value]);
      // Who reads too slowly gets one snapshot for all that was missed.
      if (queue.length > MOST_QUEUED) queue = [whole()];
      wake();
    }),
  );
  try {
    while (queue.length || presence.status !== "closed") {
      if (!queue.length) await new Promise((/** @type {(value?: any) => void} */ done) => (wake = done));
      const event = queue.shift();
      if (event) yield event;
    }
  } finally {
    for (const stop of stops) stop();
  }
}
