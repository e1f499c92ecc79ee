// What tests of pages may rely on: `umbral-presence/testing`, in a DOM that is no browser's, with real
// React.

import assert from "node:assert/strict";
import { after, afterEach, beforeEach, test } from "node:test";
import { GlobalRegistrator } from "@happy-dom/global-registrator";
import { application } from "./npm.mjs";
import { until } from "./page.mjs";

const { MessageChannel, Response, ReadableStream } = globalThis;
GlobalRegistrator.register({ url: "http://page.test/" });
// happy-dom has some of its own, which are not as Node's.
Object.assign(globalThis, { MessageChannel, Response, ReadableStream, IS_REACT_ACT_ENVIRONMENT: true });
globalThis.reportError ??= (error) => console.error(error);
const { createFakeServer } = await import("../../umbral-presence/client/testing.mjs");
const ROOM = "room:1";
const ADA = { id: "1", name: "Ada" };
const BEN = { id: "2", name: "Ben" };

/** Each test has a client of its own, as each page has. */
let pages = 0;
async function loadClient() {
  delete globalThis.umbral;
  await import(`../../umbral-presence/client/client.js?${(pages += 1)}`);
  return globalThis.umbral.realtime;
}

let server, realtime;
beforeEach(async () => {
  server = createFakeServer({ me: "1" });
  realtime = await loadClient();
});
afterEach(() => server.close());
after(() => GlobalRegistrator.unregister());

function watch(group) {
  const events = [];
  const keep = (name) => (value) => events.push([name, value]);
  const presence = realtime.presence(group, { sync: keep("sync"), join: keep("join"), leave: keep("leave"), update: keep("update") });
  return { events, presence };
}

test("handlers are told who is there, who comes, who goes and who is shown in another way", async () => {
  server.join(ROOM, ADA);
  const { events, presence } = watch(ROOM);
  await until("the snapshot", () => events.length);
  assert.equal(presence.me, "1");
  server.join(ROOM, BEN);
  server.join(ROOM, { ...BEN, name: "Benjamin" });
  server.leave(ROOM, 2);
  server.leave(ROOM, "nobody");
  await server.settled();
  assert.deepEqual(events, [["sync", [ADA]], ["join", BEN], ["update", { ...BEN, name: "Benjamin" }], ["leave", { ...BEN, name: "Benjamin" }]]);
  assert.deepEqual(server.groups(), [ROOM]);
  presence.unsubscribe();
  await until("the group is left", () => !server.groups().length);
});

test("events of the application arrive, in groups that the page is in", async () => {
  const got = [];
  realtime.subscribe(ROOM, { chat: (data, channel) => got.push([data, channel]) });
  await until("the group", () => server.groups().length);
  server.send(ROOM, "chat", { text: "hi" });
  server.send("@user:1", "chat", { text: "you" });
  await server.settled();
  assert.deepEqual(got, [[{ text: "hi" }, ROOM], [{ text: "you" }, "@user:1"]]);
});

test("a lost connection shows, and afterwards who has come and gone meanwhile", async () => {
  server.join(ROOM, ADA);
  const { events, presence } = watch(ROOM);
  await until("live", () => presence.status === "live" && presence.count);
  server.refuse(503, "full", "as many as there may be");
  await until("lost", () => presence.status === "reconnecting");
  server.join(ROOM, BEN);
  server.leave(ROOM, "1");
  server.accept();
  await until("live again", () => presence.status === "live");
  await server.settled();
  assert.deepEqual(events, [["sync", [ADA]], ["sync", [ADA]], ["leave", ADA], ["join", BEN]]);
  assert.deepEqual(presence.members, [BEN]);
});

test("a group that the policy denies, and a page that nobody lets in", async () => {
  const { presence } = watch(ROOM);
  await until("live", () => presence.status === "live");
  server.deny(ROOM);
  await until("denied", () => presence.status === "denied");
  const other = watch("room:2").presence;
  await until("the other one", () => other.status === "live");
  server.refuse(401, "unauthenticated", "sign in first");
  await until("all are denied", () => other.status === "denied");
  assert.equal(other.error.message, "sign in first");
});

test("another user sees nothing of the one before", async () => {
  server.join(ROOM, ADA);
  const { events, presence } = watch(ROOM);
  await until("Ada", () => presence.me === "1" && presence.count);
  server.signIn("2");
  server.leave(ROOM, "1");
  server.join(ROOM, BEN);
  server.lose();
  await until("Ben", () => presence.me === "2" && presence.count);
  assert.deepEqual(events.at(-1), ["sync", [BEN]]);
});

test("who signs in is somebody else from `reconnect()` on, and sees nothing of the one before", async () => {
  server.join(ROOM, ADA);
  const { events, presence } = watch(ROOM);
  await until("Ada", () => presence.me === "1" && presence.count);
  await server.settled();
  server.signIn("2");
  server.leave(ROOM, "1");
  server.join(ROOM, BEN);
  realtime.reconnect();
  await until("Ben", () => presence.me === "2" && presence.count);
  assert.deepEqual(events.at(-1), ["sync", [BEN]]);
  server.signIn(null);
  realtime.reconnect();
  await until("nobody", () => presence.status === "live" && presence.me === null);
  realtime.reconnect();
  await server.settled();
  assert.deepEqual([presence.status, presence.me, presence.members], ["live", null, [BEN]]);
});

test("a page whose user has changed without its knowing is told so by its next call", async () => {
  const { presence } = watch(ROOM);
  await until("live", () => presence.status === "live" && presence.me === "1");
  server.signIn("2");
  const other = watch("room:2").presence;
  await until("the other user", () => presence.me === "2" && other.status === "live");
});

test("what cannot be tested so is as the guide says", async () => {
  realtime.configure({ debug: true });
  const { presence } = watch(ROOM);
  await until("the script that is not there", () => presence.error?.code === "script");
  assert.equal(presence.status, "connecting");
  realtime = await loadClient();
  realtime.configure({ token: async () => "t" });
  const other = watch(ROOM).presence;
  await until("the script that is not there", () => other.error?.code === "script");
  assert.equal(other.status, "connecting");
  realtime = await loadClient();
  realtime.configure({ transport: "ws" });
  const { presence: socket } = watch(ROOM);
  await until("live", () => socket.status === "live");
  realtime.send(ROOM, "chat", "hi");
  await server.settled();
  assert.equal(socket.status, "live");
});

test("React shows who is there", async () => {
  const React = await import("react");
  const { createRoot } = await import("react-dom/client");
  const { usePresence } = await import(`${await application("testing", "server.js")}/node_modules/umbral-presence/react.mjs`);
  const Names = () => React.createElement("p", null, usePresence(ROOM).members.map(({ name }) => name).join(", "));
  const root = createRoot(document.body.appendChild(document.createElement("main")));
  await React.act(() => root.render(React.createElement(Names)));
  const shown = () => document.querySelector("p").textContent;
  const shows = (text) => until(text, () => (React.act(() => {}), shown() === text));
  server.join(ROOM, ADA);
  await shows("Ada");
  server.join(ROOM, BEN);
  await shows("Ada, Ben");
  server.leave(ROOM, "1");
  await shows("Ben");
  await React.act(() => root.unmount());
});
