/** Histories of actors that restarted are there after the head's restart, on a real store. */
import { expect, test } from "bun:test";
import type { ActorId } from "../../runtime/common/ids.ts";
import type { ActorStatus } from "../../runtime/common/task_spec.ts";
import type { GcsStore } from "../../runtime/io/storage/store_client.ts";
import { ClusterView } from "../../runtime/io/telemetry/cluster_view.ts";
import { EntityReads } from "../../runtime/io/telemetry/entity_reads.ts";
import { ActorEvents } from "../../runtime/process/head_actor_events.ts";
import { KeyValueTable } from "../../runtime/process/head_kv.ts";
import * as events from "../dashboard/cluster_events.ts";
import { open, temporaryFolder } from "../io/storage/store_fixture.ts";

const CRASH = { code: "WORKER_DIED", message: "it ended with exit code 3" } as const;

/** What a head has of actors, and what it does when one changes. */
function newHead(store: GcsStore) {
  const clock = { ms: 1_000_000 };
  const view = new ClusterView({ now: () => clock.ms });
  const kv = new KeyValueTable(store, store.loaded);
  const stored = new ActorEvents(kv, store.loaded, view.actors.history);
  return {
    clock,
    stored,
    kv,
    changed(status: ActorStatus, restartCause?: typeof CRASH): void {
      const times = { createdMs: 1_000_000, startedMs: 1_000_010, endedMs: null };
      const given = restartCause === undefined ? times : { ...times, restartCause };
      const spec = events.actorSpec("a-1", { maxRestarts: 5 });
      if (!view.applyActor(status, spec, given)) return;
      stored.changed(status.actorId, view.actors.history.of(status, times).events);
    },
    states: () =>
      new EntityReads(view).actor("a-1")!.events.map(({ atMs, state, incarnation, cause }) =>
        [atMs - 1_000_000, state, incarnation, cause] as const
      ),
  };
}

test("the next head knows why and when an actor restarted, and goes on from there", async () => {
  using folder = temporaryFolder();
  const store = await open(folder.path);
  const head = newHead(store);
  head.clock.ms += 10;
  head.changed(events.actorStatus("a-1"));
  expect(await head.kv.list("")).toEqual([]);
  head.clock.ms += 490;
  const away = { nodeId: null, workerId: null, pid: null };
  head.changed(events.actorStatus("a-1", { state: "RESTARTING", incarnation: 2, ...away }), CRASH);
  head.clock.ms += 40;
  head.changed(events.actorStatus("a-1", { incarnation: 2 }), CRASH);
  const before = head.states();
  expect(before).toEqual([
    [0, "DEPENDENCIES_UNREADY", 1, null],
    [10, "ALIVE", 1, null],
    [500, "RESTARTING", 2, "WORKER_DIED"],
    [540, "ALIVE", 2, null],
  ]);
  await store.committed();
  await store.close();

  const again = await open(folder.path);
  const next = newHead(again);
  next.clock.ms += 60_000;
  // As it was left: nothing new.
  next.changed(events.actorStatus("a-1", { incarnation: 2 }));
  expect(next.states()).toEqual(before);
  next.changed(events.actorStatus("a-1", { state: "RESTARTING", incarnation: 3, ...away }), CRASH);
  expect(next.states()).toEqual([...before, [60_000, "RESTARTING", 3, "WORKER_DIED"]]);
  next.stored.sweep(() => false);
  expect(await next.kv.list("")).toEqual([]);
  await again.close();
});

test("what somebody else wrote in its place is no history", async () => {
  using folder = temporaryFolder();
  const store = await open(folder.path);
  const kv = new KeyValueTable(store, store.loaded);
  for (const [i, text] of ["{", "[1]", `[{"atMs":"x"}]`, "null"].entries()) {
    await kv.put(`actor-events/a-${i + 1}`, new TextEncoder().encode(text), true);
  }
  await store.close();
  const again = await open(folder.path);
  const head = newHead(again);
  head.changed(events.actorStatus("a-1"));
  expect(head.states().map(([, state]) => state)).toEqual(["DEPENDENCIES_UNREADY", "ALIVE"]);
  head.stored.forget("a-1" as ActorId);
  expect(await head.kv.list("actor-events/a-1")).toEqual([]);
  await again.close();
});
