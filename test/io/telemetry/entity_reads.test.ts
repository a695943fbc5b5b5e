/**
 * What the pages of objects, actors, nodes and placement groups are told: sums stay exact whatever is reported in which order,
 * histories and samples are bounded, and lists of very many actors cost what is asked of them.
 */
import { describe, expect, test } from "bun:test";
import type { NodeId, ObjectId, ProcessId } from "../../../runtime/common/ids.ts";
import { Prng } from "../../../runtime/common/prng.ts";
import { ClusterView } from "../../../runtime/io/telemetry/cluster_view.ts";
import { EntityReads } from "../../../runtime/io/telemetry/entity_reads.ts";
import * as events from "../../dashboard/cluster_events.ts";

const MB = 2 ** 20;

function newCluster() {
  const clock = { ms: 1_000_000 };
  const view = new ClusterView({ now: () => clock.ms });
  return { view, clock, reads: new EntityReads(view, () => clock.ms) };
}

function object(id: string, bytes: number, some: Parameters<typeof events.objectReport>[2] = {}) {
  return events.objectReport(id, bytes, some);
}

describe("stores", () => {
  test("consist of primary copies, further ones, what is on disk and what is on its way", () => {
    const { view, reads } = newCluster();
    view.applyNodes([events.nodeRow("n-1", { storeUsedBytes: 5 * MB }), events.nodeRow("n-2")]);
    view.applyObjects("n-1", [object("o-1-1.0", 2 * MB), object("o-1-2.0", 3 * MB)], []);
    view.applyIncoming("n-2", ["o-1-1.0" as ObjectId, "o-1-2.0" as ObjectId]);
    expect(reads.objects().stores[1]).toMatchObject({ inFlightBytes: 5 * MB, inFlight: 2, objects: 0 });
    view.applyObjects("n-2", [object("o-1-1.0", 2 * MB, { primary: false })], []);
    view.applyObjects("n-1", [object("o-1-2.0", 3 * MB, { spilled: true })], []);
    expect(reads.objects().stores).toMatchObject([
      {
        nodeId: "n-1",
        usedBytes: 5 * MB,
        primaryBytes: 2 * MB,
        cachedBytes: 0,
        spilledBytes: 3 * MB,
        objects: 2,
      },
      { nodeId: "n-2", primaryBytes: 0, cachedBytes: 2 * MB, inFlightBytes: 3 * MB, inFlight: 1, objects: 1 },
    ]);
    // Another copy is the primary one from now on.
    view.applyObjects("n-2", [object("o-1-1.0", 2 * MB)], []);
    expect(reads.objects().stores).toMatchObject([
      { primaryBytes: 0, cachedBytes: 2 * MB },
      { primaryBytes: 2 * MB, cachedBytes: 0 },
    ]);
    expect(reads.objects()).toMatchObject({ objects: 2, bytes: 5 * MB });
  });

  test("come to nothing when everything is gone, whatever came in which order", () => {
    const seed = Date.now() % 1e9;
    const prng = new Prng(seed);
    const pick = (n: number): number => prng.below(n);
    const { view, reads } = newCluster();
    const nodes = ["n-1", "n-2", "n-3"];
    view.applyNodes(nodes.map((id) => events.nodeRow(id)));
    for (let i = 0; i < 3_000; i++) {
      const node = nodes[pick(3)]!;
      const id = `o-1-${pick(20)}.0`;
      const bytes = (Number(id.slice(4, -2)) + 1) * 1_000;
      const some = { primary: pick(2) === 0, ...(pick(3) === 0 ? { spilled: true as const } : {}) };
      if (pick(3) > 0) view.applyObjects(node, [object(id, bytes, some)], []);
      else view.applyObjects(node, [], [id as ObjectId]);
      if (pick(5) === 0) view.applyIncoming(node, [`o-1-${pick(20)}.0` as ObjectId]);
    }
    const { objects } = view;
    const copies = [...objects.objects.values()];
    for (
      const { nodeId, primaryBytes, cachedBytes, spilledBytes, objects: count } of reads.objects().stores
    ) {
      const here = copies.filter((copy) => copy.nodes.includes(nodeId));
      const sum = here.reduce((bytes, copy) => bytes + copy.bytes, 0);
      expect({ seed, nodeId, bytes: primaryBytes + cachedBytes + spilledBytes, count })
        .toEqual({ seed, nodeId, bytes: sum, count: here.length });
      const onDisk = here.filter((copy) => copy.spilled?.has(nodeId));
      expect(spilledBytes).toBe(onDisk.reduce((bytes, copy) => bytes + copy.bytes, 0));
    }
    for (const node of nodes) view.resetObjects(node, []);
    for (const store of reads.objects().stores) {
      expect(store).toMatchObject({
        primaryBytes: 0,
        cachedBytes: 0,
        spilledBytes: 0,
        inFlightBytes: 0,
        objects: 0,
      });
    }
    expect(reads.objects()).toMatchObject({ objects: 0, bytes: 0 });
  });
});

