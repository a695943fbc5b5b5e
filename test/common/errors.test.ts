/**
 * Goal: the public error classes keep what a user's `catch` relies on: codes, fields, `instanceof`.
 * Method: values compared in full; what must hold on three runtimes is in ./error_matching_program.ts.
 */
import { describe, expect, test } from "bun:test";
import * as errors from "../../runtime/common/errors.ts";
import {
  ActorDiedError,
  ActorError,
  GetTimeoutError,
  MobulaError,
  ObjectFreedError,
  ObjectLostError,
  TaskError,
  taskErrorOf,
} from "../../runtime/common/errors.ts";

const PUBLIC = [
  "MobulaError",
  "TaskError",
  "TaskCancelledError",
  "WorkerCrashedError",
  "ActorError",
  "ActorDiedError",
  "ActorUnavailableError",
  "NameTakenError",
  "ObjectLostError",
  "ObjectFreedError",
  "RefReleasedError",
  "OwnerDiedError",
  "ObjectReconstructionFailedError",
  "ObjectStoreFullError",
  "OutOfDiskError",
  "OutOfMemoryError",
  "NodeDiedError",
  "GetTimeoutError",
  "TaskUnschedulableError",
  "ActorUnschedulableError",
  "PendingCallsLimitExceededError",
  "PlacementGroupRemovedError",
  "RuntimeEnvSetupError",
  "AuthenticationError",
] as const;

describe("classes", () => {
  test("every class of the contract is there, with its own name as code, and comes back from its code", () => {
    for (const name of PUBLIC) {
      const made = new errors[name]("what happened");
      expect([made.name, made.code, made.message]).toEqual([name, name, "what happened"]);
      expect(made).toBeInstanceOf(MobulaError);
      const rebuilt = errors.errorOfCode(name, "again", { cause: 7 });
      expect(rebuilt.constructor).toBe(errors[name]);
      expect(rebuilt.cause).toBe(7);
    }
  });

  test("fields arrive with their class and have defaults", () => {
    const died = errors.errorOfCode("ActorDiedError", "gone", { actorId: "a-1", actorInitFailed: true });
    expect(died).toBeInstanceOf(ActorError);
    expect({ ...died } as object).toEqual({ actorId: "a-1", actorInitFailed: true, preempted: false });
    expect((errors.errorOfCode("ObjectFreedError", "x", { objectId: 5 }) as ObjectLostError).objectId).toBe(
      "",
    );
    expect(Object.keys(new MobulaError("x"))).toEqual([]);
    expect("cause" in new MobulaError("x")).toBe(false);
  });

  test("a code that is unknown here keeps its text in a MobulaError", () => {
    for (const code of ["SomethingNew", "constructor", "__proto__", "toString"]) {
      const error = errors.errorOfCode(code, "m");
      expect(error.constructor).toBe(MobulaError);
      expect(error.code).toBe(code);
    }
  });

  test("GetTimeoutError's cause is a TimeoutError, as of AbortSignal.timeout", () => {
    const error = new GetTimeoutError("get timed out after 10 ms");
    expect((error.cause as DOMException).name).toBe("TimeoutError");
    expect(new GetTimeoutError("x", { cause: 1 }).cause).toBe(1);
  });

  test("the errors of another copy of mobula in the process pass as ours, siblings do not", async () => {
    const path = "../../runtime/common/errors.ts?another-copy";
    const other = await import(path) as typeof errors;
    expect(other.ObjectLostError).not.toBe(ObjectLostError);
    const theirs: unknown = new other.ObjectFreedError("x", { objectId: "o-1" });
    expect(theirs instanceof ObjectFreedError).toBe(true);
    expect(theirs instanceof ObjectLostError).toBe(true);
    expect(theirs instanceof MobulaError).toBe(true);
    expect(theirs instanceof ActorDiedError).toBe(false);
    class Mine extends ObjectLostError {}
    expect(theirs instanceof Mine).toBe(false);
    expect(new Mine("x") instanceof other.ObjectLostError).toBe(true);
    for (const value of [null, undefined, 1, "x", {}, new Error("x"), () => {}]) {
      expect((value as unknown) instanceof MobulaError).toBe(false);
    }
  });
});

describe("taskErrorOf", () => {
  const where = { taskName: "add", taskId: "t-1", nodeId: "n-1", attempt: 2 };

  class HttpError extends Error {
    status = 503;
    retryAfter = { seconds: 3 };
    code = "E_BUSY";
  }

  test("carries the user's error as cause, its fields, its class in the name", () => {
    const thrown = new HttpError("busy");
    const error = taskErrorOf(thrown, where);
    expect(error.cause).toBe(thrown);
    expect(error.name).toBe("TaskError(HttpError)");
    expect(error.message).toBe("task add failed: busy");
    expect({ ...error } as unknown).toEqual({
      ...where,
      remoteStack: thrown.stack,
      status: 503,
      retryAfter: { seconds: 3 },
      code: "E_BUSY",
    });
    expect(error).toBeInstanceOf(TaskError);
  });

  test("fields of the user that are named as ours do not replace them", () => {
    const thrown = Object.assign(new Error("x"), { taskId: "mine", attempt: 77, name: "Fancy", stack: "s" });
    const error = taskErrorOf(thrown, where);
    expect([error.taskId, error.attempt, error.name, error.remoteStack]).toEqual([
      "t-1",
      2,
      "TaskError(Error)",
      "s",
    ]);
  });

  test("a failure that comes from a nested task keeps the first class's name and fields", () => {
    const inner = taskErrorOf(new HttpError("busy"), where);
    const outer = taskErrorOf(inner, { ...where, taskName: "outer", taskId: "t-0", attempt: 0 });
    expect(outer.name).toBe("TaskError(HttpError)");
    expect((outer as unknown as HttpError).status).toBe(503);
    expect([outer.taskName, outer.taskId]).toEqual(["outer", "t-0"]);
  });

  test("an AggregateError's errors are reachable", () => {
    const parts = [new Error("a"), new Error("b")];
    expect((taskErrorOf(new AggregateError(parts, "both"), where) as unknown as AggregateError).errors)
      .toEqual(
        parts,
      );
  });

  test("whatever is thrown becomes a TaskError with that cause", () => {
    for (
      const [thrown, said] of [
        [undefined, "undefined"],
        [null, "null"],
        ["boom", "boom"],
        [{ a: 1 }, '{"a":1}'],
        [Symbol("s"), "Symbol(s)"],
        [Object.create(null), "{}"],
      ] as const
    ) {
      const error = taskErrorOf(thrown, where);
      expect(error.cause).toBe(thrown as unknown);
      expect([error.name, error.message]).toEqual(["TaskError", `task add failed: ${said}`]);
    }
  });
});
