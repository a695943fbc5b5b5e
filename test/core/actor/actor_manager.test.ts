/** The actor manager, event by event: whole effect lists compared, invariants checked after each step. */
import { describe, expect, test } from "bun:test";
import type { ActorId, JobId, NodeId, ProcessId } from "../../../runtime/common/ids.ts";
import type { ActorSpec, ActorStatus, DeathCause } from "../../../runtime/common/task_spec.ts";
import type { ActorEffect, ActorEvent, ActorRecord } from "../../../runtime/core/actor/actor_events.ts";
import { START_DELAY_MS } from "../../../runtime/core/actor/actor_life.ts";
import { ActorManager, MISSING_MS } from "../../../runtime/core/actor/actor_manager.ts";
import { UNKNOWN_MS } from "../../../runtime/core/actor/unknown_actors.ts";
import { DEAD_ACTORS_KEPT } from "../../../runtime/core/actor/actor_table.ts";
import { A1, actorSpec, actorStatus, DRIVER, J1, N1, N2, O1, typesOf, WORKER } from "../gcs/fixtures.ts";

const CRASH: DeathCause = { code: "WORKER_DIED", message: "exit code 1" };

class Bench {
  machine: ActorManager = new ActorManager();
  nowMs: number = 1_000;

  step(event: ActorEvent): readonly ActorEffect[] {
    const effects = this.machine.step(this.nowMs, event);
    this.machine.check();
    return effects;
  }

  create(changes: Partial<ActorSpec> = {}, getIfExists: boolean = false): readonly ActorEffect[] {
    return this.step({
      type: "createActor",
      requestId: "q",
      spec: actorSpec(changes),
      getIfExists,
      refused: null,
    });
  }

  place(nodeId: NodeId = N1, incarnation: number = 1): readonly ActorEffect[] {
    return this.step({ type: "actorPlaced", actorId: A1, incarnation, nodeId });
  }

  started(changes: Partial<Extract<ActorEvent, { type: "actorStarted" }>> = {}): readonly ActorEffect[] {
    return this.step({
      type: "actorStarted",
      actorId: A1,
      incarnation: 1,
      nodeId: N1,
      workerId: WORKER,
      socketPath: "s",
      pid: 3,
      failed: false,
      message: "",
      hasErrorValue: false,
      ...changes,
    });
  }

  exited(changes: Partial<Extract<ActorEvent, { type: "processExited" }>> = {}): readonly ActorEffect[] {
    return this.step({
      type: "processExited",
      processId: WORKER,
      actorId: A1,
      incarnation: 1,
      intended: false,
      cause: CRASH,
      ...changes,
    });
  }

  /** Created, placed on n-1 and started there; n-2 watches. */
  alive(changes: Partial<ActorSpec> = {}): this {
    this.create(changes);
    this.step({ type: "watchActor", nodeId: N2, actorId: A1 });
    this.place();
    this.started();
    return this;
  }

  kill(noRestart: boolean, incarnation?: number): readonly ActorEffect[] {
    return this.step({ type: "killActor", requestId: "q", actorId: A1, noRestart, incarnation });
  }

  after(ms: number): readonly ActorEffect[] {
    this.nowMs += ms;
    return this.step({ type: "tick" });
  }

  get status(): ActorStatus {
    return this.machine.record(A1)!.status;
  }
}

function record(
  status: ActorStatus,
  spec: ActorSpec,
  nowMs: number,
  endedMs: number | null = null,
): ActorRecord {
  return { spec, status, createdMs: 1_000, startedMs: nowMs, endedMs };
}