describe("transfers", () => {
  test("add up by pair over restarts of an agent, with the rate of the last seconds", () => {
    const { view, clock, reads } = newCluster();
    const told = (bytes: number, transfers: number) => [{ from: "n-1" as NodeId, bytes, transfers }];
    view.applyTransfers("n-2", told(10 * MB, 1));
    view.applyTransfers("n-2", told(10 * MB, 1));
    clock.ms += 500;
    view.applyTransfers("n-2", told(30 * MB, 2));
    expect(reads.objects().transfers).toMatchObject([
      { from: "n-1", to: "n-2", bytes: 30 * MB, transfers: 2 },
    ]);
    expect(reads.objects().transfers[0]!.bytesPerSecond).toBeGreaterThan(5 * MB);
    clock.ms += 10_000;
    expect(reads.objects().transfers[0]).toMatchObject({ bytes: 30 * MB, bytesPerSecond: 0 });
    // Its agent began anew.
    view.applyTransfers("n-2", told(4 * MB, 1));
    expect(reads.objects().transfers[0]).toMatchObject({ bytes: 34 * MB, transfers: 3 });
  });
});

describe("lost objects", () => {
  test("are counted with their reason, and as rebuilt when they have a copy again", () => {
    const { view, reads } = newCluster();
    view.applyObjects("n-1", [object("o-1-1.0", MB, { producer: "make" })], []);
    view.objects.lost("o-1-1.0" as ObjectId, "node n-1 died with the only copy", 5);
    view.applyObjects("n-1", [], ["o-1-1.0" as ObjectId]);
    expect(reads.objects()).toMatchObject({
      lost: 1,
      rebuilt: 0,
      losses: [{ objectId: "o-1-1.0", producer: "make", isRebuilt: false }],
    });
    expect(reads.object("o-1-1.0")).toMatchObject({
      nodes: [],
      loss: { reason: "node n-1 died with the only copy" },
    });
    view.applyObjects("n-2", [object("o-1-1.0", MB, { producer: "make" })], []);
    expect(reads.objects()).toMatchObject({ lost: 1, rebuilt: 1, losses: [{ isRebuilt: true }] });
    expect(reads.object("o-9-9.0")).toBe(null);
  });
});

