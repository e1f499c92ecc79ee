// What a server renders, and what each entry gives where there is no page.
import assert from "node:assert/strict";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import * as client from "umbral-presence";
import "umbral-presence/client.js";
import { usePresence } from "umbral-presence/react";
import { NOTHING, presenceStore } from "umbral-presence/store";

const nothing = { members: [], count: 0, me: null, status: "connecting", error: null };

client.configure({ base: "/realtime", debug: true });
const room = client.presence("room:1", { sync: () => assert.fail("nobody is asked") });
assert.deepEqual(room.snapshot(), nothing);
assert.deepEqual(NOTHING, nothing);
client.subscribe("room:1", () => {}).unsubscribe();
client.reconnect();

const store = presenceStore("room:1");
assert.deepEqual(store.snapshot(), nothing);
const seen = [];
store.subscribe((snapshot) => seen.push(snapshot))();
assert.deepEqual(seen, [nothing]);
room.unsubscribe();

const Room = ({ group }) => {
  const { count, status, members } = usePresence(group);
  return createElement("p", { "data-status": status }, `${count} here: ${members.length}`);
};
for (const group of ["room:1", "room:2", null, undefined]) {
  assert.equal(renderToString(createElement(Room, { group })), '<p data-status="connecting">0 here: 0</p>');
}
console.log("rendered");