describe("brought back for lineage", () => {
  const D1 = DRIVER;
  const lineage = (bench: Bench, word: "kept" | "rebuilt" | "released", process: ProcessId = D1) =>
    bench.step({ type: "actorLineage", actorId: A1, process, nodeId: N2, word });
  const revive = (bench: Bench, process: ProcessId = D1) =>
    bench.step({ type: "reviveActor", requestId: "r", actorId: A1, process, nodeId: N2 });
  const ended = (bench: Bench, incarnation: number = 1) =>
    bench.exited({ incarnation, intended: true, workerId: WORKER } as never);

  /** Out of scope after its calls. */
  function outOfScope(changes: Partial<ActorSpec> = {}): Bench {
    const bench = new Bench().alive({ maxRestarts: 2, ...changes });
    lineage(bench, "kept");
    bench.step({ type: "actorOutOfScope", actorId: A1 });
    const effects = ended(bench);
    expect(effects.find(({ type }) => type === "persistActor")).toMatchObject({
      record: { revivable: true, status: { state: "DEAD", deathCause: { code: "OUT_OF_SCOPE" } } },
    });
    return bench;
  }

  test("restarted at the cost of a restart, answered, and ended when its reviver is done", () => {
    const bench = outOfScope();
    expect(typesOf(revive(bench))).toEqual(["persistActor", "publishStatus", "placeActor", "actorRevived"]);
    expect(bench.status).toMatchObject({
      ...{ state: "RESTARTING", incarnation: 2, restartsLeft: 1, lineageRestarts: 1, deathCause: null },
    });
    bench.place(N1, 2);
    bench.started({ incarnation: 2 });
    expect(revive(bench)).toEqual([{ type: "actorRevived", requestId: "r", incarnation: 2, ending: false }]);
    expect(lineage(bench, "rebuilt")).toMatchObject([{ type: "stopActor", graceful: true }]);
    expect(revive(bench)).toEqual([{ type: "actorRevived", requestId: "r", incarnation: 2, ending: true }]);
    ended(bench, 2);
    expect(bench.status).toMatchObject({ state: "DEAD", deathCause: { code: "OUT_OF_SCOPE" } });
    revive(bench);
    expect(bench.status).toMatchObject({ state: "RESTARTING", restartsLeft: 0, lineageRestarts: 2 });
    // Before it was placed: dead at once.
    lineage(bench, "rebuilt");
    expect(revive(bench)).toMatchObject([{
      type: "actorRefused",
      message: expect.stringContaining("maxRestarts"),
    }]);
  });

  test("dead for good when nobody keeps results any more, nobody's node, owner or job lives", () => {
    const ends: ((bench: Bench) => void)[] = [
      (bench) => lineage(bench, "released"),
      (bench) => bench.step({ type: "nodeDied", nodeId: N2, reason: "x" }),
      (bench) => bench.step({ type: "jobEnded", jobId: J1 }),
      (bench) => bench.exited({ processId: D1, actorId: null }),
    ];
    for (const end of ends) {
      const bench = outOfScope();
      end(bench);
      expect(bench.status).toMatchObject({ state: "DEAD", deathCause: { code: "REF_DELETED" } });
      expect(bench.machine.record(A1)!.revivable).toBeUndefined();
      expect(revive(bench)).toMatchObject([{ type: "actorRefused", code: "ActorDiedError" }]);
    }
  });

  test("going out of scope waits for revivers that found it alive; one that exits is done", () => {
    const other = "w-9" as ProcessId;
    const bench = new Bench().alive({ maxRestarts: 1 });
    revive(bench, D1);
    revive(bench, other);
    expect(bench.step({ type: "actorOutOfScope", actorId: A1 })).toEqual([]);
    expect(lineage(bench, "rebuilt", D1)).toEqual([]);
    expect(typesOf(bench.exited({ processId: other, actorId: null }))).toEqual(["stopActor"]);
    const unknown = new Bench();
    expect(revive(unknown)).toMatchObject([{
      type: "actorRefused",
      message: expect.stringContaining("long ago"),
    }]);
    expect(lineage(unknown, "kept")).toEqual([]);
  });
});

