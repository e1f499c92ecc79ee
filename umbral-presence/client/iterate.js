// A subscription's events one after another, for `for await`.

/** So many events wait for the reader at most. */
const MOST_WAITING = 1000;

/** @type {Iterate} */
export async function* iterate(presence, synced) {
  const whole = () => /** @type {import("./client.mjs").PresenceEvent<any>} */ (["sync", presence.members]);
  let waiting = synced ? [whole()] : [];
  let wake = () => {};
  const events = /** @type {const} */ (["sync", "join", "leave", "update", "status"]);
  const stops = events.map((event) =>
    presence.on(event, (/** @type {any} */ value) => {
      waiting.push([event, value]);
      // A reader that is too slow gets one snapshot for all that it has missed.
      if (waiting.length > MOST_WAITING) waiting = [whole()];
      wake();
    }),
  );
  try {
    while (waiting.length || presence.status !== "closed") {
      if (!waiting.length) await new Promise((/** @type {(value?: any) => void} */ done) => (wake = done));
      const event = waiting.shift();
      if (event) yield event;
    }
  } finally {
    for (const stop of stops) stop();
  }
}
