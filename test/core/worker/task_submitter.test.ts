/**
 * Goal: the task submitter asks for leases, shares work out and survives lost workers as its header says.
 * Method: effects are written down and compared whole; check() after every step; then random worlds with a printed seed.
 * @module
 */
import { describe, expect, test } from "bun:test";
import { Prng } from "../../../runtime/common/prng.ts";
import type { DeathCause, Grant } from "../../../runtime/common/task_spec.ts";
import { TaskSubmitter, UNREACHED_MAX } from "../../../runtime/core/worker/task_submitter.ts";
import type { SchedulingShape, SubmittedTask } from "../../../runtime/core/worker/task_submitter_types.ts";

interface Task extends SubmittedTask {
  attempt: number;
}

const SHAPE: SchedulingShape = {
  key: "cpu1",
  resources: { CPU: 10_000 },
  strategy: { type: "hybrid" },
  runtimeEnv: { hash: "" },
};

const LOW_MEMORY: DeathCause = { code: "OUT_OF_MEMORY", message: "low memory" };

function world(
  limits: Partial<{ requestsPerClass: number; leaseIdleMs: number; argumentRequests: number }> = {},
) {
  const log: string[] = [];
  const submitter = new TaskSubmitter<Task>({
    requestLease: (id, queue, first, backlog) =>
      log.push(`request ${id} ${queue.key} for ${first.sequence} of ${backlog}`),
    cancelLease: (id) => log.push(`cancel ${id}`),
    returnLease: (lease) => log.push(`return ${lease.grant.leaseId}`),
    push: (lease, tasks) =>
      log.push(`push ${lease.grant.leaseId} ${tasks.map((task) => task.sequence).join(",")}`),
    lost: (task, _lease, cause) =>
      log.push(`lost ${task.sequence}${cause === null ? "" : `: ${cause.message}`}`),
    retried: (task) => {
      task.attempt++;
      log.push(`retried ${task.sequence}`);
    },
    unstarted: (task) => log.push(`unstarted ${task.sequence}`),
    dropped: (task) => log.push(`dropped ${task.sequence}`),
  }, { requestsPerClass: 4, leaseIdleMs: 500, argumentRequests: 2, memoryRetries: 2, ...limits });
  const take = (): string[] => {
    submitter.check();
    return log.splice(0);
  };
  return { submitter, take };
}

function task(sequence: number, overrides: Partial<Task> = {}): Task {
  return {
    sequence,
    shape: SHAPE,
    timing: { estimateUs: 0 },
    exclusive: false,
    bytes: 100,
    storedArgs: [],
    retriesLeft: 3,
    maxRetries: 3,
    memoryKills: 0,
    cancelled: false,
    expectedUs: 0,
    attempt: 0,
    ...overrides,
  };
}

function grant(id: number): Grant {
  return {
    leaseId: `l${id}`,
    nodeId: "n-1" as never,
    workerId: `w-${id}` as never,
    socketPath: "",
    resources: SHAPE.resources,
    gpuIds: [],
  };
}

