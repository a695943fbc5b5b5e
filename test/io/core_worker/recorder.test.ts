/**
 * The task recorder: counts are exact however fast tasks end, rows are sampled past a rate and what is left out is counted,
 * failed ones and ends of what was told while it was under way are not.
 */
import { expect, test } from "bun:test";
import { TASK_ROWS_PER_BATCH } from "../../../runtime/common/config.ts";
import type { JobId, NodeId, ProcessId, TaskId } from "../../../runtime/common/ids.ts";
import type { TaskEventBatch } from "../../../runtime/common/task_event.ts";
import type { OwnTask } from "../../../runtime/io/core_worker/own_task.ts";
import { TaskRecorder, WAITING_ROWS_MIN } from "../../../runtime/io/core_worker/recorder.ts";
import { UnreadyRows } from "../../../runtime/io/core_worker/unready_rows.ts";
import * as events from "../../dashboard/cluster_events.ts";

test("counts are exact, rows sampled and counted; failures and ends of what was told are never left out", async () => {
  const sent: TaskEventBatch[] = [];
  const identity = { processId: "d-1" as ProcessId, nodeId: "n-1" as NodeId, jobId: () => "j-1" as JobId };
  const recorder = new TaskRecorder(identity, async (batch) => void sent.push(batch));
  const stats = recorder.stats("add", "NORMAL_TASK");
  const work = Array.from({ length: 3_000 }, (_, i) => ({ id: `t-1-${i.toString(36)}` }));
  // Three of them are told while they run, each once a state.
  const slow = [work[2_900]!, work[2_950]!, work[2_999]!];
  recorder.addSource({
    running: () => new Map(),
    longRunning: () =>
      slow.filter((one) => recorder.isNews(one, "RUNNING")).map(({ id }) =>
        events.taskRow(id, { state: "RUNNING" })
      ),
  });
  await recorder.flush();
  await recorder.flush();
  expect(sent.map(({ rows }) => rows.length)).toEqual([3, 0]);
  let failed = 0;
  for (const [i, one] of work.entries()) {
    const isFailed = i % 10 === 7;
    if (isFailed) stats.failed++;
    else stats.finished++;
    if (isFailed) failed++;
    if (!(isFailed ? recorder.wantsFailedRow(one) : recorder.wantsRow(one))) continue;
    recorder.row(events.taskRow(one.id, { state: isFailed ? "FAILED" : "FINISHED" }));
  }
  await recorder.close();
  const [, , last] = sent;
  const rows = sent.slice(2).flatMap((batch) => batch.rows);
  const finished = rows.filter(({ state }) => state === "FINISHED").map(({ taskId }) => taskId as string);
  expect(rows.filter(({ state }) => state === "FAILED").length).toBe(failed);
  expect(finished.length).toBe(TASK_ROWS_PER_BATCH + slow.length);
  for (const { id } of slow) expect(finished).toContain(id);
  expect(last!.rowsDropped).toBe(work.length - failed - finished.length);
  expect(sent.at(-1)!.counts).toMatchObject([{ name: "add", finished: work.length - failed, failed }]);
});

test("a recorder that is off takes no row and sends nothing", async () => {
  const sent: TaskEventBatch[] = [];
  const identity = { processId: "d-1" as ProcessId, nodeId: "n-1" as NodeId, jobId: () => "j-1" as JobId };
  const recorder = new TaskRecorder(identity, async (batch) => void sent.push(batch), false);
  recorder.stats("add", "NORMAL_TASK").finished++;
  recorder.touch();
  expect([recorder.wantsRow({}), recorder.wantsFailedRow({})]).toEqual([false, false]);
  recorder.step("t-1" as TaskId, "submit", 1, "export", "");
  await recorder.flush();
  await recorder.close();
  expect(sent).toEqual([]);
});

test("of more work under way than is remembered nothing is told before it ends: no row stays without its end", () => {
  const recorder = new TaskRecorder(
    { processId: "d-1" as ProcessId, nodeId: "n-1" as NodeId, jobId: () => "j-1" as JobId },
    async () => {},
  );
  const work = Array.from({ length: 30_000 }, (_, i) => ({ i }));
  const told = work.filter((one) => recorder.isNews(one, "RUNNING"));
  expect(told.length).toBeGreaterThan(1_000);
  let taken = 0;
  for (const one of told) if (recorder.wantsRow(one)) taken++;
  expect(taken).toBe(told.length);
  // There is room again.
  expect(recorder.isNews(work.at(-1)!, "RUNNING")).toBe(true);
});

test("a task that waits for its arguments is told once, and so is its end", async () => {
  const sent: TaskEventBatch[] = [];
  const recorder = new TaskRecorder(
    { processId: "d-1" as ProcessId, nodeId: "n-1" as NodeId, jobId: () => "j-1" as JobId },
    async (batch) => void sent.push(batch),
  );
  const tasks = Array.from({ length: 3 }, (_, i) => ({ id: `t-1-${i}`, submittedMs: 0, ended: false }));
  const unready = tasks as unknown as OwnTask[];
  const row = (task: OwnTask) => events.taskRow(task.id, { state: "PENDING_ARGS_AVAIL" });
  recorder.addSource(new UnreadyRows(unready, { recorder, nowMs: () => 10_000, row }));
  await recorder.flush();
  await recorder.flush();
  expect(sent.map(({ rows }) => rows.length)).toEqual([3, 0]);
  // Many end at once: whoever waits in the batch, these three are told.
  for (let i = 0; i < TASK_ROWS_PER_BATCH; i++) {
    if (recorder.wantsRow({})) recorder.row(events.taskRow(`t-1-x${i}`));
  }
  expect(recorder.wantsRow({})).toBe(false);
  expect(unready.map((task) => recorder.wantsRow(task))).toEqual([true, true, true]);
  await recorder.close();
});

test("what waits is told as far as rows of what ended leave room, and a few always", async () => {
  const identity = { processId: "d-1" as ProcessId, nodeId: "n-1" as NodeId, jobId: () => "j-1" as JobId };
  const recorder = new TaskRecorder(identity, async () => undefined);
  const asked: [limit: number, waiting: number][] = [];
  recorder.addSource({
    running: () => new Map(),
    longRunning: (limit, waiting) => {
      asked.push([limit, waiting]);
      return [];
    },
  });
  await recorder.flush();
  for (let ended = 0; ended < TASK_ROWS_PER_BATCH - 100; ended++) {
    recorder.row(events.taskRow(`t-1-${ended}`));
  }
  await recorder.flush();
  for (let ended = 0; ended < TASK_ROWS_PER_BATCH; ended++) recorder.row(events.taskRow(`t-2-${ended}`));
  await recorder.close();
  const all = TASK_ROWS_PER_BATCH;
  expect(asked).toEqual([[all, all], [all, 100], [all, WAITING_ROWS_MIN]]);
});
