/** Constructor calls as history: counted from order to end, with a row for each that began. */
import { expect, test } from "bun:test";
import type { ActorSpec } from "../../runtime/common/task_spec.ts";
import type { NodeId, ProcessId } from "../../runtime/common/ids.ts";
import { Creations } from "../../runtime/process/agent_creations.ts";

const spec = { actorId: "a-1", jobId: "j-1", className: "Counter", args: [] } as unknown as ActorSpec;
const worker = "w-1" as ProcessId;
const name = "new Counter";

test("a constructor call waits, runs and is finished, in absolute numbers", () => {
  const creations = new Creations("n-1" as NodeId);
  expect(creations.take()).toBe(null);
  const creation = creations.begin(spec, 1, 100);
  expect(creations.take()).toMatchObject({
    counts: [{ name, type: "ACTOR_CREATION_TASK", pendingNode: 1, running: 0 }],
    rows: [{ name, attempt: 0, state: "PENDING_NODE_ASSIGNMENT", submittedMs: 100, startMs: null }],
  });
  creations.start(creation, worker, 110);
  expect(creations.take()).toMatchObject({
    counts: [{ pendingNode: 0, running: 1 }],
    rows: [{ state: "RUNNING", workerId: worker, startMs: 110, endMs: null }],
  });
  creations.end(creation, null, 150);
  creations.end(creation, null, 150);
  expect(creations.take()).toMatchObject({
    counts: [{ running: 0, finished: 1, failed: 0, runMs: 40 }],
    rows: [{ state: "FINISHED", endMs: 150, error: null }],
  });
  expect(creations.take()).toBe(null);
});

test("one that failed says why, one that never began leaves no row", () => {
  const creations = new Creations("n-1" as NodeId);
  const failed = creations.begin(spec, 3, 0);
  creations.start(failed, worker, 1);
  creations.end(failed, { type: "TaskError", message: "no" }, 2);
  creations.end(creations.begin(spec, 4, 0), null, 5);
  expect(creations.take()).toMatchObject({
    counts: [{ pendingNode: 0, running: 0, finished: 0, failed: 1 }],
    rows: [{ attempt: 2, state: "FAILED", error: { message: "no" } }],
  });
});