describe("an actor's way to life", () => {
  test("created: persisted, then answered; placed: persisted, then started; started: published", () => {
    const bench = new Bench();
    const spec = actorSpec({ name: "alpha", maxRestarts: 2 });
    const pending = actorStatus({ restartsLeft: 2 });
    const before = { spec, createdMs: 1_000, startedMs: null, endedMs: null };
    expect(bench.create({ name: "alpha", maxRestarts: 2 })).toEqual([
      { type: "persistName", namespace: "ns", name: "alpha", actorId: A1 },
      { type: "persistActor", record: { ...before, status: pending } },
      { type: "placeActor", spec, incarnation: 1 },
      { type: "actorFound", requestId: "q", spec },
    ]);
    expect(bench.step({ type: "watchActor", nodeId: N2, actorId: A1 })).toEqual([
      { type: "publishStatus", nodes: [N2], status: pending },
    ]);
    expect(bench.place()).toEqual([
      { type: "persistActor", record: { ...before, status: { ...pending, nodeId: N1 } } },
      { type: "startActor", nodeId: N1, spec, incarnation: 1, restarted: false },
    ]);
    const alive = {
      ...pending,
      state: "ALIVE",
      nodeId: N1,
      workerId: WORKER,
      socketPath: "s",
      pid: 3,
    } as const;
    expect(bench.started()).toEqual([
      { type: "persistActor", record: record(alive, spec, 1_000) },
      { type: "publishStatus", nodes: [N2], status: alive },
    ]);
    // Resent.
    expect(bench.started()).toEqual([]);
  });

  test("stored constructor arguments are waited for", () => {
    const args = [{ id: O1, home: N1, bytes: 5 }];
    const bench = new Bench();
    expect(typesOf(bench.create({ args }))).toEqual(["persistActor", "actorFound", "awaitDependencies"]);
    expect(bench.status.state).toBe("DEPENDENCIES_UNREADY");
    expect(typesOf(bench.step({ type: "dependenciesReady", actorId: A1 }))).toEqual([
      "persistActor",
      "placeActor",
    ]);
    expect(bench.step({ type: "dependenciesReady", actorId: A1 })).toEqual([]);
    const other = new Bench();
    other.create({ args });
    other.step({ type: "dependenciesFailed", actorId: A1, message: "it was freed" });
    expect(other.status.deathCause).toEqual({
      code: "CREATION_FAILED",
      message: "a constructor argument of actor a-1 is lost: it was freed",
    });
  });

  test("a resent creation is answered as the first one was", () => {
    const bench = new Bench().alive();
    expect(bench.create()).toEqual([{ type: "actorFound", requestId: "q", spec: actorSpec() }]);
  });

  test("a constructor that throws is death without a restart, with its error", () => {
    const bench = new Bench();
    bench.create({ maxRestarts: 5 });
    bench.place();
    const effects = bench.started({ failed: true, message: "no", hasErrorValue: true });
    expect(typesOf(effects)).toEqual(["persistActor", "stopActor"]);
    expect(bench.status).toMatchObject({
      state: "DEAD",
      hasErrorValue: true,
      deathCause: { code: "CREATION_FAILED" },
    });
  });

  test("what cannot be placed is dead with the scheduler's reason", () => {
    const bench = new Bench();
    bench.create();
    bench.step({ type: "actorUnschedulable", actorId: A1, incarnation: 1, message: "n-9 is dead" });
    expect(bench.status.deathCause).toEqual({ code: "UNSCHEDULABLE", message: "n-9 is dead" });
  });

  test("an actor that has not begun can be moved, as another incarnation", () => {
    const bench = new Bench();
    bench.create();
    bench.place();
    const effects = bench.step({ type: "relocateActor", actorId: A1, incarnation: 1 });
    expect(typesOf(effects)).toEqual(["persistActor", "stopActor", "placeActor"]);
    bench.place(N2, 2);
    // The first node had started it meanwhile: what runs there ends.
    expect(bench.started()).toMatchObject([{ type: "stopActor", nodeId: N1, incarnation: 1 }]);
    bench.started({ incarnation: 2, nodeId: N2 });
    expect(bench.status).toMatchObject({ state: "ALIVE", incarnation: 2, nodeId: N2 });
    expect(bench.step({ type: "relocateActor", actorId: A1, incarnation: 2 })).toEqual([]);
  });
});

