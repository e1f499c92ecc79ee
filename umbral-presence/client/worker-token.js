// The hub over an event stream whose requests carry tokens.
import { createTokenHub, serve } from "./token.js";
import { createHub as create } from "./worker.js";

/** @type {CreateHub} */
export const createHub = (base) => createTokenHub(base, create);

serve(createHub, import.meta.url);
