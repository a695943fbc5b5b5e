/**
 * Goal: every decision of the local scheduler, one at a time. Method: whole effect lists are compared, and the machine
 * checks its own invariants after every step.
 */
import { describe, test } from "bun:test";
import { strict as assert } from "node:assert";
import type { JobId, NodeId, ObjectId, ProcessId } from "../../../runtime/common/ids.ts";
import { toUnits } from "../../../runtime/common/resources.ts";
import type { DeathCause, LeaseRequest } from "../../../runtime/common/task_spec.ts";
import { LocalScheduler } from "../../../runtime/core/scheduler/local_scheduler.ts";
import type {
  LeaseOrigin,
  LocalSchedulerEffect,
  LocalSchedulerEvent,
} from "../../../runtime/core/scheduler/local_scheduler_types.ts";
import { HERE, leaseRequest, THERE } from "./local_scheduler_world.ts";

const CRASH: DeathCause = { code: "WORKER_DIED", message: "exit code 1" };

/** A machine with its clock; timers are dropped from what `send` answers, because most tests are not about them. */
class Scene {
  readonly machine: LocalScheduler;
  nowMs: number = 1_000;
  timers: number[] = [];
  #starts: number = 0;

  constructor(resources: Record<string, number> = { CPU: 2 }, labels: Record<string, string> = {}) {
    this.machine = new LocalScheduler({
      nodeId: HERE,
      leaseIdPrefix: "l",
      resources: toUnits(resources),
      labels,
    });
  }

  send(event: LocalSchedulerEvent): LocalSchedulerEffect[] {
    const effects = this.machine.step(this.nowMs, event);
    this.machine.check();
    this.timers.push(...effects.filter((effect) => effect.type === "setTimer").map(({ atMs }) => atMs));
    return effects.filter((effect) => effect.type !== "setTimer");
  }

  request(
    changes: Partial<LeaseRequest> & { cpu?: number; gpu?: number } = {},
    origin: LeaseOrigin = "own",
    missingBytes: number | null = 0,
  ): LocalSchedulerEffect[] {
    return this.send({ type: "leaseRequested", request: leaseRequest(changes), origin, missingBytes });
  }