describe("names", () => {
  test("one living actor a name and namespace; it is free again at death", () => {
    const bench = new Bench();
    bench.create({ name: "alpha" });
    const other = { name: "alpha", actorId: "a-2" as ActorId };
    expect(bench.create(other)).toEqual([{
      type: "actorRefused",
      requestId: "q",
      code: "NameTakenError",
      message:
        'Cannot create actor Counter with the name "alpha" in namespace "ns": a-1 (Counter, PENDING_CREATION) has it',
    }]);
    expect(typesOf(bench.create({ ...other, namespace: "elsewhere" }))).toContain("actorFound");
    expect(typesOf(bench.kill(true))).toEqual(["cancelPlacement", "persistName", "persistActor", "killDone"]);
    expect(typesOf(bench.create({ name: "alpha", actorId: "a-3" as ActorId }))).toContain("persistName");
  });

  test("getIfExists answers the living holder, whatever the caller asked for", () => {
    const bench = new Bench();
    bench.create({ name: "alpha" });
    const effects = bench.create({ name: "alpha", actorId: "a-2" as ActorId, maxRestarts: 7 }, true);
    expect(effects).toEqual([{ type: "actorFound", requestId: "q", spec: actorSpec({ name: "alpha" }) }]);
    expect(bench.machine.record("a-2" as ActorId)).toBeNull();
  });

  test("a name that nobody living has is not found", () => {
    const bench = new Bench().alive({ name: "alpha" });
    const ask: ActorEvent = { type: "getActor", requestId: "q", name: "alpha", namespace: "ns" };
    expect(bench.step(ask)).toMatchObject([{ type: "actorFound" }]);
    bench.kill(true);
    expect(bench.step(ask)).toMatchObject([{ type: "actorRefused" }]);
  });
});

describe("crashes and restarts", () => {
  test("a crash uses up a restart, the last one is death", () => {
    const bench = new Bench().alive({ maxRestarts: 1 });
    expect(typesOf(bench.exited())).toEqual(["persistActor", "publishStatus", "placeActor"]);
    expect(bench.status).toMatchObject({
      state: "RESTARTING",
      incarnation: 2,
      restartsLeft: 0,
      workerId: null,
    });
    // The same exit again, and a late word of the first incarnation.
    expect(bench.exited()).toEqual([]);
    expect(bench.started()).toMatchObject([{ type: "stopActor", incarnation: 1 }]);
    bench.place(N2, 2);
    bench.started({ incarnation: 2, nodeId: N2, workerId: "w-2" as ProcessId });
    bench.exited({ incarnation: 2, processId: "w-2" as ProcessId });
    expect(bench.status).toMatchObject({ state: "DEAD", incarnation: 2, deathCause: CRASH });
  });

  test("the end of a drained node costs no restart, also when none is left; without any it is death", () => {
    const cause: DeathCause = { code: "PREEMPTED", message: "its node was drained" };
    const bench = new Bench().alive({ maxRestarts: 1 });
    bench.exited({ cause });
    expect(bench.status).toMatchObject({ state: "RESTARTING", incarnation: 2, restartsLeft: 1 });
    bench.place(N2, 2);
    bench.started({ incarnation: 2, nodeId: N2, workerId: "w-2" as ProcessId });
    bench.exited({ incarnation: 2, processId: "w-2" as ProcessId });
    expect(bench.status).toMatchObject({ state: "RESTARTING", restartsLeft: 0 });
    bench.place(N2, 3);
    bench.started({ incarnation: 3, nodeId: N2, workerId: "w-3" as ProcessId });
    bench.exited({ incarnation: 3, processId: "w-3" as ProcessId, cause });
    expect(bench.status).toMatchObject({ state: "RESTARTING", incarnation: 4, restartsLeft: 0 });
    const mortal = new Bench().alive({ maxRestarts: 0 });
    mortal.exited({ cause });
    expect(mortal.status).toMatchObject({ state: "DEAD", deathCause: cause });
  });

  test("an intended exit is death, whatever restarts are left", () => {
    const bench = new Bench().alive({ maxRestarts: -1 });
    bench.exited({ intended: true, cause: { code: "EXITED", message: "exitActor()" } });
    expect(bench.status).toMatchObject({ state: "DEAD", restartsLeft: -1, deathCause: { code: "EXITED" } });
  });

  test("a constructor that crashes again and again is tried with growing delays", () => {
    const bench = new Bench();
    bench.create({ maxRestarts: -1 });
    const placed: number[] = [];
    for (let incarnation = 1; incarnation <= 4; incarnation++) {
      bench.place(N1, incarnation);
      let effects = bench.exited({ incarnation });
      const crashMs = bench.nowMs;
      while (!typesOf(effects).includes("placeActor")) effects = bench.after(100);
      placed.push(bench.nowMs - crashMs);
    }
    expect(placed).toEqual([0, START_DELAY_MS, 2 * START_DELAY_MS, 4 * START_DELAY_MS]);
  });

  test("kill with restart gives a fresh instance, without one it is death; both are answered, also twice", () => {
    const bench = new Bench().alive({ maxRestarts: 1 });
    // The order to stop leaves when the restart is durable: a restarted head must know why its worker ended.
    expect(typesOf(bench.kill(false))).toEqual([
      "persistActor",
      "stopActor",
      "publishStatus",
      "placeActor",
      "killDone",
    ]);
    // Nothing of the new one has begun: it is fresh anyway.
    expect(typesOf(bench.kill(false))).toEqual(["killDone"]);
    expect(typesOf(bench.kill(true))).toEqual([
      "cancelPlacement",
      "persistActor",
      "publishStatus",
      "killDone",
    ]);
    expect(typesOf(bench.kill(true))).toEqual(["killDone"]);
  });

  test("a kill that names its incarnation costs one restart however often it is sent", () => {
    const bench = new Bench().alive({ maxRestarts: 2 });
    expect(typesOf(bench.kill(false, 1))).toContain("placeActor");
    expect(typesOf(bench.kill(false, 1))).toEqual(["killDone"]);
    expect(bench.status).toMatchObject({ incarnation: 2, restartsLeft: 1 });
  });

  test("an actor that is placed anew before it ran is no restarted one, one that was killed is", () => {
    const bench = new Bench();
    bench.create({ maxRestarts: 1 });
    bench.place();
    bench.step({ type: "relocateActor", actorId: A1, incarnation: 1 });
    const placed = (incarnation: number) =>
      bench.step({ type: "actorPlaced", actorId: A1, incarnation, nodeId: N2 });
    expect(placed(2).at(-1)).toMatchObject({ type: "startActor", incarnation: 2, restarted: false });
    bench.kill(false);
    expect(placed(3).at(-1)).toMatchObject({ type: "startActor", incarnation: 3, restarted: true });
  });

  test("an actor killed while it starts is stopped when it comes up", () => {
    const bench = new Bench();
    bench.create();
    bench.place();
    expect(typesOf(bench.kill(true))).toEqual(["persistActor", "stopActor", "killDone"]);
    expect(bench.started()).toMatchObject([{ type: "stopActor", nodeId: N1, cause: { code: "KILLED" } }]);
  });
});

