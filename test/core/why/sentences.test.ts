/** "Why is it not running?": the sentence for every kind of facts. */
import { describe, expect, test } from "bun:test";
import type { ActorId, NodeId, ObjectId, ProcessId, TaskId } from "../../../runtime/common/ids.ts";
import type { TaskRow } from "../../../runtime/common/task_event.ts";
import type { ActorStatus } from "../../../runtime/common/task_spec.ts";
import type { CallStage, LeaseFacts, PullFacts } from "../../../runtime/common/why_facts.ts";
import { type ActorFacts, actorSentence, objectSentence } from "../../../runtime/core/why/actor_sentence.ts";
import { jobSentence, workerSentence } from "../../../runtime/core/why/place_sentence.ts";
import { rowSentence, type TaskFacts, taskSentence } from "../../../runtime/core/why/task_sentence.ts";
import { actorSpec } from "../gcs/fixtures.ts";

const NOW = 100_000;
const N1 = "n-1" as NodeId;
const N2 = "n-2" as NodeId;
const W1 = "w-1" as ProcessId;
const A1 = "a-1" as ActorId;
const O1 = "o-1-1.0" as ObjectId;
const ARGUMENT = { id: O1, nodes: [], bytes: 0, maker: null };

function task(stage: CallStage, more: Partial<TaskFacts> & { attempt?: number } = {}): string {
  const { attempt = 0, ...facts } = more;
  return taskSentence({
    id: "t-1-2",
    nowMs: NOW,
    owner: "d-1" as ProcessId,
    node: N1,
    call: { name: "work", submittedMs: NOW - 3_210, attempt, stage },
    lease: null,
    remote: null,
    cluster: null,
    missing: [],
    actor: null,
    ...facts,
  });
}

function lease(changes: Partial<LeaseFacts> = {}): LeaseFacts {
  return {
    nodeId: N1,
    phase: "queued",
    sinceMs: NOW - 3_000,
    reason: "Waits for CPU 1 (0 of 4 free) (4 leases held).",
    forwardedTo: null,
    pulls: [],
    preparing: false,
    ...changes,
  };
}

function pull(changes: Partial<PullFacts> = {}): PullFacts {
  const pulled = { state: "fetching", bytes: 64e6, arrivedBytes: 12e6, from: [N2], lastError: "" } as const;
  return { id: O1, ...pulled, ...changes };
}

const QUEUED = { at: "queue", ahead: 0, workers: 0, requests: ["r1"] } as const;
const START = "t-1-2 (work) has waited 3.2 s";

describe("a task in its process", () => {
  test.each<[CallStage, Partial<TaskFacts>, string]>([
    [
      { at: "names" },
      {},
      `${START} for the commit of an actor's name that its process d-1 registers: what it submits later comes later`,
    ],
    [
      { at: "arguments", missing: [] },
      { missing: [{ ...ARGUMENT, maker: "t-1-1 (make) has been running for 5.0 s on worker w-1 of n-1" }] },
      `${START} for argument o-1-1.0: t-1-1 (make) has been running for 5.0 s on worker w-1 of n-1`,
    ],
    [
      { at: "arguments", missing: [] },
      { missing: [{ ...ARGUMENT, nodes: [N2], bytes: 64e6 }, ARGUMENT] },
      `${START} for argument o-1-1.0 (and 1 more), 61.0 MiB at n-2`,
    ],
    [
      { at: "arguments", missing: [] },
      { missing: [ARGUMENT] },
      `${START} for argument o-1-1.0, which no node has stored yet`,
    ],
    [{ at: "arguments", missing: [] }, {}, `${START} for its arguments, which are about to be known`],
    [
      { at: "gate", limit: 64, ahead: 7 },
      {},
      `${START}: 64 tasks with stored arguments of its process may ask for workers at once, and 7 wait before it`,
    ],
    [{ at: "delay", untilMs: NOW + 2_000 }, {}, "t-1-2 (work) is tried again in 2.0 s"],
    [{ at: "head" }, {}, `${START} for the head, which has not answered its creation yet`],
    [{ at: "ended" }, {}, "t-1-2 (work) has ended"],
    [
      { at: "worker", nodeId: N2, workerId: W1, sinceMs: NOW - 500, ahead: 0, blocked: false },
      {},
      "t-1-2 (work) has been running for 500 ms on worker w-1 of n-2",
    ],
    [
      { at: "worker", nodeId: N2, workerId: W1, sinceMs: NOW - 600_000, ahead: 0, blocked: true },
      {},
      "t-1-2 (work) has been running for 10 min on worker w-1 of n-2; it waits in get or wait",
    ],
    [
      { at: "worker", nodeId: N2, workerId: W1, sinceMs: NOW - 500, ahead: 2, blocked: false },
      {},
      "t-1-2 (work) was pushed to worker w-1 of n-2 500 ms ago and waits behind 2 tasks there",
    ],
  ])("%j %j", (stage, facts, sentence) => expect(task(stage, facts)).toBe(sentence));

  test("says which attempt it is", () => {
    expect(task({ at: "ended" }, { attempt: 2 })).toBe("t-1-2 (work, attempt 2) has ended");
  });
});

