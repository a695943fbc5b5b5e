/** The GCS as one machine: who hears of what, in which order, and what waits for a commit. */
import { describe, expect, test } from "bun:test";
import type { ActorId, JobId, NodeId, ProcessId } from "../../../runtime/common/ids.ts";
import { toUnits } from "../../../runtime/common/resources.ts";
import { Gcs } from "../../../runtime/core/gcs/gcs.ts";
import type { GcsEffect, GcsEvent } from "../../../runtime/core/gcs/gcs_events.ts";
import { OWNER_GRACE_MS } from "../../../runtime/core/object/owner_deaths.ts";
import type { NodeRegistration } from "../../../runtime/protocol/messages.ts";
import {
  A1,
  actorSpec,
  actorStatus,
  DRIVER,
  heartbeat,
  J1,
  leaseRequest,
  N1,
  N2,
  O1,
  object,
  registration,
  WORKER,
} from "./fixtures.ts";

class Bench {
  gcs: Gcs = new Gcs(1_000);
  nowMs: number = 1_000;

  step(event: GcsEvent): readonly GcsEffect[] {
    const effects = this.gcs.step(this.nowMs, event);
    this.gcs.check();
    return effects;
  }

  register(nodeId: NodeId, changes: Partial<NodeRegistration> = {}): readonly GcsEffect[] {
    const connection = Number(nodeId.slice(2));
    const said = registration({ nodeId, ...changes });
    return this.step({ type: "registerNode", requestId: `reg ${nodeId}`, connection, registration: said });
  }

  job(): readonly GcsEffect[] {
    return this.step({
      type: "addJob",
      requestId: "job",
      newJobId: J1,
      driverId: DRIVER,
      nodeId: N1,
      namespace: "ns",
      entrypoint: "main.ts",
      pid: 1,
      runtime: "bun",
    });
  }

  create(changes: Parameters<typeof actorSpec>[0] = {}): readonly GcsEffect[] {
    return this.step({
      type: "createActor",
      requestId: "create",
      spec: actorSpec(changes),
      getIfExists: false,
    });
  }

  started(nodeId: NodeId): readonly GcsEffect[] {
    return this.step({
      type: "actorStarted",
      requestId: "started",
      actorId: A1,
      incarnation: 1,
      nodeId,
      workerId: WORKER,
      socketPath: "s",
      pid: 3,
      failed: false,
      message: "",
      hasErrorValue: false,
    });
  }
}

/** One line per effect: what, for whom, whether it waits for the commit. */
function lines(effects: readonly GcsEffect[]): string[] {
  return effects.map((effect) => {
    const commit = "afterCommit" in effect && effect.afterCommit ? " after commit" : "";
    if (effect.type === "send") return `${effect.method} to ${effect.nodeId}${commit}`;
    if (effect.type === "reply") return `reply ${effect.requestId}${commit}`;
    if (effect.type === "replyError") return `${effect.code} ${effect.requestId}${commit}`;
    return effect.type;
  });
}