describe("actors", () => {
  const OOM = { code: "OUT_OF_MEMORY", message: "its node is low on memory" } as const;

  test("have a history: born, restarted and why, dead", () => {
    const { view, clock, reads } = newCluster();
    const times = { createdMs: 1_000_000, startedMs: null, endedMs: null };
    const spec = events.actorSpec("a-1", { maxRestarts: 2 });
    const away = { nodeId: null, workerId: null, pid: null };
    view.applyActor(events.actorStatus("a-1", { state: "PENDING_CREATION", ...away }), spec, times);
    clock.ms += 10;
    view.applyActor(events.actorStatus("a-1"), spec, { ...times, startedMs: clock.ms });
    clock.ms += 500;
    const restart = { ...times, startedMs: 1_000_010, restartCause: OOM };
    const second = { incarnation: 2, restartsLeft: 1 };
    view.applyActor(events.actorStatus("a-1", { state: "RESTARTING", ...second, ...away }), spec, restart);
    clock.ms += 40;
    view.applyActor(events.actorStatus("a-1", second), spec, restart);
    clock.ms += 1_000;
    const deathCause = { code: "KILLED", message: "kill() was called" } as const;
    view.applyActor(
      events.actorStatus("a-1", { state: "DEAD", ...second, deathCause }),
      spec,
      { ...restart, endedMs: clock.ms },
    );
    const page = reads.actor("a-1")!;
    expect(page.actor).toMatchObject({ numRestarts: 1, state: "DEAD" });
    expect(page.events.map(({ atMs, state, cause }) => [atMs - 1_000_000, state, cause])).toEqual([
      [0, "DEPENDENCIES_UNREADY", null],
      [0, "PENDING_CREATION", null],
      [10, "ALIVE", null],
      [510, "RESTARTING", "OUT_OF_MEMORY"],
      [550, "ALIVE", null],
      [1_550, "DEAD", "KILLED"],
    ]);
  });

  test("that restart without end keep the first and the newest events, and say how many are left out", () => {
    const { view, reads } = newCluster();
    const times = { createdMs: 1_000_000, startedMs: 1_000_000, endedMs: null };
    for (let incarnation = 1; incarnation <= 200; incarnation++) {
      view.applyActor(
        events.actorStatus("a-1", { incarnation }),
        events.actorSpec("a-1", { maxRestarts: -1 }),
        times,
      );
    }
    const { events: kept, eventsDropped } = reads.actor("a-1")!;
    expect(kept.length + eventsDropped).toBe(201);
    expect(kept.length).toBeLessThanOrEqual(64);
    expect(kept[0]!.state).toBe("DEPENDENCIES_UNREADY");
    expect(kept.at(-1)!.incarnation).toBe(200);
  });

  test("have samples of their calls, as many as five minutes have seconds", () => {
    const { view, clock, reads } = newCluster();
    view.applyActor(events.actorStatus("a-1"), events.actorSpec("a-1"));
    const told = (callsPerSecond: number) => ({
      actorId: "a-1" as never,
      incarnation: 1,
      mailboxDepth: 2,
      callsRunning: 1,
      callsFinished: 10,
      callsPerSecond,
      meanCallMs: callsPerSecond === 0 ? null : 1.23456,
      reprName: null,
    });
    for (let i = 0; i < 400; i++) {
      clock.ms += 1_000;
      view.applyActorFigures([told(i)]);
    }
    const { samples } = reads.actor("a-1")!;
    expect(samples.atMs.length).toBe(300);
    expect(samples.callsPerSecond.at(0)).toBe(100);
    expect(samples.callsPerSecond.at(-1)).toBe(399);
    expect(samples.meanCallMs.at(-1)).toBe(1.23);
    expect(samples.atMs.at(-1)).toBe(clock.ms);
  });

  test("are counted by state and class, and those of a placement group are found", () => {
    const { view, reads } = newCluster();
    const inGroup = { strategy: { type: "group", groupId: "g-1", bundleIndex: 0 } as never };
    view.applyActor(events.actorStatus("a-1"), events.actorSpec("a-1", inGroup));
    view.applyActor(events.actorStatus("a-2", { state: "PENDING_CREATION" }), events.actorSpec("a-2"));
    view.applyActor(events.actorStatus("a-2"), null);
    view.applyActor(
      events.actorStatus("a-3", { state: "DEAD", deathCause: OOM }),
      events.actorSpec("a-3", { className: "Learner", ...inGroup }),
    );
    expect(reads.actorsOverview()).toEqual({
      total: 3,
      states: { ALIVE: 2, DEAD: 1 },
      classes: [
        { className: "Counter", total: 2, states: { ALIVE: 2 }, restarts: 0 },
        { className: "Learner", total: 1, states: { DEAD: 1 }, restarts: 0 },
      ],
      classesTotal: 2,
    });
    view.placementGroups.apply(events.groupRecord("g-1"));
    expect(reads.group("g-1")).toMatchObject({ actors: [{ actorId: "a-1" }], actorsTotal: 1 });
  });

  test("a hundred thousand of them are filtered, sorted and paged here", async () => {
    const { view, clock, reads } = newCluster();
    const total = 100_000;
    for (let i = 0; i < total; i++) {
      clock.ms = 1_000_000 + i;
      view.applyActor(
        events.actorStatus(`a-${String(i).padStart(6, "0")}`, { shared: true, pid: i % 10 }),
        events.actorSpec("a", { className: i % 1000 === 7 ? "Rare" : "Light" }),
      );
    }
    const newest = { filters: [], text: null, sort: "updatedMs", descending: true, limit: 50, after: null };
    const first = await reads.actors(newest);
    expect(first.total).toBe(total);
    expect(first.rows.map(({ actorId }) => actorId).slice(0, 2)).toEqual(["a-099999", "a-099998"]);
    const second = await reads.actors({ ...newest, after: first.next });
    expect(second.rows[0]!.actorId).toBe("a-099949");
    const rare = { ...newest, filters: ["className=Rare"], sort: "actorId", descending: false, limit: 60 };
    const seen: string[] = [];
    for (let after: string | null = null; seen.length < 100;) {
      const page: Awaited<ReturnType<typeof reads.actors>> = await reads.actors({ ...rare, after });
      expect(page.total).toBe(100);
      seen.push(...page.rows.map(({ actorId }) => actorId));
      after = page.next;
      if (after === null) break;
    }
    expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => `a-${String(i * 1000 + 7).padStart(6, "0")}`));
    const found = await reads.actors({ ...newest, text: "A-012345" });
    expect(found).toMatchObject({ total: 1, next: null, rows: [{ actorId: "a-012345" }] });
    // The topic of the live stream shows the newest without ranking all of them.
    clock.ms += 2_000;
    const { data } = view.read("actors", null);
    expect(data.total).toBe(total);
    expect(data.rows.length).toBe(200);
    expect(Math.min(...data.rows.map(({ actorId }) => Number(actorId.slice(2))))).toBe(total - 200);
  });

  test("a page says what is wrong with its question", async () => {
    const { reads } = newCluster();
    const query = { filters: [], text: null, sort: "updatedMs", descending: true, limit: 50, after: null };
    const wrong = async (some: object): Promise<string> => {
      const error = await reads.actors({ ...query, ...some }).then(() => null, (reason: Error) => reason);
      expect(error).toBeInstanceOf(RangeError);
      return error!.message;
    };
    expect(await wrong({ sort: "colour" })).toContain("colour");
    expect(await wrong({ limit: 0 })).toContain("1 to 200");
    expect(await wrong({ filters: ["colour=red"] })).toContain("colour");
    expect(await wrong({ after: "{]" })).toContain("cursor");
  });

  test("when those that are shown die, others that live take their places", () => {
    const { view, clock } = newCluster();
    for (let i = 0; i < 1_000; i++) {
      view.applyActor(events.actorStatus(`a-${i}`, { shared: true }), events.actorSpec("a"));
    }
    for (let i = 300; i < 1_000; i++) {
      view.applyActor(events.actorStatus(`a-${i}`, { shared: true, state: "DEAD", deathCause: OOM }), null);
    }
    clock.ms += 2_000;
    const { rows, total } = view.read("actors", null).data;
    expect(total).toBe(1_000);
    expect(rows.filter(({ state }) => state === "ALIVE").length).toBe(200);
  });
});