describe("what takes an actor along", () => {
  test("its owner's death, unless it is detached; also when the creation arrives later", () => {
    const bench = new Bench().alive({ maxRestarts: 3 });
    bench.exited({ processId: DRIVER, actorId: null, incarnation: 0 });
    expect(bench.status.deathCause).toEqual({ code: "OWNER_DIED", message: "its owner d-1 died" });
    bench.create({ actorId: "a-2" as ActorId });
    expect(bench.machine.record("a-2" as ActorId)!.status.state).toBe("DEAD");
    bench.create({ actorId: "a-3" as ActorId, detached: true });
    expect(bench.machine.record("a-3" as ActorId)!.status.state).toBe("PENDING_CREATION");
  });

  test("its job's end, unless it is detached or owned by a detached actor's process", () => {
    const bench = new Bench().alive({ detached: true });
    bench.create({ actorId: "a-2" as ActorId, owner: WORKER });
    bench.create({ actorId: "a-3" as ActorId });
    bench.create({ actorId: "a-4" as ActorId, jobId: "j-2" as JobId });
    bench.step({ type: "jobEnded", jobId: J1 });
    const states = bench.machine.records().map(({ status }) => status.state);
    expect(states).toEqual(["ALIVE", "PENDING_CREATION", "DEAD", "PENDING_CREATION"]);
  });

  test("its last handle: it ends after its calls and does not come back; named and detached ones stay", () => {
    const bench = new Bench().alive({ maxRestarts: 9 });
    expect(bench.step({ type: "actorOutOfScope", actorId: A1 })).toMatchObject([{
      type: "stopActor",
      graceful: true,
    }]);
    expect(bench.status.state).toBe("ALIVE");
    bench.exited();
    expect(bench.status).toMatchObject({ state: "DEAD", deathCause: { code: "OUT_OF_SCOPE" } });
    const named = new Bench().alive({ name: "alpha" });
    expect(named.step({ type: "actorOutOfScope", actorId: A1 })).toEqual([]);
  });

  test("its node's death: a living one is restarted or dead, one that starts is placed again for nothing", () => {
    const bench = new Bench().alive({ ownerNode: N2, maxRestarts: 1 });
    expect(typesOf(bench.step({ type: "nodeDied", nodeId: N1, reason: "silent" }))).toEqual([
      "persistActor",
      "publishStatus",
      "placeActor",
    ]);
    bench.place(N1, 2);
    bench.step({ type: "nodeDied", nodeId: N1, reason: "silent" });
    expect(bench.status).toMatchObject({ state: "RESTARTING", incarnation: 3, restartsLeft: 0 });
    const other = new Bench().alive({ ownerNode: N2 });
    other.step({ type: "nodeDied", nodeId: N1, reason: "silent" });
    expect(other.status.deathCause).toEqual({ code: "NODE_DIED", message: "its node n-1 died: silent" });
  });

  test("its owner's node's death", () => {
    const bench = new Bench();
    bench.create({ maxRestarts: 5 });
    bench.place(N2);
    const effects = bench.step({ type: "nodeDied", nodeId: N1, reason: "silent" });
    expect(typesOf(effects)).toEqual(["persistActor", "stopActor"]);
    expect(bench.status.deathCause!.code).toBe("OWNER_DIED");
  });
});

