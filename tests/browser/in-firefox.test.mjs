import { playIn } from "./in.mjs";

await playIn("firefox");
