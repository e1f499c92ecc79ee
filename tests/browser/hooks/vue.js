// The same with Vue, by the function that the guide shows.
import { createApp, h, shallowRef } from "vue";
import { configure } from "umbral-presence";
import { usePresence } from "./vue-presence.js";

configure({ base: "/realtime" });
const shown = shallowRef({});
window.show = (next) => (shown.value = next);

const Counter = {
  props: ["name", "group"],
  setup({ name, group }) {
    const room = usePresence(group);
    return () => {
      const { members, count, me, status } = room.value;
      const names = members.map(({ id }) => id).sort().join(" ");
      return h("p", { id: name, "data-status": status, "data-me": me, "data-count": count }, names);
    };
  },
};

const counters = () => Object.entries(shown.value).map(([name, group]) => h(Counter, { key: name + group, name, group }));
createApp({ render: counters }).mount("main");
