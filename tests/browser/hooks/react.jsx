// Two counters for one room and one for another, which the test shows and hides.
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { configure } from "umbral-presence";
import { usePresence } from "umbral-presence/react";

configure({ base: "/realtime" });
window.renders = {};

function Counter({ name, group }) {
  const { members, count, me, status } = usePresence(group);
  window.renders[name] = (window.renders[name] ?? 0) + 1;
  return (
    <p id={name} data-status={status} data-me={me} data-count={count}>
      {members.map(({ id }) => id).sort().join(" ")}
    </p>
  );
}

function App() {
  const [shown, show] = useState({});
  window.show = show;
  return Object.entries(shown).map(([name, group]) => <Counter key={name} name={name} group={group} />);
}

createRoot(document.querySelector("main")).render(<StrictMode><App /></StrictMode>);
