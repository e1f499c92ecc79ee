import { playIn } from "./in.mjs";

await playIn("chromium", 3, 3);