describe("task submitter", () => {
  test("asks for one lease for one task, pushes when granted, and keeps the lease for the next task", () => {
    const { submitter, take } = world();
    submitter.submit(task(1));
    submitter.pump(0);
    expect(take()).toEqual(["request r1 cpu1 for 1 of 1"]);
    submitter.granted(1, "r1", grant(1));
    submitter.pump(1);
    expect(take()).toEqual(["push l1 1"]);
    expect(submitter.completed(2, "l1", 1, 50)?.sequence).toBe(1);
    submitter.submit(task(2));
    submitter.pump(2);
    expect(take()).toEqual(["push l1 2"]);
  });

  test("gives an idle lease back after its time, not before", () => {
    const { submitter, take } = world();
    submitter.submit(task(1));
    submitter.pump(0);
    submitter.granted(0, "r1", grant(1));
    submitter.pump(0);
    submitter.completed(10, "l1", 1, 50);
    submitter.pump(10);
    take();
    expect(submitter.reapIdle(400)).toBe(510);
    expect(take()).toEqual([]);
    expect(submitter.reapIdle(510)).toBeNull();
    expect(take()).toEqual(["return l1"]);
  });

  test("tasks of unknown length go one at a time; short ones share the pipeline, evenly between workers", () => {
    const { submitter, take } = world({ requestsPerClass: 2 });
    const timing = { estimateUs: 0 };
    for (let i = 1; i <= 9; i++) submitter.submit(task(i, { timing }));
    submitter.pump(0);
    submitter.granted(0, "r1", grant(1));
    submitter.granted(0, "r2", grant(2));
    submitter.pump(0);
    expect(take().filter((line) => line.startsWith("push"))).toEqual(["push l1 1", "push l2 2"]);
    submitter.completed(1, "l1", 1, 10);
    submitter.completed(1, "l2", 2, 10);
    submitter.pump(1);
    expect(take().filter((line) => line.startsWith("push"))).toEqual(["push l1 3,4,5,6", "push l2 7,8,9"]);
  });

  test("idle workers get their first tasks at once; further short ones share a push", () => {
    const { submitter, take } = world({ requestsPerClass: 2 });
    const timing = { estimateUs: 0 };
    expect(submitter.pushNow(0, task(1, { timing }), true)).toBeNull(); // No worker yet, and nothing was queued.
    submitter.pump(0);
    expect(take()).toEqual([]);
    submitter.submit(task(1, { timing }));
    submitter.submit(task(2, { timing }));
    submitter.pump(0);
    submitter.granted(0, "r1", grant(1));
    submitter.granted(0, "r2", grant(2));
    submitter.pump(0);
    submitter.completed(1, "l1", 1, 50_000);
    submitter.completed(1, "l2", 2, 50_000);
    submitter.pump(1);
    take();
    // Long ones, each to a worker of its own; then none is idle.
    expect(submitter.pushNow(2, task(3, { timing }), true)?.grant.leaseId).toBe("l1" as never);
    expect(submitter.pushNow(2, task(4, { timing }), false)?.grant.leaseId).toBe("l2" as never);
    expect(submitter.pushNow(2, task(5, { timing }), false)).toBeNull();
    expect(take()).toEqual(["push l1 3", "push l2 4"]);
    submitter.completed(3, "l1", 3, 10);
    submitter.completed(3, "l2", 4, 10);
    submitter.pump(3);
    // Short ones: only the first of a tick; nothing overtakes what waits, and stored arguments want a lease of their own.
    const short = { timing: { estimateUs: 10 } };
    expect(submitter.pushNow(4, task(6, short), true)?.grant.leaseId).toBe("l1" as never);
    expect(submitter.pushNow(4, task(7, short), false)).toBeNull();
    const storedArgs = [{ id: "o" as never, home: "n" as never, bytes: 1 }];
    expect(submitter.pushNow(4, task(8, { ...short, storedArgs }), true)).toBeNull();
    submitter.submit(task(7, short));
    expect(submitter.pushNow(4, task(9, short), true)).toBeNull();
    submitter.reclaim("l2");
    submitter.pump(4);
    expect(submitter.pushNow(5, task(10, short), true)).toBeNull();
    expect(take()).toEqual(["push l1 6", "return l2", "push l1 7"]);
  });

  test("large arguments fill a pipeline before its time is full", () => {
    const { submitter, take } = world();
    const timing = { estimateUs: 1 };
    for (let i = 1; i <= 4; i++) submitter.submit(task(i, { timing, bytes: i === 4 ? 100 << 20 : 3 << 20 }));
    submitter.pump(0);
    submitter.granted(0, "r1", grant(1));
    submitter.pump(0);
    expect(take()).toContain("push l1 1,2");
    for (const sequence of [1, 2]) submitter.completed(1, "l1", sequence, 1);
    submitter.pump(1);
    expect(take()).toContain("push l1 3");
    submitter.completed(2, "l1", 3, 1);
    submitter.pump(2);
    expect(take()).toContain("push l1 4");
  });

  test("an exclusive task never shares its worker", () => {
    const { submitter, take } = world({ requestsPerClass: 1 });
    const timing = { estimateUs: 5 };
    submitter.submit(task(1, { timing }));
    submitter.submit(task(2, { timing, exclusive: true, retriesLeft: 0 }));
    submitter.submit(task(3, { timing }));
    submitter.pump(0);
    submitter.granted(0, "r1", grant(1));
    submitter.pump(0);
    expect(take().filter((line) => line.startsWith("push"))).toEqual(["push l1 1"]);
    submitter.completed(1, "l1", 1, 5);
    submitter.pump(1);
    expect(take().filter((line) => line.startsWith("push"))).toEqual(["push l1 2"]);
    submitter.completed(2, "l1", 2, 5);
    submitter.pump(2);
    expect(take().filter((line) => line.startsWith("push"))).toEqual(["push l1 3"]);
  });

  test("a blocked worker's unstarted tasks go elsewhere and cost no retry", () => {
    const { submitter, take } = world({ requestsPerClass: 1 });
    const timing = { estimateUs: 5 };
    const tasks = [1, 2, 3].map((i) => task(i, { timing }));
    for (const each of tasks) submitter.submit(each);
    submitter.pump(0);
    submitter.granted(0, "r1", grant(1));
    submitter.pump(0);
    take();
    submitter.handedBack(1, "l1", [2, 3]);
    submitter.pump(1);
    // The blocked task may be waiting for them: another worker is needed.
    expect(take()).toEqual(["unstarted 3", "unstarted 2", "request r2 cpu1 for 2 of 2"]);
    expect(tasks.map((each) => each.retriesLeft)).toEqual([3, 3, 3]);
    submitter.granted(2, "r2", grant(2));
    submitter.pump(2);
    expect(take()).toEqual(["push l2 2,3"]);
  });

  test("a worker without progress is not counted on: another is asked for", () => {
    const { submitter, take } = world();
    const timing = { estimateUs: 5 };
    submitter.submit(task(100, { timing }));
    submitter.pump(0);
    submitter.granted(0, "r1", grant(1));
    for (let i = 101; i < 120; i++) { // The class has measured short.
      submitter.pump(0);
      submitter.completed(0, "l1", i - 1, 5);
      submitter.submit(task(i, { timing }));
    }
    submitter.pump(0);
    submitter.completed(0, "l1", 119, 5);
    for (let i = 1; i <= 3; i++) submitter.submit(task(i, { timing, exclusive: true }));
    submitter.pump(0);
    take();
    expect(submitter.isWaiting).toBe(true);
    submitter.pumpAll(5);
    expect(take()).toEqual([]);
    submitter.pumpAll(20);
    expect(take()).toEqual(["request r2 cpu1 for 2 of 2"]);
  });

  test("a lost worker's only task is retried, and fails when no retry is left", () => {
    const { submitter, take } = world({ requestsPerClass: 1 });
    submitter.submit(task(1, { retriesLeft: 1 }));
    submitter.pump(0);
    submitter.granted(0, "r1", grant(1));
    submitter.pump(0);
    take();
    submitter.workerLost(1, "l1");
    submitter.pump(1);
    expect(take()).toEqual(["retried 1", "request r2 cpu1 for 1 of 1"]);
    submitter.granted(2, "r2", grant(2));
    submitter.pump(2);
    submitter.workerLost(3, "l2");
    submitter.pump(3);
    expect(take()).toEqual(["push l2 1", "lost 1"]);
  });

  test("of several tasks of a lost worker none pays: they go alone then, in order, until the one that kills shows", () => {
    const { submitter, take } = world({ requestsPerClass: 1 });
    const timing = { estimateUs: 5 };
    const tasks = [task(1, { timing, retriesLeft: 1 }), task(2, { timing, retriesLeft: 1 })];
    for (const each of tasks) submitter.submit(each);
    submitter.pump(0);
    submitter.granted(0, "r1", grant(1));
    submitter.pump(0);
    take();
    submitter.workerLost(1, "l1");
    submitter.pump(1);
    expect(take()).toEqual(["retried 2", "retried 1", "request r2 cpu1 for 1 of 2"]);
    expect(tasks.map((each) => each.retriesLeft)).toEqual([1, 1]);
    submitter.granted(2, "r2", grant(2));
    submitter.pump(2);
    submitter.completed(3, "l2", 1, 5);
    submitter.pump(3);
    submitter.workerLost(4, "l2");
    submitter.pump(4);
    const pushesAndRetries = take().filter((line) => !/request|cancel/.test(line));
    expect(pushesAndRetries).toEqual(["push l2 1", "push l2 2", "retried 2"]);
    expect(tasks[1]!.retriesLeft).toBe(0);
  });

  test("tasks of a worker that was never reached cost nothing, until it cannot be bad luck any more", () => {
    const { submitter, take } = world();
    submitter.submit(task(1, { exclusive: true, retriesLeft: 0 }));
    for (let lease = 1; lease <= UNREACHED_MAX; lease++) {
      submitter.pump(lease);
      submitter.granted(lease, `r${lease}`, grant(lease));
      submitter.pump(lease);
      take();
      submitter.workerUnreached(lease, `l${lease}`);
      expect(take()).toEqual(["unstarted 1"]);
    }
    submitter.pump(10);
    submitter.granted(10, `r${UNREACHED_MAX + 1}`, grant(UNREACHED_MAX + 1));
    submitter.pump(10);
    take();
    submitter.workerUnreached(10, `l${UNREACHED_MAX + 1}`);
    expect(take()).toEqual(["lost 1"]);
  });

  test("a kill for low memory costs no retry but its own, waits longer each time, and is never retried at maxRetries 0", () => {
    const { submitter, take } = world();
    const lasting = task(1, { retriesLeft: -1, maxRetries: -1 });
    submitter.submit(lasting);
    let nowMs = 0;
    for (const [lease, waitMs] of [[1, 1_000], [2, 2_000]] as const) {
      submitter.pump(nowMs);
      submitter.granted(nowMs, `r${lease}`, grant(lease));
      submitter.pump(nowMs);
      take();
      submitter.workerLost(nowMs, `l${lease}`, LOW_MEMORY);
      submitter.pump(nowMs);
      expect(take()).toEqual(["retried 1"]);
      expect(submitter.queueDelayed(nowMs)).toBe(nowMs + waitMs);
      expect(submitter.queueDelayed(nowMs + waitMs - 1)).toBe(nowMs + waitMs);
      nowMs += waitMs;
      expect(submitter.queueDelayed(nowMs)).toBeNull();
    }
    submitter.submit(task(2, { retriesLeft: 0, maxRetries: 0, exclusive: true }));
    submitter.pump(nowMs);
    submitter.granted(nowMs, "r3", grant(3));
    submitter.granted(nowMs, "r4", grant(4));
    submitter.pump(nowMs);
    take();
    submitter.workerLost(nowMs, "l3", LOW_MEMORY);
    submitter.workerLost(nowMs, "l4", LOW_MEMORY);
    expect(take().sort()).toEqual(["lost 1: low memory", "lost 2: low memory"]);
    expect(lasting.retriesLeft).toBe(-1);
  });

  test("the end of a drained node costs no retry, unless there is none at all", () => {
    const { submitter, take } = world();
    const cause: DeathCause = { code: "PREEMPTED", message: "drained" };
    const spent = task(1, { retriesLeft: 0, maxRetries: 3, exclusive: true });
    submitter.submit(spent);
    submitter.submit(task(2, { retriesLeft: 0, maxRetries: 0, exclusive: true }));
    submitter.pump(0);
    for (const lease of [1, 2]) submitter.granted(0, `r${lease}`, grant(lease));
    submitter.pump(0);
    take();
    for (const lease of [1, 2]) submitter.workerLost(1, `l${lease}`, cause);
    expect(take()).toEqual(["retried 1", "lost 2: drained"]);
    expect(submitter.queueDelayed(1)).toBeNull();
  });

  test("a delayed retry can be cancelled, and is answered when the job ends", () => {
    const { submitter } = world();
    const tasks = [task(1), task(2)];
    for (const each of tasks) submitter.submit(each);
    submitter.pump(0);
    for (const lease of [1, 2]) {
      submitter.granted(0, `r${lease}`, grant(lease));
      submitter.pump(0);
      submitter.workerLost(0, `l${lease}`, LOW_MEMORY);
    }
    tasks[0]!.cancelled = true;
    submitter.withdrawn(tasks[0]!);
    expect(submitter.close()).toEqual([tasks[1]!]);
    expect(submitter.queueDelayed(1e6)).toBeNull();
  });

  test("a loss that is told before its grant means nothing: the push finds no worker, and the task waits again", () => {
    const { submitter, take } = world();
    submitter.submit(task(1, { exclusive: true, retriesLeft: 0 }));
    submitter.pump(0);
    submitter.workerLost(1, "l1");
    submitter.granted(1, "r1", grant(1));
    submitter.pump(1);
    expect(take()).toEqual(["request r1 cpu1 for 1 of 1", "push l1 1"]);
    submitter.workerUnreached(2, "l1");
    submitter.pump(2);
    expect(take()).toEqual(["unstarted 1", "request r2 cpu1 for 1 of 1"]);
  });

  test("a lease that is asked back before its grant comes has one turn", () => {
    const { submitter, take } = world({ requestsPerClass: 1 });
    for (let n = 1; n <= 3; n++) submitter.submit(task(n));
    submitter.pump(0);
    submitter.reclaim("l1");
    submitter.granted(1, "r1", grant(1));
    submitter.pump(1);
    expect(take()).toEqual(["request r1 cpu1 for 1 of 3", "push l1 1", "request r2 cpu1 for 2 of 2"]);
    submitter.completed(4, "l1", 1, 3_000);
    submitter.pump(4);
    expect(take()).toEqual(["return l1"]);
  });

  test("a lease that is asked back before its grant comes, and finds no task, goes back", () => {
    const { submitter, take } = world();
    const tasks = [task(1), task(2)];
    for (const task of tasks) submitter.submit(task);
    submitter.pump(0);
    expect(take()).toEqual(["request r1 cpu1 for 1 of 2", "request r2 cpu1 for 1 of 2"]);
    // The second one was cancelled, which its request does not know yet.
    tasks[1]!.cancelled = true;
    submitter.withdrawn(tasks[1]!);
    submitter.reclaim("l2");
    submitter.granted(1, "r1", grant(1));
    submitter.granted(1, "r2", grant(2));
    submitter.pump(1);
    expect(take()).toEqual(["push l1 1"]);
    submitter.completed(2, "l1", 1, 1_000);
    submitter.pump(2);
    expect(take()).toEqual(["return l2"]);
  });

  test("a task with stored arguments asks for a lease of its own, and only so many at once", () => {
    const { submitter, take } = world();
    const storedArgs = [{ id: "o-1" as never, home: "n-1" as never, bytes: 1e6 }];
    for (let i = 1; i <= 3; i++) submitter.submit(task(i, { storedArgs }));
    submitter.pump(0);
    expect(take()).toEqual(["request r1 cpu1#1 for 1 of 1", "request r2 cpu1#2 for 2 of 1"]);
    submitter.granted(1, "r1", grant(1));
    submitter.pump(1);
    submitter.completed(2, "l1", 1, 50);
    submitter.pump(2);
    expect(take()).toEqual(["push l1 1", "return l1", "request r3 cpu1#3 for 3 of 1"]);
  });

  test("the scheduler hears how many tasks wait behind its requests when that has changed", () => {
    const { submitter } = world({ requestsPerClass: 1 });
    submitter.submit(task(1));
    submitter.pump(0);
    expect(submitter.backlogChanges()).toEqual([]);
    submitter.submit(task(2));
    submitter.submit(task(3));
    submitter.pump(1);
    expect(submitter.backlogChanges()).toEqual([["r1", 3]]);
    expect(submitter.backlogChanges()).toEqual([]);
  });

  test("an idle lease of the same shape makes room for a task with stored arguments", () => {
    const { submitter, take } = world();
    submitter.submit(task(1));
    submitter.pump(0);
    submitter.granted(0, "r1", grant(1));
    submitter.pump(0);
    submitter.completed(1, "l1", 1, 50);
    submitter.pump(1);
    take();
    submitter.submit(task(2, { storedArgs: [{ id: "o-1" as never, home: "n-1" as never, bytes: 1e6 }] }));
    submitter.pump(2);
    expect(take()).toEqual(["return l1", "request r2 cpu1#2 for 2 of 1"]);
  });

  test("a grant that crossed its cancellation goes back at once", () => {
    const { submitter, take } = world();
    const only = task(1);
    submitter.submit(only);
    submitter.pump(0);
    only.cancelled = true;
    submitter.withdrawn(only);
    submitter.pump(0);
    submitter.granted(1, "r1", grant(1));
    expect(take()).toEqual(["request r1 cpu1 for 1 of 1", "cancel r1", "return l1"]);
  });

  test("cancelled tasks leave their queue with the next pump, those in flight are dropped when they come back", () => {
    const { submitter, take } = world({ requestsPerClass: 1 });
    const timing = { estimateUs: 1 };
    const tasks = [1, 2, 3, 4].map((sequence) => task(sequence, { timing }));
    submitter.submit(tasks[0]!);
    submitter.submit(tasks[1]!);
    submitter.pump(0);
    submitter.granted(0, "r1", grant(1));
    submitter.pump(0);
    submitter.submit(tasks[2]!);
    submitter.submit(tasks[3]!);
    take();
    for (const index of [1, 2]) tasks[index]!.cancelled = true;
    submitter.withdrawn(tasks[2]!);
    submitter.pump(1);
    expect(take()).toEqual(["push l1 4"]);
    submitter.handedBack(2, "l1", [2, 4]);
    expect(take()).toEqual(["unstarted 4", "unstarted 2", "dropped 2"]);
    tasks[0]!.cancelled = true;
    submitter.workerLost(3, "l1");
    submitter.pump(3);
    expect(take()).toEqual(["lost 1", "request r2 cpu1 for 4 of 1"]);
    expect(submitter.close()).toEqual([tasks[3]!]);
  });

  test("a cancelled task with stored arguments makes room for one that waits its turn", () => {
    const { submitter, take } = world({ argumentRequests: 1 });
    const storedArgs = [{ id: "o-1" as never, home: "n-1" as never, bytes: 1 }];
    const tasks = [1, 2, 3].map((sequence) => task(sequence, { storedArgs }));
    for (const each of tasks) submitter.submit(each);
    submitter.pump(0);
    expect(take()).toEqual(["request r1 cpu1#1 for 1 of 1"]);
    for (const index of [0, 1]) {
      tasks[index]!.cancelled = true;
      submitter.withdrawn(tasks[index]!);
    }
    submitter.pump(1);
    submitter.pump(1);
    expect(take()).toEqual(["cancel r1", "request r2 cpu1#3 for 3 of 1"]);
  });

  test("a retired worker gives back what it has not started, gets nothing more, and its lease ends with what runs", () => {
    const { submitter, take } = world({ requestsPerClass: 1 });
    const timing = { estimateUs: 1 };
    for (let i = 1; i <= 3; i++) submitter.submit(task(i, { timing }));
    submitter.pump(0);
    submitter.granted(0, "r1", grant(1));
    submitter.pump(0);
    take();
    submitter.retired(1, "l1", [2, 3]);
    submitter.pump(1);
    expect(take()).toEqual(["unstarted 3", "unstarted 2", "request r2 cpu1 for 2 of 2"]);
    expect(submitter.leases.get("l1")?.retired).toBe(true);
    submitter.completed(2, "l1", 1, 50);
    submitter.pump(2);
    expect(take()).toEqual(["return l1"]);
  });

  test("a reclaimed lease goes back after what it runs", () => {
    const { submitter, take } = world({ requestsPerClass: 1 });
    submitter.submit(task(1));
    submitter.submit(task(2));
    submitter.pump(0);
    submitter.granted(0, "r1", grant(1));
    submitter.pump(0);
    submitter.reclaim("l1");
    submitter.pump(1);
    take();
    submitter.completed(2, "l1", 1, 50);
    submitter.pump(2);
    expect(take()).toEqual(["return l1"]);
    submitter.pump(3);
    expect(take()).toEqual([]);
  });

  test("whatever happens, every task ends exactly once", () => {
    const seed = Date.now() >>> 0;
    console.log(`task submitter: seed ${seed}`);
    const prng = new Prng(seed);
    for (let round = 0; round < 200; round++) runRandomWorld(prng);
  });
});

