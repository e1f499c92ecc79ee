// Busy rooms, big rooms, and pages that come and go in rooms all day.

import assert from "node:assert/strict";
import { CHROMIUM, scenario, within } from "./scene.mjs";
import { eventually } from "./server.mjs";

const PEOPLE = 10000;

/** Bytes that a page holds, once what it does not need has been collected. */
async function heapOfPage(session) {
  await session.send("HeapProfiler.collectGarbage");
  return (await session.send("Runtime.getHeapUsage")).usedSize;
}

/** A way to ask the worker. */
async function worker(scene) {
  const session = await scene.browser.browser.newBrowserCDPSession();
  const { targetInfos } = await session.send("Target.getTargets");
  const target = targetInfos.find(({ type, url }) => type === "shared_worker" && url.startsWith(scene.proxy.url));
  assert.ok(target, "there is a worker");
  const { sessionId } = await session.send("Target.attachToTarget", { targetId: target.targetId, flatten: false });
  let calls = 0;
  const send = (method) =>
    new Promise((done) => {
      const id = ++calls;
      const take = ({ message, ...from }) => {
        const answer = JSON.parse(message);
        if (from.sessionId !== sessionId || answer.id !== id) return;
        session.off("Target.receivedMessageFromTarget", take);
        done(answer.result);
      };
      session.on("Target.receivedMessageFromTarget", take);
      session.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id, method }) });
    });
  return { send };
}

/** Seconds for which the page's main thread has been at work. */
async function secondsOfWork(session) {
  const { metrics } = await session.send("Performance.getMetrics");
  return metrics.find(({ name }) => name === "TaskDuration").value;
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

scenario("a thousand joins per second for ten seconds leave the main thread free; then a room of ten thousand", CHROMIUM, async (scene) => {
  const room = "crowd:busy";
  const tab = await scene.syncedTab(await scene.profile(), [room]);
  // It does what a page does that shows how many there are.
  await tab.evaluate((room) => {
    const { presence } = window.open[room];
    presence.subscribe(() => (window.shown = presence.count));
  }, room);
  const session = await tab.page.context().newCDPSession(tab.page);
  // The time that the thread has had, not that for which it waited for its turn.
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const [before, began] = [await secondsOfWork(session), Date.now()];
  await scene.server.crowd({ group: room, name: "user", count: PEOPLE, per_second: 1000 });
  await eventually("everybody is shown", PEOPLE, () => tab.evaluate(() => window.shown));
  const seconds = (Date.now() - began) / 1000;
  const busy = ((await secondsOfWork(session)) - before) / seconds;
  console.log(`busy: ${(100 * busy).toFixed(1)} % of ${seconds.toFixed(1)} s`);
  assert.equal((await tab.events(room)).filter(([what]) => what === "join").length, PEOPLE);
  assert.ok(busy < 0.2, `the main thread was busy for ${(100 * busy).toFixed(1)} %`);

  const late = await scene.tab(await scene.profile(), []);
  const other = await late.page.context().newCDPSession(late.page);
  const empty = await heapOfPage(other);
  const took = await late.evaluate(
    (room) =>
      new Promise((done) => {
        const start = performance.now();
        window.presence = window.umbral.realtime.presence(room, { sync: () => done(performance.now() - start) });
      }),
    room,
  );
  const [held, shared] = [(await heapOfPage(other)) - empty, await worker(scene)];
  await shared.send("HeapProfiler.collectGarbage");
  const { usedSize } = await shared.send("Runtime.getHeapUsage");
  console.log(`first sync: ${took.toFixed(0)} ms, page: ${megabytes(held)}, worker: ${megabytes(usedSize)}`);
  assert.equal(await late.evaluate(() => window.presence.count), PEOPLE);
  within(1000, took, "the first snapshot");
  assert.ok(held < 5e6 && usedSize < 12e6, `held: ${megabytes(held)} and ${megabytes(usedSize)}`);
});

scenario("ten thousand subscriptions that end leave nothing behind", CHROMIUM, async (scene) => {
  const tab = await scene.syncedTab(await scene.profile("ada"), ["room:stays"]);
  const session = await tab.page.context().newCDPSession(tab.page);
  const shared = await worker(scene);
  const heaps = async () => {
    await shared.send("HeapProfiler.collectGarbage");
    return [await heapOfPage(session), (await shared.send("Runtime.getHeapUsage")).usedSize];
  };
  // Eighty at a time; each time the server knows them before they end.
  const churn = (from, to) =>
    tab.evaluate(
      async ([from, to]) => {
        for (let i = from; i < to; i += 80) {
          const rooms = [...Array(80).keys()].map((k) => `room:churn-${i + k}`);
          const open = await Promise.all(
            rooms.map((room) => new Promise((done) => {
              const presence = window.umbral.realtime.presence(room, { sync: () => done([presence, messages]) });
              const messages = window.umbral.realtime.subscribe(room, {});
            })),
          );
          for (const subscription of open.flat()) subscription.unsubscribe();
        }
      },
      [from, to],
    );
  await churn(0, 2000);
  const before = await heaps();
  await churn(2000, 10000);
  const after = await heaps();
  const grown = after.map((bytes, i) => bytes - before[i]);
  console.log(`page: ${megabytes(before[0])}, ${grown[0]} bytes more; worker: ${megabytes(before[1])}, ${grown[1]} more`);
  for (const bytes of grown) assert.ok(bytes < 200e3, `${bytes} bytes more after 8,000 subscriptions`);
  await eventually("the room that stays", 1, async () => (await scene.server.health()).groups);
});
