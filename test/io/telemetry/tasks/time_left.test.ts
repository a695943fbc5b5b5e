/** How long open attempts take yet: worked examples, and the page's figure for a job whose slow tasks nobody knows yet. */
import { expect, test } from "bun:test";
import type { TaskRow } from "../../../../runtime/common/task_event.ts";
import { LocalTelemetry } from "../../../../runtime/io/telemetry/telemetry_port.ts";
import { type OpenFunction, timeLeft } from "../../../../runtime/io/telemetry/tasks/time_left.ts";
import * as events from "../../../dashboard/cluster_events.ts";

const of = (some: Partial<OpenFunction>): OpenFunction => ({
  ...{ pending: 0, running: 0, elapsedMs: [], meanMs: 1_000, longestMs: 1_000 },
  ...some,
});

test("what is left is the known work over what runs at once, and at least the longest piece of it", () => {
  expect(timeLeft([of({ pending: 8, running: 2, elapsedMs: [1_000, 500] })], 0)).toBe(4_250);
  expect(timeLeft([of({ running: 2, elapsedMs: [100, 900] })], 0)).toBe(900);
  // A running one that nothing is told of counts as just begun.
  expect(timeLeft([of({ running: 2 })], 0)).toBe(1_000);
  expect(timeLeft([of({ meanMs: 600_000, longestMs: 700_000, pending: 1, running: 5 })], 30)).toBe(720_000);
});

test("of short tasks the observed rate of work counts, which knows what lies between them", () => {
  const short = of({ meanMs: 0.01, longestMs: 5, pending: 100_000, running: 2 });
  expect(timeLeft([short], 0.5)).toBe(2_000);
  expect(timeLeft([short], 0)).toBe(500);
});

test("one that is late has half of the way to the longest before it; far beyond, nothing is known", () => {
  const late = (elapsedMs: number): number | null =>
    timeLeft([of({ longestMs: 4_000, running: 1, elapsedMs: [elapsedMs] })], 0);
  expect([late(2_000), late(4_000), late(7_000), late(8_001)]).toEqual([1_000, 0, 0, null]);
});

test("without a basis it is unknown", () => {
  expect(timeLeft([], 1)).toBeNull();
  expect(timeLeft([of({})], 1)).toBeNull();
  expect(timeLeft([of({ pending: 5 })], 0)).toBeNull();
  expect(timeLeft([of({ pending: 5, running: 1 }), of({ running: 5, meanMs: null })], 10)).toBeNull();
  // A function that has no open attempts is not asked.
  expect(timeLeft([of({ running: 1 }), of({ meanMs: null })], 0)).toBe(1_000);
});

test("a thousand quick tasks say nothing of five slow ones; the first slow one that ends does", async () => {
  let nowMs = 1_700_000_000_000;
  const beganMs = nowMs;
  const telemetry = new LocalTelemetry(undefined, () => nowMs);
  const slow = (i: number, endMs: number | null): TaskRow =>
    events.taskRow(`t-p-${i}`, {
      name: "slow",
      state: endMs === null ? "RUNNING" : "FINISHED",
      submittedMs: beganMs,
      pushedMs: beganMs,
      startMs: beganMs,
      endMs,
    });
  const tell = (sequence: number, rows: TaskRow[], finished: number): void =>
    telemetry.take([events.taskBatch("d-p", sequence, {
      counts: [
        events.counts("quick", { finished: 1_000, runMs: 2_000 }),
        events.counts("slow", { running: 5, pendingNode: 5 - finished, finished, runMs: finished * 600_000 }),
      ],
      rows: [events.taskRow(`t-p-q`, { name: "quick" }), ...rows],
    })], false);
  const left = async () => (await telemetry.ask("profile", { job: "j-1" })).etaMs;
  tell(1, [0, 1, 2, 3, 4].map((i) => slow(i, null)), 0);
  nowMs += 3_000;
  expect(await left()).toBeNull();
  nowMs = beganMs + 600_000;
  tell(2, [slow(0, nowMs)], 1);
  // Four are about to end; one that has just begun and four that wait are left, five at a time.
  expect(await left()).toBe(600_000);
});