describe("a task that waits for a worker", () => {
  test.each<[string, CallStage, Partial<TaskFacts>]>([
    ["; its request for one is on its way", QUEUED, {}],
    [
      ", behind 3 tasks of its kind, with 2 workers at work on them; no further worker is worth asking for",
      { ...QUEUED, ahead: 3, workers: 2, requests: [] },
      {},
    ],
    ["; n-1: waits for CPU 1 (0 of 4 free) (4 leases held)", QUEUED, { lease: lease() }],
    [
      "; no node has GPU 1; the nearest is n-2: it needs GPU 1 (has 0)",
      QUEUED,
      {
        lease: lease({ phase: "deciding" }),
        cluster: "no node has GPU 1; the nearest is n-2: it needs GPU 1 (has 0)",
      },
    ],
    [
      "; n-1: the global scheduler is choosing a node",
      QUEUED,
      { lease: lease({ phase: "deciding", reason: "The global scheduler is choosing a node." }) },
    ],
    [
      "; it was passed on to n-2; there: n-2: waits for GPU 1 (0 of 2 free) (2 leases held)",
      QUEUED,
      {
        lease: lease({ phase: "forwarded", forwardedTo: N2 }),
        remote: lease({ nodeId: N2, reason: "Waits for GPU 1 (0 of 2 free) (2 leases held)." }),
      },
    ],
    ["; it was passed on to n-2", QUEUED, { lease: lease({ phase: "forwarded", forwardedTo: N2 }) }],
    [
      "; n-1: a worker process is starting for it",
      QUEUED,
      { lease: lease({ phase: "starting", reason: "A worker process is starting for it." }) },
    ],
    [
      "; n-1 fetches and unpacks its workingDir before a worker process can start",
      QUEUED,
      { lease: lease({ phase: "starting", preparing: true }) },
    ],
  ])("%s", (rest, stage, facts) => expect(task(stage, facts)).toBe(`${START} for a worker${rest}`));

  test.each<[string, Partial<PullFacts>]>([
    ["argument o-1-1.0 (61.0 MiB), which n-1 pulls from n-2: 11.4 MiB have arrived", {}],
    ["room in the object store of n-1 for argument o-1-1.0 (61.0 MiB)", { state: "reserving" }],
    ["argument o-1-1.0, which no node has stored yet", { state: "locating", bytes: 0 }],
    [
      "argument o-1-1.0 (61.0 MiB), which could not be pulled to n-1 and is tried again (the last try failed: reset)",
      { state: "paused", lastError: "reset" },
    ],
  ])("whose argument is on its way: %s", (rest, changes) => {
    const facts = { lease: lease({ phase: "pulling", pulls: [pull(changes)] }) };
    expect(task(QUEUED, facts)).toBe(`${START} for a worker; n-1 waits for ${rest}`);
  });
});

describe("a call", () => {
  const actor = "a-1 (Counter) has been alive for 5.0 s on n-2, worker w-2 (pid 7)";
  test.each<[string, CallStage, Partial<TaskFacts>]>([
    [`${START} for its actor; ${actor}`, { at: "actor", actorId: A1, ahead: 0, behind: null }, { actor }],
    [
      `${START} for its actor, behind 2 calls: calls leave in order, and t-1-1 waits for argument o-1-1.0, ` +
      "which no node has stored yet",
      { at: "actor", actorId: A1, ahead: 2, behind: { taskId: "t-1-1" as TaskId, missing: [] } },
      { actor, missing: [ARGUMENT] },
    ],
    [
      `t-1-2 (work) was sent to its actor 1.0 s ago and has no answer yet behind 1 other call of its process; ${actor}`,
      { at: "actorWorker", actorId: A1, sinceMs: NOW - 1_000, ahead: 1 },
      { actor },
    ],
    [
      "t-1-2 (work) was sent to its actor 1.0 s ago and has no answer yet; a-1",
      { at: "actorWorker", actorId: A1, sinceMs: NOW - 1_000, ahead: 0 },
      {},
    ],
  ])("%s", (sentence, stage, facts) => expect(task(stage, facts)).toBe(sentence));
});

