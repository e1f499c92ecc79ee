// What every page of the tests does: enters the rooms that its address names and records
// what it gets, with the time. Tests read `window.seen`.
const options = new URLSearchParams(location.search);
const { realtime } = window.umbral;

/** What each group has brought: `[what, value, milliseconds since 1970]`. */
window.seen = {};
/** The subscriptions that are open, by group. */
window.open = {};
/** What concerns the page: `pageshow` from the cache, errors. */
window.happened = [];

const id = (member) => member.id;

/** Enters a group and records. More than one at a time for one group are told apart by `as`. */
window.enter = (group, as = group) => {
  const seen = (window.seen[as] = []);
  const note = (what, value) => seen.push([what, value, Date.now()]);
  const presence = realtime.presence(group, {
    sync: (members) => note("sync", members.map(id).sort()),
    join: (member) => note("join", id(member)),
    leave: (member) => note("leave", id(member)),
    update: (member) => note("update", id(member)),
    status: (status) => note("status", status),
  });
  const messages = realtime.subscribe(group, (event, data, channel) => note(event, [channel, data]));
  window.open[as] = {
    presence,
    unsubscribe() {
      presence.unsubscribe();
      messages.unsubscribe();
    },
  };
};

/** What the page gives for a token, and how often it was asked for one that the server has not refused,
 * and for one after that. */
window.token = { now: options.get("token"), fresh: options.get("fresh"), asked: [0, 0] };
const token = (refused) => {
  window.token.asked[Number(refused)] += 1;
  return refused ? window.token.fresh : window.token.now;
};

const transport = options.get("transport") ?? "sse";
if (options.has("token")) realtime.configure({ transport, token });
else if (options.has("transport")) realtime.configure({ transport });
for (const group of options.getAll("room")) window.enter(group);

addEventListener("pageshow", (event) => window.happened.push(event.persisted ? "restored" : "loaded"));
addEventListener("error", (event) => window.happened.push(String(event.error ?? event.message)));
addEventListener("unhandledrejection", (event) => window.happened.push(String(event.reason)));