describe("nodes", () => {
  test("have a history, and what they use", () => {
    const { view, clock, reads } = newCluster();
    view.applyNodes([events.nodeRow("n-1")]);
    clock.ms += 1_000;
    view.applyNodes([events.nodeRow("n-1", { state: "SUSPECT", stateMessage: "no heartbeat for 3.0 s" })]);
    clock.ms += 1_000;
    view.applyNodes([events.nodeRow("n-1", { heardMs: clock.ms })]);
    view.applyNodes([events.nodeRow("n-1", { drain: { reason: "maintenance", deadlineMs: 9 } })]);
    view.applyWorkers("n-1", [{
      workerId: "w-1" as ProcessId,
      pid: 5,
      runtime: "bun",
      state: "LEASED",
      jobId: null,
      actorId: null,
      work: "countWords",
      startedMs: 1,
    }]);
    view.workers.applyFigures([{ workerId: "w-1" as ProcessId, rssBytes: 7 * MB, cpuPercent: 93 }]);
    expect(reads.node("n-1")).toMatchObject({
      workers: [{ workerId: "w-1", work: "countWords", rssBytes: 7 * MB, cpuPercent: 93 }],
      workersTotal: 1,
    });
    clock.ms += 1_000;
    view.applyNodes([events.nodeRow("n-1", { state: "DEAD", stateMessage: "it was drained" })]);
    view.nodeRefused("n-1", "it was declared dead");
    view.nodeRefused("n-1", "it was declared dead");
    const { events: history, node, workers } = reads.node("n-1")!;
    expect(history.map(({ kind }) => kind)).toEqual([
      ...["joined", "suspect", "back", "draining", "drained", "fenced"] as const,
    ]);
    expect(node).toMatchObject({ state: "DEAD", isFenced: true });
    expect(workers).toMatchObject([{ state: "DEAD", rssBytes: null }]);
    expect(reads.nodes().events[0]!.kind).toBe("fenced");
  });
});
