// The same with Svelte.
import { mount } from "svelte";
import { configure } from "umbral-presence";
import App from "./App.svelte";

configure({ base: "/realtime" });
mount(App, { target: document.querySelector("main") });