describe("nodes and jobs", () => {
  test("a node that joins is persisted, bound, answered, and announced to all", () => {
    const bench = new Bench();
    bench.register(N1);
    expect(lines(bench.register(N2))).toEqual([
      "persistNode",
      "nodeConnected",
      "reply reg n-2 after commit",
      "nodesChanged to n-1",
      "nodesChanged to n-2",
    ]);
  });

  test("a job is answered after its commit; its end reaches actors, waiters and all nodes", () => {
    const bench = new Bench();
    bench.register(N1);
    bench.register(N2);
    expect(lines(bench.job())).toEqual(["persistJob", "reply job after commit"]);
    bench.create();
    bench.step({
      type: "locateObject",
      requestId: "get",
      nodeId: N2,
      waitId: "x",
      id: O1,
      home: N1,
      wait: true,
    });
    bench.step({
      type: "pickNode",
      requestId: "pick",
      nodeId: N2,
      request: leaseRequest({ resources: toUnits({ CPU: 9 }) }),
      exclude: [],
    });
    expect(lines(bench.step({ type: "endJob", requestId: "end", jobId: J1, reason: "done", failed: false })))
      .toEqual([
        "persistJob",
        "TaskCancelledError pick",
        "persistActor",
        `stopActor to ${bench.gcs.actors.record(A1)!.status.nodeId} after commit`,
        "jobEnded to n-1 after commit",
        "jobEnded to n-2 after commit",
        "reply end after commit",
      ]);
    bench.nowMs += OWNER_GRACE_MS;
    expect(lines(bench.step({ type: "tick" }))).toContain("OwnerDiedError get");
  });

  test("a node's death reaches placement, jobs, actors and objects, in this order", () => {
    const bench = new Bench();
    bench.register(N1);
    bench.register(N2, { objects: [object({ home: N2 })] });
    bench.job();
    bench.create({
      detached: true,
      strategy: { type: "nodeAffinity", nodeId: N2, soft: true },
      maxRestarts: 1,
    });
    bench.started(N2);
    const effects = bench.step({
      type: "unregisterNode",
      requestId: "bye",
      nodeId: N2,
      epoch: 1,
      reason: "it left",
    });
    expect(lines(effects)).toEqual([
      "persistNode",
      "closeConnection",
      "persistActor",
      "persistActor",
      "startActor to n-1 after commit",
      "persistObjects",
      "objectLost",
      "nodesChanged to n-1",
      "reply bye after commit",
    ]);
  });

  test("a node that comes back hears which jobs and actors ended meanwhile", () => {
    const bench = new Bench();
    bench.register(N1);
    bench.job();
    bench.step({ type: "endJob", requestId: "end", jobId: J1, reason: "done", failed: false });
    const gone = actorStatus({ actorId: "a-gone" as ActorId, state: "ALIVE" });
    const reply = bench.register(N2, { actors: [gone] }).find((effect) => effect.type === "reply");
    expect(reply!.result).toMatchObject({ endedJobs: [J1], endedActors: ["a-gone"] });
  });
});

describe("placement", () => {
  test("a lease request is answered with the node and the step for the trace", () => {
    const bench = new Bench();
    bench.register(N1);
    bench.register(N2, { objects: [object({ home: N2, bytes: 64_000_000 })] });
    const request = leaseRequest({ args: [{ id: O1, home: N2, bytes: 0 }] });
    const [effect] = bench.step({ type: "pickNode", requestId: "pick", nodeId: N1, request, exclude: [] });
    expect(effect).toEqual({
      type: "reply",
      requestId: "pick",
      result: {
        nodeId: N2,
        steps: [{
          taskId: request.taskId,
          journey: "submit",
          step: 4,
          name: "globalPick",
          nodeId: null,
          processId: null,
          atMs: 1_000,
          detail:
            "n-2: free (0 % used) = 0 ms; n-1: free (0 % used) + move 61.0 MiB / 954 MiB/s assumed = 64 ms",
        }],
      },
      afterCommit: false,
    });
  });

  test("the driver's node hears of demand that nobody can meet; a cancelled request is answered", () => {
    const bench = new Bench();
    bench.register(N1);
    bench.job();
    const request = leaseRequest({ resources: toUnits({ CPU: 99 }) });
    expect(lines(bench.step({ type: "pickNode", requestId: "pick", nodeId: N1, request, exclude: [] })))
      .toEqual([
        "message to n-1",
      ]);
    expect(lines(bench.step({ type: "cancelPick", submitter: DRIVER, leaseRequestId: "r1" }))).toEqual([
      "TaskCancelledError pick",
    ]);
    expect(bench.step({ type: "cancelPick", submitter: DRIVER, leaseRequestId: "r1" })).toEqual([]);
  });

  test("hard affinity to a dead node is TaskUnschedulableError", () => {
    const bench = new Bench();
    bench.register(N1);
    const strategy = { type: "nodeAffinity", nodeId: N2, soft: false } as const;
    const request = leaseRequest({ strategy });
    expect(lines(bench.step({ type: "pickNode", requestId: "pick", nodeId: N1, request, exclude: [] })))
      .toEqual([
        "TaskUnschedulableError pick",
      ]);
  });

  test("an actor that waits behind others moves to a node that can start it", () => {
    const bench = new Bench();
    bench.register(N1);
    bench.job();
    bench.create();
    bench.register(N2);
    const waitingActors = [{ actorId: A1, incarnation: 1 }];
    const busy = heartbeat({ available: { CPU: 0 }, waitingActors });
    expect(lines(bench.step({ type: "heartbeatReceived", heartbeat: busy }))).toEqual([
      "persistActor",
      "stopActor to n-1 after commit",
      "persistActor",
      "startActor to n-2 after commit",
    ]);
    // The same again, late: it is not there any more.
    expect(bench.step({ type: "heartbeatReceived", heartbeat: { ...busy, sequence: 2 } })).toEqual([]);
  });
});

