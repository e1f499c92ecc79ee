// An application that says nothing of where the server is. It shows who is there in two ways.
import { presence } from "umbral-presence";
import { presenceStore } from "umbral-presence/store";

const group = new URLSearchParams(location.search).get("room");
window.room = presence(group);
window.events = [];
presenceStore(group).subscribe(({ members }) => (window.shown = members.map(({ id }) => id).sort()));
for await (const [event] of window.room) window.events.push(event);
