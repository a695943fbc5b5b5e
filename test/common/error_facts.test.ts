/** What the history keeps of a failure: whose it was first, and where user code threw. */
import { expect, test } from "bun:test";
import { errorFacts } from "../../runtime/common/error_facts.ts";
import { ActorDiedError, MobulaError, taskErrorOf, WorkerCrashedError } from "../../runtime/common/errors.ts";

const taskError = (taskId: string, taskName: string, thrown: unknown): Error =>
  taskErrorOf(thrown, { taskId, taskName, nodeId: "n-1", attempt: 0 });

function thrown(): RangeError {
  const error = new RangeError("bad 7");
  error.stack =
    "RangeError: bad 7\n    at load (/app/main.ts:3:9)\n    at node:internal/run:1:2\n    at all (/app/main.ts:8:1)";
  return error;
}

test("a task's own failure has frames of user code", () => {
  expect(errorFacts(taskError("t-1", "load", thrown()), "t-1")).toEqual({
    ...{ type: "TaskError(RangeError)", message: "task load failed: bad 7" },
    stack: "at load (/app/main.ts:3:9)\nat all (/app/main.ts:8:1)",
  });
  expect(errorFacts("no error", "t-1")).toEqual({ type: "Error", message: "no error" });
});

test("one that comes from another task, as an argument's or in what it waited for, names the first", () => {
  const first = taskError("t-1", "load", thrown());
  const root = {
    taskId: "t-1",
    name: "load",
    type: "TaskError(RangeError)",
    message: "task load failed: bad 7",
  };
  expect(errorFacts(first, "t-2")).toEqual({ type: root.type, message: root.message, root });
  const outer = errorFacts(taskError("t-3", "all", taskError("t-2", "part", first)), "t-3");
  expect(outer).toEqual({
    type: root.type,
    message: "task all failed: task part failed: task load failed: bad 7",
    root,
  });
});

test("so does one whose task's worker died; other failures of the system are a task's own", () => {
  const died = new WorkerCrashedError(
    "load (t-1-2) died or was killed while executing, after 1 execution: SIGKILL",
  );
  expect(errorFacts(died, "t-1-2").root).toBeUndefined();
  expect(errorFacts(died, "t-1-3").root).toEqual({
    ...{ taskId: "t-1-2", name: "load", type: "WorkerCrashedError", message: died.message },
  });
  for (const error of [new ActorDiedError("a-1 (Counter) is dead"), new MobulaError("no")]) {
    expect(errorFacts(error, "t-1").root).toBeUndefined();
  }
});