describe("a task that ended", () => {
  const row: TaskRow = {
    taskId: "t-1-2" as TaskId,
    attempt: 0,
    jobId: "j-1" as never,
    name: "work",
    type: "NORMAL_TASK",
    state: "FINISHED",
    parentTaskId: null,
    actorId: null,
    nodeId: N1,
    workerId: W1,
    submittedMs: NOW - 5_000,
    pushedMs: NOW - 4_000,
    startMs: NOW - 4_000,
    endMs: NOW - 3_000,
    args: [],
    resultBytes: 12,
    error: null,
  };
  test.each<[string, Partial<TaskRow>]>([
    [
      "t-1-2 (work) finished on worker w-1 of n-1 after running 1.0 s, 3.0 s ago, with 12 B of results",
      {},
    ],
    [
      "t-1-2 (work, attempt 1) failed on worker w-1 of n-1 after running 1.0 s, 3.0 s ago with TypeError: no",
      { attempt: 1, state: "FAILED", error: { type: "TypeError", message: "no" } },
    ],
    [
      "t-1-2 (work) failed without having run, 3.0 s ago with TaskUnschedulableError: nowhere",
      {
        state: "FAILED",
        startMs: null,
        nodeId: null,
        workerId: null,
        error: { type: "TaskUnschedulableError", message: "nowhere" },
      },
    ],
    ["t-1-2 (work) was RUNNING on worker w-1 of n-1 when its process was last heard of", {
      state: "RUNNING",
    }],
  ])("%s", (sentence, changes) => expect(rowSentence({ ...row, ...changes }, NOW)).toBe(sentence));
});

describe("an actor", () => {
  const status: ActorStatus = {
    actorId: A1,
    state: "PENDING_CREATION",
    incarnation: 1,
    nodeId: null,
    workerId: null,
    socketPath: null,
    pid: null,
    restartsLeft: 0,
    deathCause: null,
  };
  const facts: ActorFacts = {
    spec: actorSpec(),
    status,
    nowMs: NOW,
    createdMs: NOW - 2_000,
    startedMs: null,
    endedMs: null,
    missing: [],
    placeAtMs: null,
    cluster: null,
    lease: null,
    storeWaiting: null,
  };
  const who = `${facts.spec.actorId} (Counter)`;
  test.each<[string, Partial<ActorFacts>]>([
    [`${who} is to be created: a node is being chosen`, {}],
    [
      `${who} is to be created: no node has GPU 1; the nearest is n-2: it needs GPU 1 (has 0)`,
      { cluster: "no node has GPU 1; the nearest is n-2: it needs GPU 1 (has 0)" },
    ],
    [
      `${who} is to be created: n-1: waits for CPU 1 (0 of 4 free) (4 leases held)`,
      { status: { ...status, nodeId: N1 }, lease: lease() },
    ],
    [`${who} is to be created: its constructor runs on n-1`, { status: { ...status, nodeId: N1 } }],
    [
      `${who} is to be created: nothing leaves the head before it is committed, and the store takes no writes: disk full`,
      { storeWaiting: "disk full" },
    ],
    [
      `${who} restarts (2 more left): it died at once, and is placed again in 1.5 s`,
      { status: { ...status, state: "RESTARTING", restartsLeft: 2 }, placeAtMs: NOW + 1_500 },
    ],
    [
      `${who} restarts (without end): a node is being chosen`,
      { status: { ...status, state: "RESTARTING", restartsLeft: -1 } },
    ],
    [
      `${who} has waited 2.0 s for argument o-1-1.0, which no node has stored yet`,
      { status: { ...status, state: "DEPENDENCIES_UNREADY" }, missing: [ARGUMENT] },
    ],
    [
      `${facts.spec.actorId} (Counter "hits") has been alive for 5.0 s on n-2, worker w-1 (pid 7)`,
      {
        spec: actorSpec({ name: "hits" }),
        status: { ...status, state: "ALIVE", nodeId: N2, workerId: W1, pid: 7 },
        startedMs: NOW - 5_000,
      },
    ],
    [
      `${who} has been dead for 1.0 s (KILLED): it was killed`,
      {
        status: { ...status, state: "DEAD", deathCause: { code: "KILLED", message: "it was killed" } },
        endedMs: NOW - 1_000,
      },
    ],
  ])("%s", (sentence, changes) => expect(actorSentence({ ...facts, ...changes })).toBe(sentence));
});

