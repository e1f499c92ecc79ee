import { playIn } from "./in.mjs";

await playIn("chromium", 2, 3);
