// An application that is written with types. What must be an error is marked as such.
import { configure, presence, reconnect, send, subscribe, type Presence, type Status } from "umbral-presence";
import { usePresence } from "umbral-presence/react";
import { presenceStore } from "umbral-presence/store";

configure({ base: "/realtime", transport: "ws", debug: true });
// @ts-expect-error there is no such setting
configure({ bass: "/realtime" });
// @ts-expect-error there is no such transport
configure({ transport: "carrier pigeon" });

// A member is its id, unless the application says what its resolver returns.
const plain = presence("room:1", { sync: (members) => members.map((member) => member.id.toUpperCase()) });
// @ts-expect-error nothing but the id
plain.members[0]?.name;

interface Person {
  id: string;
  name: string;
  avatar?: string;
}

const names: string[] = [];
const room: Presence<Person> = presence<Person>("room:1", {
  sync: (members) => names.push(...members.map(({ name }) => name)),
  join: ({ name }) => names.push(name),
  leave: ({ avatar }) => avatar?.length,
  update(person) {
    // @ts-expect-error a person has no age
    person.age;
  },
  status: (status) => status satisfies Status,
});
// @ts-expect-error there is no such event
presence<Person>("room:1", { arrive() {} });
// @ts-expect-error a group is a text
presence(42);

const first: string | undefined = room.members[0]?.name;
const [count, me, status]: [number, string | null, Status] = [room.count, room.me, room.status];
// @ts-expect-error frozen
room.members.push({ id: "1", name: "Ada" });
// @ts-expect-error only the client says so
room.status = "live";
const code: string | undefined = room.error?.code;

const stop: () => void = room.subscribe(({ members }) => names.push(...members.map(({ name }) => name)));
const off: () => void = room.on("join", ({ name }) => names.push(name));
stop();
off();

for await (const [event, value] of room) {
  if (event === "sync") names.push(...value.map(({ name }) => name));
  else if (event !== "status") names.push(value.name);
}

{
  using short = presence("room:2");
  short.count satisfies number;
}
{
  await using short = presence("room:2");
  short.snapshot().members satisfies readonly { id: string }[];
}
room.unsubscribe();

const messages = subscribe(["room:1", "room:2"], { chat: (data, channel) => names.push(channel, data.text) });
subscribe("room:1", (event, data, channel) => names.push(event, channel, data)).unsubscribe();
messages.unsubscribe();
send("room:1", "chat", { text: "hello" });
reconnect();

const shown: readonly Person[] = usePresence<Person>("room:1").members;
const later: number = usePresence(names[0] ?? null).count;
// @ts-expect-error a number names no group
usePresence(42);
const ids: string[] = usePresence("room:1").members.map(({ id }) => id);
presenceStore<Person>("room:1").subscribe(({ members }) => names.push(...members.map(({ name }) => name)))();

export { code, count, first, ids, later, me, shown, status };
