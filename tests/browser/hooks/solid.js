// The same with Solid, by the function that the guide shows.
import { For, createComponent, createSignal } from "solid-js";
import html from "solid-js/html";
import { render } from "solid-js/web";
import { configure } from "umbral-presence";
import { usePresence } from "./solid-presence.js";

configure({ base: "/realtime" });
const [shown, show] = createSignal([]);
window.show = (next) => show(Object.entries(next).map((entry) => entry.join(" ")));

function Counter(entry) {
  const [name, group] = entry.split(" ");
  const room = usePresence(group);
  const names = () => room().members.map(({ id }) => id).sort().join(" ");
  return html`<p id=${name} data-status=${() => room().status} data-me=${() => room().me} data-count=${() => room().count}>${names}</p>`;
}

const counters = () => createComponent(For, {
  get each() {
    return shown();
  },
  children: Counter,
});
render(counters, document.querySelector("main"));