test("an object", () => {
  expect(objectSentence({ id: O1, nodes: [N1, N2], bytes: 64e6, maker: null })).toBe(
    "o-1-1.0 is stored at n-1, n-2, 61.0 MiB",
  );
  expect(objectSentence({ id: O1, nodes: [], bytes: 0, maker: "t-1-1 (make) has ended" })).toBe(
    "o-1-1.0 is in no node's store: t-1-1 (make) has ended",
  );
});

describe("what is told besides", () => {
  const ran = {
    at: "worker",
    nodeId: N1,
    workerId: W1,
    sinceMs: NOW - 500,
    ahead: 0,
    blocked: true,
  } as const;
  const room = { capacity: 16e6, usedBytes: 12e6, pinnedBytes: 4e6, canSpill: false };

  test("of a task that runs: a full store, a generator that stands, a node in trouble, before that it waits", () => {
    const creating = { id: O1, bytes: 8e6, room };
    expect(task(ran, { worker: { creating } })).toBe(
      `t-1-2 (work) has been running for 500 ms on worker w-1 of n-1; it waits for room in the object store of n-1 for ${O1} (7.63 MiB): ` +
        "11.4 MiB of 15.3 MiB are taken, 3.81 MiB of them held by readers, and nothing may be spilled to disk",
    );
    expect(task({ ...ran, stands: { unread: 1, limit: 1 } }, { worker: { creating: null } })).toEndWith(
      "; it stands at its yield: its reader has 1 unread item, and it may be 1 ahead (generatorBackpressure)",
    );
    expect(task(ran, { trouble: "n-1 is suspect" })).toEndWith("on worker w-1 of n-1; n-1 is suspect");
    expect(task(ran, { worker: { creating: null } })).toEndWith("; it waits in get or wait");
  });

  test("of a task that was tried before: how that ended, cut where it is long", () => {
    const before = {
      attempt: 0,
      endMs: NOW - 2_000,
      errorType: "OutOfMemoryError",
      errorMessage: `${"x".repeat(400)}.`,
    };
    const sentence = task({ at: "delay", untilMs: NOW + 300 }, { attempt: 1, before });
    expect(sentence).toStartWith(
      "t-1-2 (work, attempt 1) is tried again in 300 ms; attempt 0 failed 2.0 s ago with OutOfMemoryError: xxx",
    );
    expect(sentence).toEndWith(`${"x".repeat(300)}…`);
  });

  test("of an argument that finds no room: what is taken there", () => {
    const pulls = [pull({ state: "reserving" })];
    expect(task(QUEUED, { lease: lease({ phase: "pulling", pulls, room: { ...room, canSpill: true } }) }))
      .toEndWith(
        `for argument ${O1} (61.0 MiB): 11.4 MiB of 15.3 MiB are taken, 3.81 MiB of them held by readers`,
      );
  });

  test("of an object: how its last copy was lost", () => {
    const loss = { atMs: NOW - 1_500, reason: "node n-1, which held its last copy, died: no heartbeat." };
    expect(objectSentence({ id: O1, nodes: [], bytes: 0, maker: null, loss, nowMs: NOW })).toBe(
      `${O1} was lost 1.5 s ago: node n-1, which held its last copy, died: no heartbeat`,
    );
  });

  test("of workers and jobs", () => {
    const worker = {
      workerId: "w-1",
      nodeId: "n-1",
      pid: 7,
      actorId: null,
      jobId: "j-1",
      startedMs: NOW - 5_000,
    };
    const live = { ...worker, endedMs: null, exitDetail: null, nowMs: NOW };
    expect(workerSentence({ ...live, state: "LEASED" })).toBe(
      "w-1 of n-1 (pid 7) runs tasks for j-1; it was started 5.0 s ago",
    );
    expect(workerSentence({ ...live, state: "STARTING" })).toBe(
      "w-1 of n-1 (pid 7) has been starting for 5.0 s",
    );
    expect(workerSentence({ ...live, state: "DEAD", endedMs: NOW - 100, exitDetail: "It was idle." })).toBe(
      "w-1 of n-1 (pid 7) ended 100 ms ago: It was idle",
    );
    const job = {
      jobId: "j-1",
      driverId: "d-1",
      state: "RUNNING",
      message: "",
      startedMs: NOW - 2_000,
      nowMs: NOW,
    };
    expect(jobSentence({ ...job, endedMs: null })).toBe("j-1 (driver d-1) has been running for 2.0 s");
    expect(jobSentence({ ...job, state: "FAILED", message: "it went away.", endedMs: NOW - 50 })).toBe(
      "j-1 (driver d-1) failed 50 ms ago: it went away",
    );
  });
});
