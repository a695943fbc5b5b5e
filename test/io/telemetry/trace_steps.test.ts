/** Steps of a trace in the order in which they happened, although the clocks of processes differ a little. */
import { expect, test } from "bun:test";
import type { TraceStep } from "../../../runtime/common/task_event.ts";
import { inOrder } from "../../../runtime/io/telemetry/trace_steps.ts";

function step(
  name: string,
  number: number,
  atMs: number,
  journey: TraceStep["journey"] = "submit",
): TraceStep {
  return {
    taskId: "t-1" as never,
    journey,
    step: number,
    name,
    nodeId: null,
    processId: null,
    atMs,
    detail: "",
  };
}
const names = (steps: TraceStep[]): string[] => inOrder(steps).map(({ name }) => name);

test("times too close to tell between two clocks give way to the design's order", () => {
  const steps = [
    step("globalPick", 4, 10),
    step("handOver", 3, 10.5),
    step("leaseRequest", 2, 11),
    step("run", 7, 30),
  ];
  expect(names(steps)).toEqual(["leaseRequest", "handOver", "globalPick", "run"]);
  // Of the head, whose times are whole milliseconds.
  const whole = [step("globalPick", 4, 10), step("export", 1, 10.1), step("leaseRequest", 2, 10.4)];
  expect(names(whole)).toEqual(["export", "leaseRequest", "globalPick"]);
  expect(names([step("run", 7, 5), step("push", 7, 5.4), step("grant", 7, 5.5)])).toEqual([
    "grant",
    "push",
    "run",
  ]);
});

test("what really came later stays later, and so does the next attempt", () => {
  expect(names([step("localGrant", 3, 120), step("argsLookup", 5, 10), step("pull", 6, 12)])).toEqual([
    "argsLookup",
    "pull",
    "localGrant",
  ]);
  const again = [step("result", 8, 50), step("record", 8, 50.1), step("leaseRequest", 2, 50.2)];
  expect(names(again)).toEqual(["result", "record", "leaseRequest"]);
  // Two journeys are not compared.
  expect(names([step("pull", 4, 1, "get"), step("handOver", 3, 1.1)])).toEqual(["pull", "handOver"]);
});