describe("actors", () => {
  test("created, placed and answered; nothing leaves before the commit", () => {
    const bench = new Bench();
    bench.register(N1);
    bench.job();
    bench.step({ type: "watchActor", nodeId: N1, actorId: A1 });
    expect(lines(bench.create({ name: "alpha" }))).toEqual([
      "persistName",
      "persistActor",
      "actorStatus to n-1 after commit",
      "persistActor",
      "startActor to n-1 after commit",
      "reply create after commit",
    ]);
    expect(lines(bench.started(N1))).toEqual([
      "persistActor",
      "actorStatus to n-1 after commit",
      "reply started after commit",
    ]);
  });

  test("of a job that has ended, they are dead from the start", () => {
    const bench = new Bench();
    bench.create();
    expect(bench.gcs.actors.record(A1)!.status.deathCause!.code).toBe("JOB_ENDED");
  });

  test("wait for their arguments, and die with them", () => {
    const bench = new Bench();
    bench.register(N1);
    bench.job();
    const other = object({ id: "o-2-1.0" as typeof O1 });
    const args = [object(), other].map(({ id, home, bytes }) => ({ id, home, bytes }));
    expect(lines(bench.create({ args }))).toEqual(["persistActor", "reply create after commit"]);
    const report = (id: typeof O1) =>
      bench.step({
        type: "objectsReported",
        requestId: "r",
        nodeId: N1,
        added: [object({ id })],
        removed: [],
      });
    expect(lines(report(O1))).toEqual(["persistObjects", "reply r"]);
    expect(lines(report(other.id))).toContain("startActor to n-1 after commit");

    const lost = new Bench();
    lost.register(N1);
    lost.job();
    lost.create({ args });
    const freed = lost.step({ type: "freeObjects", requestId: "f", ids: [O1, other.id] });
    expect(lines(freed)).toEqual(["persistActor", "reply f after commit"]);
    expect(lost.gcs.actors.record(A1)!.status.deathCause!.code).toBe("CREATION_FAILED");
    expect(lost.gcs.objects.waiterCount).toBe(0);
  });

  test("whose argument is lost already are told to be dead last", () => {
    const bench = new Bench();
    bench.register(N1);
    bench.job();
    bench.step({ type: "watchActor", nodeId: N1, actorId: A1 });
    bench.step({ type: "freeObjects", requestId: "f", ids: [O1] });
    const statuses = bench.create({ args: [{ id: O1, home: N1, bytes: 1 }] }).flatMap((effect) =>
      effect.type === "send" && effect.method === "actorStatus" ? [effect.params.status.state] : []
    );
    expect(statuses).toEqual(["DEPENDENCIES_UNREADY", "DEAD"]);
  });

  test("a dead worker takes what it owned along, and its objects' waiters", () => {
    const bench = new Bench();
    bench.register(N1);
    bench.job();
    bench.create({ owner: WORKER });
    const cause = { code: "WORKER_DIED", message: "exit code 9" } as const;
    const event = {
      nodeId: N1,
      workerId: WORKER,
      jobId: J1,
      actorId: null,
      incarnation: 0,
      intended: false,
      cause,
    };
    expect(lines(bench.step({ type: "workerExited", requestId: "exit", ...event }))).toEqual([
      "persistActor",
      "stopActor to n-1 after commit",
      "reply exit after commit",
    ]);
  });
});