describe("watchers", () => {
  test("an actor that is not known yet is told of when it comes, or given up", () => {
    const bench = new Bench();
    expect(bench.step({ type: "watchActor", nodeId: N2, actorId: A1 })).toEqual([]);
    expect(typesOf(bench.create())).toEqual(["persistActor", "publishStatus", "placeActor", "actorFound"]);
    const other = new Bench();
    other.step({ type: "watchActor", nodeId: N2, actorId: A1 });
    expect(other.after(UNKNOWN_MS - 1)).toEqual([]);
    expect(other.after(1)).toMatchObject([{ type: "publishStatus", nodes: [N2], status: { state: "DEAD" } }]);
    expect(other.after(UNKNOWN_MS)).toEqual([]);
  });

  test("an actor whose creation never comes is dead when its owner is, before or after it was watched", () => {
    const exited = (processId: ProcessId) => ({
      type: "processExited" as const,
      processId,
      actorId: null,
      incarnation: 0,
      intended: false,
      cause: { code: "WORKER_DIED" as const, message: "it crashed" },
    });
    const owner = "w-owner" as ProcessId;
    const died = {
      type: "publishStatus",
      nodes: [N2],
      status: { actorId: A1, state: "DEAD", deathCause: { code: "OWNER_DIED" } },
    };
    const bench = new Bench();
    expect(bench.step({ type: "watchActor", nodeId: N2, actorId: A1, owner })).toEqual([]);
    expect(bench.step(exited("w-other" as ProcessId))).toEqual([]);
    expect(bench.step(exited(owner))).toMatchObject([died]);
    expect(bench.step({ type: "watchActor", nodeId: N2, actorId: A1, owner })).toMatchObject([died]);
    expect(bench.after(UNKNOWN_MS)).toEqual([]);
    // A creation that was on its way all the same changes nothing.
    bench.create({ owner });
    expect(bench.status).toMatchObject({ state: "DEAD", deathCause: { code: "OWNER_DIED" } });
  });

  test("one that unwatched, or died, hears nothing", () => {
    const bench = new Bench().alive({ detached: true });
    bench.step({ type: "unwatchActor", nodeId: N2, actorId: A1 });
    expect(typesOf(bench.kill(true))).not.toContain("publishStatus");
    const other = new Bench().alive({ detached: true });
    other.step({ type: "nodeDied", nodeId: N2, reason: "silent" });
    expect(typesOf(other.kill(true))).not.toContain("publishStatus");
  });
});