  /** Have `count` idle workers w-1, w-2, … */
  workers(count: number): this {
    const wanted = this.#starts + count;
    // Only so many come up at once.
    while (this.#starts < wanted) {
      for (const effect of this.send({ type: "prestart", count: wanted })) {
        assert.equal(effect.type, "startWorker");
        this.#starts++;
        this.send({ type: "workerReady", startId: this.#starts, workerId: `w-${this.#starts}` as ProcessId });
      }
    }
    return this;
  }

  peers(...alive: NodeId[]): this {
    this.send({ type: "peersChanged", alive });
    return this;
  }

  tick(ms: number): LocalSchedulerEffect[] {
    this.nowMs += ms;
    return this.send({ type: "timer" });
  }

  giveBack(leaseId: string): LocalSchedulerEffect[] {
    return this.send({ type: "leaseReturned", leaseId, discardWorker: false });
  }
}

function types(effects: readonly LocalSchedulerEffect[]): string[] {
  return effects.map(({ type }) => type);
}

function grants(effects: readonly LocalSchedulerEffect[]): string[] {
  return effects.filter((effect) => effect.type === "grant").map(({ key, workerId }) =>
    `${key} on ${workerId}`
  );
}

const ARGUMENT = { id: "o-1-1.0" as ObjectId, home: HERE, bytes: 5_000_000 };

describe("granting", () => {
  test("a request that fits starts a worker, binds it to the job and is granted when the worker is ready", () => {
    const scene = new Scene();
    assert.deepEqual(scene.request(), [{ type: "startWorker", startId: 1, runtimeEnv: { hash: "" } }]);
    assert.deepEqual(scene.send({ type: "workerReady", startId: 1, workerId: "w-1" as ProcessId }), [
      { type: "assignJob", workerId: "w-1", jobId: "j-1" },
      {
        type: "grant",
        key: "d-1/r1",
        request: leaseRequest(),
        origin: "own",
        leaseId: "l1",
        workerId: "w-1",
        resources: { CPU: 10_000 },
        gpuIds: [],
      },
    ]);
    assert.deepEqual(scene.machine.available, { CPU: 10_000 });
  });

  test("a returned lease's worker is granted again to the same job, without a start", () => {
    const scene = new Scene().workers(1);
    scene.request();
    assert.deepEqual(scene.giveBack("l1"), []);
    assert.deepEqual(grants(scene.request({ requestId: "r2" })), ["d-1/r2 on w-1"]);
  });

  test("a worker of one job or environment never serves another", () => {
    const scene = new Scene().workers(1);
    scene.request();
    scene.giveBack("l1");
    const jobId = "j-2" as JobId;
    assert.deepEqual(types(scene.request({ requestId: "r2", jobId })), ["startWorker"]);
    assert.deepEqual(types(scene.request({ requestId: "r3", runtimeEnv: { hash: "e" }, classKey: "e" })), [
      // The idle worker makes room: the node has as many as CPUs.
      "stopWorker",
      "startWorker",
    ]);
  });

  test("no more workers are started than have resources", () => {
    const scene = new Scene({ CPU: 2 });
    scene.request({ requestId: "r1" });
    scene.request({ requestId: "r2" });
    assert.deepEqual(scene.request({ requestId: "r3" }), []);
  });

  test("GPU indices are given out one by one and come back", () => {
    const scene = new Scene({ CPU: 4, GPU: 2 }).workers(3);
    const gpuIds = (effects: LocalSchedulerEffect[]): readonly number[][] =>
      effects.filter((effect) => effect.type === "grant").map((effect) => [...effect.gpuIds]);
    assert.deepEqual(gpuIds(scene.request({ requestId: "r1", gpu: 1 })), [[0]]);
    assert.deepEqual(gpuIds(scene.request({ requestId: "r2", gpu: 0.5 })), [[1]]);
    assert.deepEqual(gpuIds(scene.request({ requestId: "r3", gpu: 0.5 })), [[1]]);
    assert.deepEqual(gpuIds(scene.request({ requestId: "r4", gpu: 1 })), []);
    scene.send({ type: "leaseReturned", leaseId: "l2", discardWorker: false });
    assert.deepEqual(gpuIds(scene.giveBack("l1")), [[0]]);
  });

  test("a repeated request gets its grant again and nothing twice", () => {
    const scene = new Scene().workers(1);
    const first = scene.request();
    assert.deepEqual(scene.request(), first.filter(({ type }) => type === "grant"));
    assert.equal(scene.machine.leaseCount, 1);
  });

  test("an actor's lease dedicates its worker: when it is over the worker ends", () => {
    const scene = new Scene().workers(1);
    // With prestart on, another worker is made ready for the next actor.
    assert.deepEqual(types(scene.request({ kind: "actor" }, "head")), ["assignJob", "grant", "startWorker"]);
    assert.deepEqual(types(scene.giveBack("l1")), ["stopWorker"]);
    assert.deepEqual(scene.machine.available, { CPU: 10_000 });
    scene.send({ type: "workerExited", workerId: "w-1" as ProcessId, cause: CRASH });
    assert.deepEqual(scene.machine.available, { CPU: 20_000 });
  });
});

describe("order", () => {
  test("deeper requests go first", () => {
    const scene = new Scene({ CPU: 1 }).workers(1);
    scene.request({ requestId: "r1" });
    scene.request({ requestId: "r2" });
    scene.request({ requestId: "r3", depth: 1 });
    assert.deepEqual(grants(scene.giveBack("l1")), ["d-1/r3 on w-1"]);
  });

  test("classes take turns within a depth", () => {
    const scene = new Scene({ CPU: 1 }).workers(1);
    scene.request({ requestId: "r0" });
    for (const requestId of ["a1", "a2", "a3"]) scene.request({ requestId, classKey: "a" });
    for (const requestId of ["b1", "b2"]) scene.request({ requestId, classKey: "b" });
    const order: string[] = [];
    for (let lease = 1; lease <= 5; lease++) order.push(...grants(scene.giveBack(`l${lease}`)));
    assert.deepEqual(order.map((text) => text.slice(4, 6)), ["a1", "b1", "a2", "b2", "a3"]);
  });

  test("a large request that small ones keep overtaking gets its turn", () => {
    const scene = new Scene({ CPU: 2 }).workers(2);
    scene.request({ requestId: "s1" });
    scene.request({ requestId: "s2" });
    scene.request({ requestId: "big", cpu: 2 });
    scene.request({ requestId: "s3" });
    assert.deepEqual(grants(scene.giveBack("l1")), ["d-1/s3 on w-2"]);
    scene.tick(1_100);
    scene.request({ requestId: "s4" });
    assert.deepEqual(grants(scene.giveBack("l2")), []);
    assert.deepEqual(grants(scene.giveBack("l3")), ["d-1/big on w-2"]);
  });
});

describe("blocked tasks", () => {
  test("a blocked task's CPU is free for others, and is taken back without queueing", () => {
    const scene = new Scene({ CPU: 1 }).workers(2);
    scene.request({ requestId: "parent" });
    assert.deepEqual(grants(scene.request({ requestId: "child", depth: 1 })), []);
    const workerId = "w-2" as ProcessId;
    assert.deepEqual(grants(scene.send({ type: "workerBlocked", workerId })), ["d-1/child on w-1"]);
    scene.send({ type: "workerUnblocked", workerId });
    assert.deepEqual(scene.machine.available, { CPU: -10_000 });
    scene.giveBack("l2");
    scene.giveBack("l1");
    assert.deepEqual(scene.machine.available, { CPU: 10_000 });
  });

  test("blocked roots do not draw in one process after another", () => {
    const scene = new Scene({ CPU: 1 }).workers(1);
    scene.request({ requestId: "root1" });
    for (const requestId of ["root2", "root3", "root4"]) scene.request({ requestId });
    // One more is started at once, so that a task may wait for one that was submitted after it.
    assert.deepEqual(types(scene.send({ type: "workerBlocked", workerId: "w-1" as ProcessId })), [
      "startWorker",
    ]);
    scene.send({ type: "workerReady", startId: 2, workerId: "w-2" as ProcessId });
    assert.deepEqual(types(scene.send({ type: "workerBlocked", workerId: "w-2" as ProcessId })), []);
    // Deeper work is what the blocked ones wait for.
    assert.deepEqual(types(scene.request({ requestId: "child", depth: 1 })), ["startWorker"]);
    scene.send({ type: "workerReady", startId: 3, workerId: "w-3" as ProcessId });
    // A worker that is there already costs nothing.
    assert.deepEqual(grants(scene.giveBack("l3")), ["d-1/root3 on w-3"]);
    assert.deepEqual(types(scene.send({ type: "workerBlocked", workerId: "w-3" as ProcessId })), []);
    assert.deepEqual(types(scene.tick(20)), ["startWorker"]);
  });

  test("events that came together are seen as one: what is given back goes to the deeper request beside it", () => {
    const scene = new Scene({ CPU: 1 }).workers(1);
    scene.request({ requestId: "r1" });
    scene.request({ requestId: "root" });
    const request = leaseRequest({ requestId: "child", depth: 1 });
    const effects = scene.machine.stepAll(scene.nowMs, [
      { type: "leaseReturned", leaseId: "l1", discardWorker: false },
      { type: "leaseRequested", request, origin: "own", missingBytes: 0 },
    ]);
    assert.deepEqual(grants(effects), ["d-1/child on w-1"]);
  });

  test("a lease that ends while its task is blocked gives back exactly what it holds", () => {
    const scene = new Scene({ CPU: 1 }).workers(1);
    scene.request();
    scene.send({ type: "workerBlocked", workerId: "w-1" as ProcessId });
    scene.send({ type: "workerBlocked", workerId: "w-1" as ProcessId });
    scene.giveBack("l1");
    assert.deepEqual(scene.machine.available, { CPU: 10_000 });
    // Late.
    scene.send({ type: "workerUnblocked", workerId: "w-1" as ProcessId });
    assert.deepEqual(scene.machine.available, { CPU: 10_000 });
  });
});

describe("sharing", () => {
  test("a lease is asked back for another submitter that waits, once, and not before its quantum", () => {
    const scene = new Scene({ CPU: 1 }).workers(1);
    scene.request();
    const other = "d-2" as ProcessId;
    assert.deepEqual(scene.request({ submitter: other }), []);
    assert.deepEqual(scene.tick(5), [
      { type: "reclaimLease", leaseId: "l1", submitter: "d-1", submitterNode: HERE },
    ]);
    assert.deepEqual(scene.tick(500), []);
    assert.deepEqual(grants(scene.giveBack("l1")), ["d-2/r1 on w-1"]);
  });

  test("deeper leases that nobody waits for any more come back for new roots, those in demand do not", () => {
    const scene = new Scene({ CPU: 1 }).workers(1);
    const parent = "w-parent" as ProcessId;
    scene.request({ submitter: parent, depth: 1, classKey: "child" });
    scene.request({ requestId: "root" });
    assert.deepEqual(types(scene.tick(5)), []);
    assert.deepEqual(types(scene.tick(45)), ["reclaimLease"]);
    scene.giveBack("l1");
    scene.giveBack("l2");
    scene.request({ requestId: "r2", submitter: parent, depth: 1, classKey: "child" });
    scene.request({ requestId: "r3", submitter: parent, depth: 1, classKey: "child" });
    scene.request({ requestId: "root2" });
    assert.deepEqual(types(scene.tick(50)), []);
  });

  test("a task that goes on has no use for its children's leases", () => {
    const scene = new Scene({ CPU: 1 }).workers(2);
    scene.request({ requestId: "parent" });
    scene.send({ type: "workerBlocked", workerId: "w-2" as ProcessId });
    scene.request({ submitter: "w-2" as ProcessId, depth: 1, classKey: "child" });
    scene.request({ requestId: "root", cpu: 0.5 });
    assert.deepEqual(types(scene.tick(5)), []);
    const asked = (effects: LocalSchedulerEffect[]): string[] =>
      effects.flatMap((effect) => effect.type === "reclaimLease" ? [effect.leaseId] : []);
    assert.deepEqual(asked(scene.send({ type: "workerUnblocked", workerId: "w-2" as ProcessId })), ["l2"]);
    assert.deepEqual(asked(scene.tick(4)), []);
    // It was busy, it seems: another one may be idle.
    assert.deepEqual(asked(scene.tick(1)), ["l1"]);
  });

  test("a worker that runs nothing has no use for the leases of the task that it ran", () => {
    const scene = new Scene({ CPU: 1 }).workers(2);
    scene.request({ requestId: "parent", depth: 1 });
    scene.send({ type: "workerBlocked", workerId: "w-2" as ProcessId });
    scene.request({ submitter: "w-2" as ProcessId, depth: 2, classKey: "child" });
    scene.send({ type: "workerUnblocked", workerId: "w-2" as ProcessId });
    scene.giveBack("l1");
    // Shallower than that, but nobody waits for what runs there.
    scene.request({ requestId: "next", depth: 1 });
    assert.deepEqual(types(scene.tick(1)), []);
    assert.deepEqual(types(scene.tick(1)), ["reclaimLease"]);
    assert.deepEqual(grants(scene.giveBack("l2")), ["d-1/next on w-1"]);
  });

  test("nobody is asked to give back for more of the same", () => {
    const scene = new Scene({ CPU: 1 }).workers(1);
    scene.request();
    scene.request({ requestId: "r2" });
    assert.deepEqual(scene.tick(50), []);
  });

  test("equal shares are left alone while both have work", () => {
    const scene = new Scene({ CPU: 2 }).workers(2);
    const other = "d-2" as ProcessId;
    scene.request({ requestId: "r1" });
    scene.request({ requestId: "r1", submitter: other });
    scene.request({ requestId: "r2" });
    scene.request({ requestId: "r2", submitter: other });
    assert.deepEqual(scene.tick(50), []);
  });
});

describe("arguments", () => {
  test("arguments that are here are pinned before the grant and released after it", () => {
    const scene = new Scene().workers(1);
    assert.deepEqual(scene.request({ args: [ARGUMENT] }), [
      { type: "pullArguments", key: "d-1/r1", taskId: "t-1-1", args: [ARGUMENT], depth: 0 },
    ]);
    assert.deepEqual(grants(scene.send({ type: "argumentsReady", key: "d-1/r1" })), ["d-1/r1 on w-1"]);
    assert.deepEqual(scene.giveBack("l1"), [{ type: "releaseArguments", key: "d-1/r1" }]);
  });

  test("an actor's arguments are released as soon as it is constructed, and once", () => {
    const scene = new Scene().workers(1);
    scene.request({ kind: "actor", args: [ARGUMENT] }, "head");
    scene.send({ type: "argumentsReady", key: "d-1/r1" });
    const workerId = "w-1" as ProcessId;
    const released = [{ type: "releaseArguments", key: "d-1/r1" }];
    assert.deepEqual(scene.send({ type: "actorConstructed", workerId }), released);
    assert.deepEqual(scene.send({ type: "actorConstructed", workerId }), []);
    // What a method waits for needs nothing of what is gone.
    assert.deepEqual(scene.send({ type: "workerBlocked", workerId }), []);
    assert.deepEqual(types(scene.send({ type: "workerExited", workerId, cause: CRASH })), []);
    // It came too late.
    assert.deepEqual(scene.send({ type: "actorConstructed", workerId }), []);
  });

  test("arguments of an actor that was never constructed are released when its worker is gone", () => {
    const scene = new Scene().workers(1);
    scene.request({ kind: "actor", args: [ARGUMENT] }, "head");
    scene.send({ type: "argumentsReady", key: "d-1/r1" });
    const exited = { type: "workerExited", workerId: "w-1" as ProcessId, cause: CRASH } as const;
    assert.deepEqual(types(scene.send(exited)), ["releaseArguments"]);
  });

  test("resources are not held while arguments are fetched, but no newcomer is promised them", () => {
    const scene = new Scene({ CPU: 1 }).workers(1);
    scene.request({ args: [ARGUMENT] });
    assert.deepEqual(scene.request({ requestId: "r2", args: [ARGUMENT], classKey: "b" }), []);
    assert.deepEqual(grants(scene.request({ requestId: "r3" })), ["d-1/r3 on w-1"]);
  });

  test("a lost argument is the request's error", () => {
    const scene = new Scene().workers(1);
    scene.request({ args: [ARGUMENT] });
    const failed = {
      type: "argumentsFailed",
      key: "d-1/r1",
      code: "ObjectLostError",
      message: "gone",
    } as const;
    assert.deepEqual(scene.send(failed).map((effect) => ({ ...effect, request: undefined })), [
      { type: "releaseArguments", key: "d-1/r1", request: undefined },
      {
        type: "reject",
        key: "d-1/r1",
        request: undefined,
        origin: "own",
        code: "ObjectLostError",
        message: "gone",
        retry: false,
      },
    ]);
  });

  test("large arguments that are elsewhere are the global scheduler's business, small ones are fetched", () => {
    const scene = new Scene().workers(2).peers(THERE);
    assert.deepEqual(types(scene.request({ args: [ARGUMENT] }, "own", 5_000_000)), ["pickNode"]);
    assert.deepEqual(
      types(scene.request({ requestId: "r2", args: [ARGUMENT], classKey: "b" }, "own", null)),
      [
        "pickNode",
      ],
    );
    assert.deepEqual(
      types(scene.request({ requestId: "r3", args: [ARGUMENT], classKey: "c" }, "own", 5_000)),
      [
        "pullArguments",
      ],
    );
    // The global scheduler may answer: here.
    assert.deepEqual(types(scene.send({ type: "nodePicked", key: "d-1/r1", nodeId: HERE })), [
      "pullArguments",
    ]);
  });
});

describe("other nodes", () => {
  test("what does not fit now is offered to the global scheduler, and stays here when it answers here", () => {
    const scene = new Scene({ CPU: 1 }).workers(1).peers(THERE);
    scene.request();
    const request = leaseRequest({ requestId: "r2" });
    assert.deepEqual(scene.request({ requestId: "r2" }), [
      { type: "pickNode", key: "d-1/r2", request, exclude: [], available: { CPU: 0 } },
    ]);
    assert.deepEqual(scene.send({ type: "nodePicked", key: "d-1/r2", nodeId: HERE }), []);
    // Asked again while it waits, less and less often.
    assert.deepEqual(types(scene.tick(99)), []);
    assert.deepEqual(types(scene.tick(1)), ["pickNode"]);
    scene.send({ type: "nodePicked", key: "d-1/r2", nodeId: HERE });
    assert.deepEqual(types(scene.tick(199)), []);
    assert.deepEqual(types(scene.tick(1)), ["pickNode"]);
  });

  test("alone in the cluster nobody is asked", () => {
    const scene = new Scene({ CPU: 1 }).workers(1);
    scene.request();
    assert.deepEqual(scene.request({ requestId: "r2" }), []);
    assert.deepEqual(scene.tick(500), []);
  });

  test("a worker that comes free is quicker than the global scheduler", () => {
    const scene = new Scene({ CPU: 1 }).workers(1).peers(THERE);
    scene.request();
    scene.request({ requestId: "r2" });
    const effects = scene.giveBack("l1");
    assert.deepEqual(types(effects), ["cancelPick", "grant"]);
    // Late.
    assert.deepEqual(scene.send({ type: "nodePicked", key: "d-1/r2", nodeId: THERE }), []);
  });

  test("a request moves to the node that was picked, and its grant is passed on", () => {
    const scene = new Scene({ CPU: 1 }).workers(1).peers(THERE);
    scene.request();
    scene.request({ requestId: "r2" });
    const key = "d-1/r2";
    assert.deepEqual(types(scene.send({ type: "nodePicked", key, nodeId: THERE })), ["forward"]);
    assert.deepEqual(
      scene.send({ type: "backlogChanged", submitter: "d-1" as ProcessId, requestId: "r2", backlog: 7 }),
      [{ type: "forwardBacklog", nodeId: THERE, submitter: "d-1", requestId: "r2", backlog: 7 }],
    );
    const granted = {
      type: "forwardGranted",
      key,
      nodeId: THERE,
      leaseId: "far1",
      workerId: "w-far" as ProcessId,
      submitter: "d-1" as ProcessId,
    } as const;
    assert.deepEqual(scene.send(granted), [{ type: "answerForwarded", key, leaseId: "far1" }]);
    // Its submitter dies: the worker there must not go on for nobody.
    assert.deepEqual(scene.send({ type: "submitterDied", submitter: "d-1" as ProcessId }).slice(-1), [
      { type: "returnRemoteLease", nodeId: THERE, leaseId: "far1", workerId: "w-far", discardWorker: true },
    ]);
  });

  test("a grant that crosses its cancellation goes back", () => {
    const scene = new Scene({ CPU: 1 }).workers(1).peers(THERE);
    scene.request();
    scene.request({ requestId: "r2" });
    const key = "d-1/r2";
    scene.send({ type: "nodePicked", key, nodeId: THERE });
    const submitter = "d-1" as ProcessId;
    assert.deepEqual(scene.send({ type: "leaseCancelled", submitter, requestId: "r2" }), [
      { type: "cancelForward", nodeId: THERE, submitter, requestId: "r2" },
      { type: "answerCancelled", key, origin: "own" },
    ]);
    const workerId = "w-far" as ProcessId;
    assert.deepEqual(
      scene.send({ type: "forwardGranted", key, nodeId: THERE, leaseId: "far1", workerId, submitter }),
      [{ type: "returnRemoteLease", nodeId: THERE, leaseId: "far1", workerId, discardWorker: false }],
    );
  });

  test("a request that waits long elsewhere is asked about again, stays, or moves to the node that is free now", () => {
    const scene = new Scene({ CPU: 1 }).workers(1).peers(THERE);
    scene.request();
    scene.request({ requestId: "r2" });
    const key = "d-1/r2";
    const submitter = "d-1" as ProcessId;
    scene.send({ type: "nodePicked", key, nodeId: THERE });
    assert.deepEqual(scene.tick(900), []);
    const [asked] = scene.tick(100);
    assert.deepEqual(asked?.type === "pickNode" && [asked.exclude, asked.waitingAt], [[], THERE]);
    // Nobody else is free: it keeps its place.
    assert.deepEqual(scene.send({ type: "nodePicked", key, nodeId: THERE }), []);
    assert.deepEqual(types(scene.tick(1_000)), ["pickNode"]);
    scene.giveBack("l1");
    assert.deepEqual(types(scene.send({ type: "nodePicked", key, nodeId: HERE })), [
      "cancelForward",
      "grant",
    ]);
    const workerId = "w-far" as ProcessId;
    const crossed = {
      type: "forwardGranted",
      key,
      nodeId: THERE,
      leaseId: "far1",
      workerId,
      submitter,
    } as const;
    assert.deepEqual(types(scene.send(crossed)), ["returnRemoteLease"]);
  });

  test("a soft wish for this node is given a second, then goes where there is room", () => {
    const scene = new Scene({ CPU: 1 }).workers(1).peers(THERE);
    scene.request();
    scene.request({ requestId: "r2", strategy: { type: "nodeAffinity", nodeId: HERE, soft: true } });
    assert.deepEqual(scene.tick(900), []);
    const [asked] = scene.tick(100);
    assert.deepEqual(asked?.type === "pickNode" && asked.waitingAt, HERE);
    const key = "d-1/r2";
    assert.deepEqual(scene.send({ type: "nodePicked", key, nodeId: HERE }), []);
    assert.deepEqual(types(scene.tick(1_000)), ["pickNode"]);
    assert.deepEqual(types(scene.send({ type: "nodePicked", key, nodeId: THERE })), ["forward"]);
  });

  test("a request that has waited here for a second goes where there is room, wherever its arguments are", () => {
    const scene = new Scene({ CPU: 1 }).workers(1).peers(THERE);
    scene.request();
    const [asked] = scene.request({ requestId: "r2" });
    assert.deepEqual(asked?.type === "pickNode" && asked.waitingAt, undefined);
    const key = "d-1/r2";
    assert.deepEqual(scene.send({ type: "nodePicked", key, nodeId: HERE }), []);
    const again = scene.tick(1_000).find((effect) => effect.type === "pickNode");
    assert.deepEqual(again?.type === "pickNode" && again.waitingAt, HERE);
    assert.deepEqual(types(scene.send({ type: "nodePicked", key, nodeId: THERE })), ["forward"]);
  });

  test("a forwarded request that is granted while it is asked about ends the question", () => {
    const scene = new Scene({ CPU: 1 }).workers(1).peers(THERE);
    scene.request();
    scene.request({ requestId: "r2" });
    const key = "d-1/r2";
    const submitter = "d-1" as ProcessId;
    scene.send({ type: "nodePicked", key, nodeId: THERE });
    scene.tick(1_000);
    const workerId = "w-far" as ProcessId;
    const granted = {
      type: "forwardGranted",
      key,
      nodeId: THERE,
      leaseId: "far1",
      workerId,
      submitter,
    } as const;
    assert.deepEqual(types(scene.send(granted)), ["cancelPick", "answerForwarded"]);
    // Told twice: the lease is in use.
    assert.deepEqual(scene.send(granted), []);
  });

  test("a refusal elsewhere is followed by another question without that node, then by one with it", () => {
    const scene = new Scene({ CPU: 1 }).workers(1).peers(THERE);
    scene.request();
    scene.request({ requestId: "r2" });
    const key = "d-1/r2";
    scene.send({ type: "nodePicked", key, nodeId: THERE });
    const failed = {
      type: "forwardFailed",
      key,
      nodeId: THERE,
      fatal: false,
      code: "X",
      message: "",
    } as const;
    const again = scene.send(failed);
    assert.deepEqual(again.map((effect) => effect.type === "pickNode" && effect.exclude), [[THERE]]);
    scene.tick(1_000);
    const effects = scene.tick(1_000);
    assert.deepEqual(types(effects), ["cancelPick", "pickNode"]);
    assert.deepEqual(effects.map((effect) => effect.type === "pickNode" && effect.exclude), [false, []]);
  });

  test("what was spilled here is never passed on", () => {
    const scene = new Scene({ CPU: 1 }).workers(1).peers(THERE);
    scene.request();
    const far = { requestId: "p1", submitter: "d-far" as ProcessId, submitterNode: THERE };
    assert.deepEqual(scene.request(far, "peer"), []);
    assert.deepEqual(types(scene.tick(1_000)), ["reclaimLease"]);
    const refused = scene.request({ ...far, requestId: "p2", gpu: 1 }, "peer");
    assert.deepEqual(refused.map((effect) => effect.type === "reject" && [effect.retry, effect.message]), [
      [true, "Cannot run it at n-here: it needs CPU 1, GPU 1, the node has CPU 1"],
    ]);
  });

  test("losing a peer voids leases in that direction only", () => {
    const scene = new Scene({ CPU: 4 }).workers(2).peers(THERE);
    scene.request({ requestId: "p1", submitter: "d-far" as ProcessId, submitterNode: THERE }, "peer");
    scene.request();
    scene.request({ requestId: "r2" });
    scene.send({ type: "nodePicked", key: "d-1/r2", nodeId: THERE });
    const workerId = "w-far" as ProcessId;
    const submitter = "d-1" as ProcessId;
    scene.send({
      type: "forwardGranted",
      key: "d-1/r2",
      nodeId: THERE,
      leaseId: "far1",
      workerId,
      submitter,
    });
    assert.deepEqual(types(scene.send({ type: "peerLost", nodeId: THERE, direction: "outgoing" })), [
      "leaseLost",
    ]);
    const incoming = scene.send({ type: "peerLost", nodeId: THERE, direction: "incoming" });
    assert.deepEqual(incoming.map((effect) => effect.type === "stopWorker" && effect.force), [true]);
    assert.equal(scene.machine.leaseCount, 2);
  });

  test("hard affinity to this node waits here and is never offered; where it can never run it is refused", () => {
    const scene = new Scene({ CPU: 1 }).workers(1).peers(THERE);
    scene.request();
    const strategy = { type: "nodeAffinity", nodeId: HERE, soft: false } as const;
    assert.deepEqual(scene.request({ requestId: "r2", strategy, classKey: "here" }), []);
    assert.deepEqual(types(scene.tick(3_000)), ["reclaimLease"]);
    const refused = scene.request({ requestId: "r3", strategy, cpu: 5, classKey: "never" });
    assert.deepEqual(refused.map((effect) => effect.type === "reject" && [effect.code, effect.message]), [[
      "TaskUnschedulableError",
      "Cannot run work at n-here: it needs CPU 5, the node has CPU 1, and it may run nowhere else.",
    ]]);
  });

  test("the global scheduler's final no is the request's error; without one, what fits here stays", () => {
    const scene = new Scene().workers(1).peers(THERE);
    scene.request({ strategy: { type: "spread" }, classKey: "s" });
    const lost = { type: "pickFailed", key: "d-1/r1", fatal: false, code: "X", message: "no head" } as const;
    assert.deepEqual(grants(scene.send(lost)), ["d-1/r1 on w-1"]);
    scene.request({ requestId: "r2", gpu: 1 });
    const fatal = { ...lost, key: "d-1/r2", fatal: true, code: "TaskUnschedulableError" } as const;
    assert.deepEqual(types(scene.send(fatal)), ["reject"]);
  });

  test("a draining node takes no new work and finishes what runs", () => {
    const scene = new Scene({ CPU: 1 }).workers(1).peers(THERE);
    scene.request();
    scene.request({ requestId: "r2" });
    const effects = scene.send({ type: "drain" });
    assert.deepEqual(types(effects), ["reclaimLease", "cancelPick", "pickNode"]);
    assert.deepEqual(effects.flatMap((effect) => effect.type === "pickNode" ? [effect.exclude] : []), [[
      HERE,
    ]]);
    // Said again, leases are asked for again; what waits is looking for another node already.
    assert.deepEqual(types(scene.send({ type: "drain" })), ["reclaimLease"]);
    assert.deepEqual(grants(scene.giveBack("l1")), []);
  });
});

describe("ends", () => {
  test("a worker that dies with a lease is told to its submitter", () => {
    const scene = new Scene().workers(1);
    scene.request();
    assert.deepEqual(scene.send({ type: "workerExited", workerId: "w-1" as ProcessId, cause: CRASH }), [{
      type: "leaseLost",
      leaseId: "l1",
      workerId: "w-1",
      submitter: "d-1",
      submitterNode: HERE,
      cause: CRASH,
    }]);
    assert.deepEqual(scene.machine.available, { CPU: 20_000 });
  });

  test("a submitter's death ends its requests and kills its workers; resources are free when they are gone", () => {
    const scene = new Scene({ CPU: 1 }).workers(1);
    scene.request();
    scene.request({ requestId: "r2" });
    const effects = scene.send({ type: "submitterDied", submitter: "d-1" as ProcessId });
    assert.deepEqual(types(effects), ["answerCancelled", "stopWorker"]);
    assert.deepEqual(scene.machine.available, { CPU: 0 });
    assert.deepEqual(scene.send({ type: "workerExited", workerId: "w-1" as ProcessId, cause: CRASH }), []);
    assert.deepEqual(scene.machine.available, { CPU: 10_000 });
  });

  test("a job's end ends its driver's leases and its idle workers, not what an actor of it submitted", () => {
    const scene = new Scene({ CPU: 3 }).workers(3);
    scene.request({ requestId: "r1" });
    scene.request({ requestId: "r2" });
    scene.request({ requestId: "r1", submitter: "w-actor" as ProcessId });
    scene.giveBack("l1");
    const effects = scene.send({ type: "jobEnded", jobId: "j-1" as JobId });
    assert.deepEqual(
      effects.map((effect) => effect.type === "stopWorker" && [effect.workerId, effect.force]),
      [
        ["w-2", true],
        ["w-3", false],
      ],
    );
    assert.equal(scene.machine.leaseCount, 2);
    // It is not kept for a job that is over.
    assert.deepEqual(types(scene.giveBack("l3")), ["stopWorker"]);
  });

  test("workers idle for long end, but two for a CPU and those that own something stay", () => {
    const scene = new Scene({ CPU: 1 }).workers(4);
    scene.send({ type: "workerOwns", workerId: "w-1" as ProcessId, owns: true });
    const effects = scene.tick(10_001);
    assert.deepEqual(effects.map((effect) => effect.type === "stopWorker" && effect.workerId), [
      "w-2",
      "w-3",
    ]);
  });

  test("of many CPUs, idle workers are kept for each and four for tasks that wait", () => {
    const scene = new Scene({ CPU: 8 }).workers(16);
    const stopped = scene.tick(10_001).filter((effect) => effect.type === "stopWorker");
    assert.equal(stopped.length, 4);
  });
});

test("an idle worker whose children run is not ended: they would end with it", () => {
  const scene = new Scene({}).workers(3);
  const ended = (effects: readonly LocalSchedulerEffect[]): string[] =>
    effects.flatMap((effect) => effect.type === "stopWorker" ? [effect.workerId] : []);
  assert.deepEqual(grants(scene.request({ cpu: 0, submitter: "w-1" as ProcessId })), ["w-1/r1 on w-3"]);
  assert.deepEqual(ended(scene.tick(10_001)), []);
  const later = [...scene.giveBack("l1"), ...scene.tick(10_001)];
  assert.deepEqual(ended(later).sort(), ["w-1", "w-2"]);
});

describe("starts that fail", () => {
  test("are tried again later and later, with one warning; the resources are free meanwhile", () => {
    const scene = new Scene({ CPU: 2 });
    scene.request();
    assert.deepEqual(types(scene.send({ type: "workerStartFailed", startId: 1, message: "no" })), ["warn"]);
    assert.deepEqual(scene.machine.available, { CPU: 20_000 });
    assert.deepEqual(types(scene.tick(99)), []);
    assert.deepEqual(types(scene.tick(1)), ["startWorker"]);
    assert.deepEqual(types(scene.send({ type: "workerStartFailed", startId: 2, message: "no" })), []);
    assert.deepEqual(types(scene.tick(199)), []);
    assert.deepEqual(types(scene.tick(1)), ["startWorker"]);
    assert.deepEqual(types(scene.send({ type: "workerReady", startId: 3, workerId: "w-3" as ProcessId })), [
      "assignJob",
      "grant",
    ]);
  });

  test("of a runtime environment fail its requests after a few times", () => {
    const scene = new Scene({ CPU: 2 });
    scene.request({ runtimeEnv: { hash: "e" } });
    for (let startId = 1; startId < 5; startId++) {
      scene.send({ type: "workerStartFailed", startId, message: "no such module" });
      scene.tick(10_000);
    }
    const effects = scene.send({ type: "workerStartFailed", startId: 5, message: "no such module" });
    assert.deepEqual(effects.map((effect) => effect.type === "reject" && [effect.code, effect.message]), [
      [
        "RuntimeEnvSetupError",
        "Cannot set up its runtime environment (5 failures in a row, the next try is in 10 s): no such module",
      ],
    ]);
  });

  test("quarantine their environment: requests fail at once with the cause, until one tries again", () => {
    const scene = new Scene({ CPU: 4 });
    const bad = { runtimeEnv: { hash: "e" }, classKey: "e" };
    scene.request(bad);
    for (let startId = 1; startId <= 5; startId++) {
      scene.send({ type: "workerStartFailed", startId, message: "no such module" });
      if (startId < 5) scene.tick(10_000);
    }
    const [refused] = scene.request({ ...bad, requestId: "r2" });
    assert.match(refused?.type === "reject" ? refused.message : "", /5 failures in a row.*no such module/);
    // Nobody else is concerned.
    assert.deepEqual(types(scene.request({ requestId: "r3" })), ["startWorker"]);
    scene.send({ type: "workerReady", startId: 6, workerId: "w-6" as ProcessId });
    scene.tick(10_000);
    assert.deepEqual(types(scene.request({ ...bad, requestId: "r4" })), ["startWorker"]);
    assert.deepEqual(types(scene.request({ ...bad, requestId: "r5" })), []);
    const up = scene.send({ type: "workerReady", startId: 7, workerId: "w-7" as ProcessId });
    assert.deepEqual(grants(up), ["d-1/r4 on w-7"]);
  });

  test("at the same time count once", () => {
    const scene = new Scene({ CPU: 20 });
    for (let n = 1; n <= 6; n++) scene.request({ requestId: `r${n}`, runtimeEnv: { hash: "e" } });
    for (let startId = 1; startId <= 6; startId++) {
      const effects = scene.send({ type: "workerStartFailed", startId, message: "no" });
      assert.deepEqual(types(effects), startId === 1 ? ["warn"] : []);
    }
  });

  test("that hang hold nothing after a while, and do not stand in others' way", () => {
    const scene = new Scene({ CPU: 2 });
    const slow = { runtimeEnv: { hash: "e" }, classKey: "e" };
    scene.request(slow);
    // As long as none of it has come up it has half of the places for starts.
    assert.deepEqual(types(scene.request({ ...slow, requestId: "r2" })), []);
    assert.deepEqual(scene.machine.available, { CPU: 0 });
    scene.tick(3_000);
    assert.deepEqual(scene.machine.available, { CPU: 20_000 });
    assert.deepEqual(types(scene.request({ requestId: "r3" })), ["startWorker"]);
    assert.deepEqual(types(scene.request({ requestId: "r4" })), ["startWorker"]);
    const up = scene.send({ type: "workerReady", startId: 2, workerId: "w-2" as ProcessId });
    assert.deepEqual(grants(up), ["d-1/r3 on w-2"]);
    // It was only slow.
    scene.send({ type: "workerReady", startId: 3, workerId: "w-3" as ProcessId });
    scene.giveBack("l1");
    const late = scene.send({ type: "workerReady", startId: 1, workerId: "w-1" as ProcessId });
    assert.deepEqual(grants(late), ["d-1/r1 on w-1"]);
  });

  test("of the plain environment fail their requests too, in the end, unless a worker lives that may serve them", () => {
    for (const workers of [0, 1]) {
      const scene = new Scene({ CPU: 2 }).workers(workers);
      // The one that lives is busy.
      if (workers === 1) scene.request({ requestId: "r0" });
      scene.request();
      const effects: LocalSchedulerEffect[] = [];
      for (let n = 1; n <= 9; n++) {
        effects.push(
          ...scene.send({ type: "workerStartFailed", startId: workers + n, message: "no memory" }),
        );
        effects.push(...scene.tick(10_000));
      }
      const rejected = effects.flatMap((effect) => effect.type === "reject" ? [effect.code] : []);
      assert.deepEqual(rejected, workers === 0 ? ["WorkerCrashedError"] : []);
    }
  });

  test("of a runtime environment that would fail again fail its requests at once, and later ones after one try", () => {
    const scene = new Scene({ CPU: 2 });
    scene.request({ runtimeEnv: { hash: "e" } });
    const failed = { type: "workerStartFailed", message: "bad folder", final: true } as const;
    assert.deepEqual(types(scene.send({ ...failed, startId: 1 })), ["reject"]);
    scene.tick(10_000);
    assert.deepEqual(types(scene.request({ requestId: "r2", runtimeEnv: { hash: "e" } })), ["startWorker"]);
    assert.deepEqual(types(scene.send({ ...failed, startId: 2 })), ["reject"]);
  });
});

describe("demand", () => {
  test("rows say what waits, how much of it, and why", () => {
    const scene = new Scene({ CPU: 1 }).workers(1).peers(THERE);
    scene.request({ name: "busy" });
    scene.request({ requestId: "r2", name: "next", backlog: 5 });
    scene.request({ requestId: "r3", name: "next", backlog: 4 });
    scene.request({ requestId: "r4", name: "gpu", gpu: 2 });
    scene.request({ requestId: "r5", name: "reader", args: [ARGUMENT], classKey: "a" }, "own", null);
    scene.send({ type: "nodePicked", key: "d-1/r5", nodeId: HERE });
    assert.deepEqual(scene.machine.demand().map(({ name, count, reason }) => [name, count, reason]), [
      ["next", 5, "Waits for CPU 1 (0 of 1 free) (1 leases held)."],
      ["gpu", 1, "Needs CPU 1, GPU 2, this node has CPU 1; another node is looked for."],
      ["reader", 1, "Its argument is being fetched to this node."],
    ]);
    assert.deepEqual(scene.machine.load().queueLength, 7);
  });
});

describe("arguments", () => {
  test("a request whose arguments have come is not held back by one of its class whose have not", () => {
    const scene = new Scene({ CPU: 1 }).workers(1);
    const arg = { id: "o-1-p1" as ObjectId, home: HERE, bytes: 4_000_000 };
    scene.request({ requestId: "r1" });
    scene.request({ requestId: "r2", args: [arg] });
    scene.request({ requestId: "r3", args: [arg] });
    assert.deepEqual(types(scene.giveBack("l1")), ["pullArguments"]);
    assert.deepEqual(types(scene.send({ type: "argumentsReady", key: "d-1/r2" })), ["grant"]);
  });
});
