// What a hub does, for the tabs that have asked for it by `configure({ debug: true })`. It wraps the
// hub's methods, so that the hub itself holds none of these words.

/** @type {Follow} */
export const follow = (hub, port) => {
  const text = `the stream is ${hub.status}, and ${globalThis.document ? "a tab" : "a worker"} holds it`;
  port.postMessage({ t: "log", text });
  if (hub.log) return;
  hub.log = (text) => {
    for (const { port, debug } of hub.tabs.values()) if (debug) port.postMessage({ t: "log", text });
  };

  /** Says something before a method runs.
   * @template {"createStream" | "hello" | "lose" | "pause" | "reply"} Name
   * @param {Name} name @param {(...values: Parameters<Hub[Name]>) => string | false} say */
  const before = (name, say) => {
    const method = /** @type {(...values: any[]) => any} */ (hub[name]);
    Object.assign(hub, {
      [name](/** @type {Parameters<Hub[Name]>} */ ...values) {
        const text = say(...values);
        if (text) hub.log?.(text);
        return method.apply(hub, values);
      },
    });
  };
  before("createStream", () => "a stream is opened");
  before("hello", () => "the stream is live");
  before("lose", (stream) => stream === hub.stream && "the stream has ended");
  // A hub pauses for 60 ms after every call.
  before("pause", (ms = 0) => ms > 60 && `${Math.round(ms)} ms until the next attempt`);
  before("reply", (path, response) => `${path}: ${response?.status ?? "no answer"}`);
};