function runRandomWorld(prng: Prng): void {
  const open = new Map<string, true>();
  const leases = new Map<string, Set<Task>>();
  const ended = new Map<number, number>();
  const end = (each: Task): void => void ended.set(each.sequence, (ended.get(each.sequence) ?? 0) + 1);
  const submitter = new TaskSubmitter<Task>({
    requestLease: (id) => void open.set(id, true),
    cancelLease: (id) => void open.delete(id),
    returnLease: (lease) => void leases.delete(lease.grant.leaseId),
    push: (lease, tasks) => {
      for (const each of tasks) leases.get(lease.grant.leaseId)!.add(each);
    },
    lost: end,
    retried: (each) => void each.attempt++,
    unstarted: () => undefined,
    dropped: end,
  }, { requestsPerClass: 3, leaseIdleMs: 50, argumentRequests: 3, memoryRetries: 2 });
  const timings = [{ estimateUs: 0 }, { estimateUs: 10 }];
  const count = 1 + prng.below(30);
  let submitted = 0;
  let nextLease = 1;
  for (let nowMs = 0; nowMs < 20_000 && ended.size < count; nowMs++) {
    const pick = prng.below(8);
    if (submitted < count && pick < 3) {
      const storedArgs = prng.below(4) === 0 ? [{ id: "o" as never, home: "n" as never, bytes: 1 }] : [];
      const retriesLeft = prng.below(4) - 1;
      const next = task(++submitted, {
        timing: timings[prng.below(2)]!,
        storedArgs,
        retriesLeft,
        maxRetries: retriesLeft,
        exclusive: retriesLeft === 0,
      });
      const isPushed = pick === 0 && submitter.pushNow(nowMs, next, prng.below(2) === 0) !== null;
      if (!isPushed) submitter.submit(next);
    } else if (pick < 5 && open.size > 0) {
      const [requestId] = [...open.keys()];
      open.delete(requestId!);
      const lease = grant(nextLease++);
      leases.set(lease.leaseId, new Set());
      submitter.granted(nowMs, requestId!, lease);
    } else if (leases.size > 0) {
      const [leaseId, tasks] = [...leases][prng.below(leases.size)]!;
      const [first, ...rest] = tasks;
      if (first === undefined) submitter.reclaim(leaseId);
      else if (pick === 5 && prng.below(6) === 0) {
        leases.delete(leaseId);
        submitter.workerLost(nowMs, leaseId, prng.below(2) === 0 ? null : LOW_MEMORY);
      } else if (pick === 6 && rest.length > 0) {
        for (const each of rest) tasks.delete(each);
        submitter.handedBack(nowMs, leaseId, rest.map((each) => each.sequence));
      } else {
        tasks.delete(first);
        if (submitter.completed(nowMs, leaseId, first.sequence, 1 + prng.below(100)) !== undefined) {
          end(first);
        }
      }
    }
    submitter.queueDelayed(nowMs);
    submitter.pump(nowMs);
    if (nowMs % 60 === 0) submitter.reapIdle(nowMs);
    submitter.check();
  }
  expect(ended.size).toBe(count);
  for (const times of ended.values()) expect(times).toBe(1);
}
