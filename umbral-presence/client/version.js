// Says in the console that the page has the npm package of another version than the server's. The
// package loads the server's scripts, and this one with its own version behind `?v=`. The server puts
// its version and the hash of its scripts here.
const SERVER = "__VERSION__";
const SCRIPTS = "__HASH__";

const packaged = new URL(import.meta.url).searchParams.get("v");
if (packaged !== SERVER) {
  console.warn(
    `umbral.realtime: this page has version ${packaged} of the npm package umbral-presence, and the server has version ${SERVER} (scripts ${SCRIPTS}). Install version ${SERVER} of the package.`,
  );
}