describe("a node that comes back, or a head", () => {
  const ALIVE = actorStatus({
    state: "ALIVE",
    nodeId: N1,
    workerId: WORKER,
    socketPath: "s",
    pid: 3,
    restartsLeft: 1,
  });
  const spec = actorSpec({ maxRestarts: 1 });

  function restarted(status: ActorStatus): Bench {
    const bench = new Bench();
    bench.machine = new ActorManager(bench.nowMs, [record(status, spec, 1_000)]);
    bench.machine.check();
    return bench;
  }

  test("an actor that its node reports stays as it is", () => {
    const bench = restarted(ALIVE);
    expect(bench.step({ type: "actorsReported", nodeId: N1, actors: [ALIVE] })).toEqual([]);
    expect(bench.after(MISSING_MS)).toEqual([]);
    expect(bench.status.state).toBe("ALIVE");
  });

  test("one that nobody reports is restarted after a grace in which the word of its end may still come", () => {
    const bench = restarted(ALIVE);
    expect(bench.step({ type: "actorsReported", nodeId: N1, actors: [] })).toEqual([]);
    expect(bench.after(MISSING_MS - 1)).toEqual([]);
    expect(typesOf(bench.after(1))).toEqual(["persistActor", "stopActor", "placeActor"]);
    const told = restarted(ALIVE);
    told.step({ type: "actorsReported", nodeId: N1, actors: [] });
    told.exited({ intended: true, cause: { code: "EXITED", message: "exitActor()" } });
    expect(told.status.deathCause!.code).toBe("EXITED");
    expect(told.after(MISSING_MS)).toEqual([]);
  });

  test("an order to start that was lost is given again, one that was carried out is noticed", () => {
    const starting = actorStatus({ nodeId: N1, restartsLeft: 1 });
    const bench = restarted(starting);
    bench.step({ type: "actorsReported", nodeId: N1, actors: [] });
    expect(bench.after(MISSING_MS)).toEqual([{
      type: "startActor",
      nodeId: N1,
      spec,
      incarnation: 1,
      restarted: false,
    }]);
    const other = restarted(starting);
    other.step({ type: "actorsReported", nodeId: N1, actors: [ALIVE] });
    expect(other.status).toMatchObject({ state: "ALIVE", workerId: WORKER });
  });

  test("one without a place is placed by the restarted head", () => {
    const bench = restarted(actorStatus({ state: "RESTARTING", incarnation: 2 }));
    expect(bench.after(0)).toEqual([{ type: "placeActor", spec, incarnation: 2 }]);
  });

  test("what is dead, unknown or an earlier incarnation must end there", () => {
    const bench = restarted({ ...ALIVE, incarnation: 2 });
    const unknown = { ...ALIVE, actorId: "a-9" as ActorId };
    expect(bench.machine.endedAmong([ALIVE, unknown])).toEqual(["a-9" as ActorId]);
    expect(bench.step({ type: "actorsReported", nodeId: N1, actors: [ALIVE, unknown] })).toMatchObject([
      { type: "stopActor", actorId: A1, incarnation: 1 },
    ]);
  });

  test("its watchers hear again what they may have missed", () => {
    const bench = new Bench().alive();
    const effects = bench.step({ type: "actorsReported", nodeId: N2, actors: [] });
    expect(effects).toEqual([{ type: "publishStatus", nodes: [N2], status: bench.status }]);
  });
});

test("the memory of dead actors is bounded", () => {
  const machine = new ActorManager();
  for (let index = 0; index <= DEAD_ACTORS_KEPT; index++) {
    const actorId = `a-x${index}` as ActorId;
    machine.step(1, {
      type: "createActor",
      requestId: "q",
      spec: actorSpec({ actorId }),
      getIfExists: false,
      refused: null,
    });
    const effects = machine.step(1, { type: "killActor", requestId: "q", actorId, noRestart: true });
    if (index === DEAD_ACTORS_KEPT) {
      expect(effects).toContainEqual({ type: "forgetActor", actorId: "a-x0" as ActorId });
    }
  }
  machine.check();
});
