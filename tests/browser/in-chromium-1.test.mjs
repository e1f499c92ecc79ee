import { playIn } from "./in.mjs";

await playIn("chromium", 1, 3);
