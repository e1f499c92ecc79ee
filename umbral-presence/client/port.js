// What a tab's way to its hub does besides, where `configure` was told to debug or how to get a token.

/** @type {Extend} */
export const extend = (port, { token, debug }) => {
  // The hub asks for a token before each request. `refused`: the server has refused the last one.
  const answer = async (/** @type {{n: number, refused: boolean}} */ { n, refused }) => {
    try {
      const text = (await token?.(refused)) ?? null;
      if (text !== null && typeof text !== "string") throw new TypeError(`the token is no text but ${typeof text}`);
      port.postMessage({ t: "token", n, token: text });
    } catch (error) {
      port.postMessage({ t: "token", n, error: `${error}` });
    }
  };
  return {
    postMessage: (message) => port.postMessage(message.t === "attach" ? { ...message, debug } : message),
    set onmessage(/** @type {Port["onmessage"]} */ handle) {
      port.onmessage = (event) => {
        const { data } = event;
        if (data.t === "log") console.debug("umbral.realtime:", data.text);
        else if (data.t === "token") answer(data);
        else handle?.(event);
      };
    },
  };
};
