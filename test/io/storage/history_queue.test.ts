/**
 * What gives way when history comes faster than it can be stored.
 * @module
 */
import { expect, test } from "bun:test";
import { HistoryQueue } from "../../../runtime/io/storage/history_queue.ts";
import type { HistoryRow, StoreWrite } from "../../../runtime/io/storage/rows.ts";
import { task } from "./store_fixture.ts";

function take(queue: HistoryQueue, count: number): string[] {
  const taken: (StoreWrite | HistoryRow)[] = [];
  queue.take(count, taken);
  return taken.map((row) =>
    row.table === "tasks" && "put" in row ? `${row.put.taskId} ${row.put.state}` : row.table
  );
}

test("a full queue drops the oldest finished rows, keeps failed ones, and counts", () => {
  const queue = new HistoryQueue(4);
  queue.push(task("t-1", "FAILED"));
  for (let index = 2; index <= 6; index++) queue.push(task(`t-${index}`));
  expect(queue.dropped).toBe(2);
  expect(queue.isPressed).toBe(true);
  expect(take(queue, 10)).toEqual(["t-1 FAILED", "t-4 FINISHED", "t-5 FINISHED", "t-6 FINISHED"]);
  expect(queue.isPressed).toBe(false);
});

test("a queue of failed rows only drops the oldest of them", () => {
  const queue = new HistoryQueue(2);
  for (let index = 1; index <= 3; index++) queue.push(task(`t-${index}`, "FAILED"));
  expect(queue.dropped).toBe(1);
  expect(take(queue, 10)).toEqual(["t-2 FAILED", "t-3 FAILED"]);
});

test("rows leave in the order in which they came, so that a later state replaces an earlier one", () => {
  const queue = new HistoryQueue();
  queue.push(task("t-1", "RUNNING"));
  queue.push(task("t-2", "FAILED"));
  queue.push(task("t-1", "FAILED"));
  queue.push(task("t-3"));
  expect(take(queue, 3)).toEqual(["t-1 RUNNING", "t-2 FAILED", "t-1 FAILED"]);
  expect(take(queue, 3)).toEqual(["t-3 FINISHED"]);
});