describe("a restarted head", () => {
  test("tells again what the old one could not finish, and keeps what comes back", () => {
    const before = new Bench();
    before.register(N1, { objects: [object()] });
    before.register(N2);
    before.job();
    before.create({ detached: true, strategy: { type: "nodeAffinity", nodeId: N2, soft: true } });
    before.started(N2);
    const orphan = actorSpec({ actorId: "a-orphan" as ActorId, jobId: "j-over" as typeof J1 });
    const nodes = before.gcs.nodes.rows().map(({ nodeId }) => ({
      facts: before.gcs.nodes.facts(nodeId)!,
      state: "ALIVE" as const,
      stateMessage: "",
      startedMs: 1,
      endedMs: null,
      drain: null,
    }));
    const records = {
      nodes,
      jobs: before.gcs.jobs.jobs(),
      groups: [],
      actors: [
        ...before.gcs.actors.records(),
        {
          spec: orphan,
          status: actorStatus({ actorId: orphan.actorId }),
          createdMs: 1,
          startedMs: null,
          endedMs: null,
        },
      ],
      objects: [{ nodeId: N1, object: object() }, {
        nodeId: "n-gone" as NodeId,
        object: object({ id: "o-1-7.0" as typeof O1 }),
      }],
    };
    const bench = new Bench();
    bench.gcs = new Gcs(bench.nowMs, records);
    bench.gcs.check();
    expect(bench.gcs.objects.size).toBe(1);
    bench.step({ type: "tick" });
    // Its job is over: the old head died before it could say so.
    expect(bench.gcs.actors.record(orphan.actorId)!.status.deathCause!.code).toBe("JOB_ENDED");
    // Nodes that may come back get no new work, and demand for them is no reason for a warning.
    const asked = bench.step({
      type: "pickNode",
      requestId: "p",
      nodeId: N1,
      request: leaseRequest(),
      exclude: [],
    });
    expect(asked).toEqual([]);
    bench.register(N1, { objects: [object()], drivers: [{ driverId: DRIVER, jobId: J1 }] });
    const alive = before.gcs.actors.record(A1)!.status;
    bench.register(N2, { actors: [alive] });
    expect(bench.gcs.actors.record(A1)!.status).toEqual(alive);
    expect(bench.gcs.jobs.isRunning(J1)).toBe(true);
    bench.nowMs += 100_000;
    bench.gcs.check();
  });

  test("an old driver's exit after the restart ends what it owned", () => {
    const bench = new Bench();
    bench.gcs = new Gcs(1_000, {
      nodes: [],
      jobs: [],
      actors: [{
        spec: actorSpec({ owner: "w-9" as ProcessId }),
        status: actorStatus(),
        createdMs: 1,
        startedMs: null,
        endedMs: null,
      }],
      groups: [],
      objects: [],
    });
    bench.step({ type: "tick" });
    expect(bench.gcs.actors.record(A1)!.status.state).toBe("DEAD");
  });
});

test("a driver that asks again for a job, since the first answer was lost, owns what it makes", () => {
  const bench = new Bench();
  bench.register(N1);
  bench.register(N2);
  bench.job();
  // The connection broke before the answer came: the node knows of no job, and its head ends it.
  bench.register(N1, { drivers: [] });
  expect(bench.gcs.jobs.isRunning(J1)).toBe(false);
  const again = { requestId: "again", newJobId: "j-2" as JobId, driverId: DRIVER, nodeId: N1 };
  bench.step({ type: "addJob", ...again, namespace: "ns", entrypoint: "main.ts", pid: 1, runtime: "bun" });
  const locate = { requestId: "where", nodeId: N2, waitId: "x", id: O1, home: N1, wait: true };
  expect(bench.step({ type: "locateObject", ...locate })).toEqual([]);
  bench.nowMs += 2 * OWNER_GRACE_MS;
  bench.step({ type: "heartbeatReceived", heartbeat: heartbeat({ nodeId: N1 }) });
  bench.step({ type: "heartbeatReceived", heartbeat: heartbeat({ nodeId: N2 }) });
  expect(bench.step({ type: "tick" }).filter((effect) => effect.type === "replyError")).toEqual([]);
  const made = bench.step({
    type: "objectsReported",
    requestId: "r",
    nodeId: N1,
    added: [object()],
    removed: [],
  });
  expect(made.find((effect) => effect.type === "reply")).toMatchObject({ requestId: "where" });
});
