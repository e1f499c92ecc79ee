// The hub over a WebSocket whose first text is a token.
import { createTokenHub, serve } from "./token.js";
import { createHub as create } from "./ws.js";

/** @type {CreateHub} */
export const createHub = (base) => createTokenHub(base, create);

serve(createHub, import.meta.url);
