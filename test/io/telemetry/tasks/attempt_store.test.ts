/**
 * The columnar store against a plain one: random rows, reordered and resent, deaths of processes, far more than there is room
 * for. Memory is counted in bytes of arrays.
 */
import { describe, expect, test } from "bun:test";
import { Prng } from "../../../../runtime/common/prng.ts";
import type { TaskRow } from "../../../../runtime/common/task_event.ts";
import { NONE } from "../../../../runtime/io/telemetry/tasks/attempt_columns.ts";
import { AttemptReader } from "../../../../runtime/io/telemetry/tasks/attempt_rows.ts";
import { AttemptStore } from "../../../../runtime/io/telemetry/tasks/attempt_store.ts";
import { StringTable } from "../../../../runtime/io/telemetry/tasks/string_table.ts";
import { IdParts, objectIdOf, taskIdOf } from "../../../../runtime/io/telemetry/tasks/task_ids.ts";
import * as events from "../../../dashboard/cluster_events.ts";

const STATES = ["PENDING_NODE_ASSIGNMENT", "SUBMITTED_TO_WORKER", "RUNNING", "FINISHED", "FAILED"] as const;
const PROGRESS = {
  PENDING_ARGS_AVAIL: 0,
  PENDING_NODE_ASSIGNMENT: 1,
  SUBMITTED_TO_WORKER: 2,
  RUNNING: 3,
  FINISHED: 4,
  FAILED: 4,
};

/** The same rules with a map and three lists. */
class PlainStore {
  readonly rows = new Map<string, { row: TaskRow; reporter: string; order: number }>();
  open: string[] = [];
  finished: string[] = [];
  failed: string[] = [];
  evicted = 0;
  #order = 0;
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  apply(row: TaskRow, reporter: string): boolean {
    const key = `${row.taskId}#${row.attempt}`;
    const known = this.rows.get(key);
    if (known !== undefined) {
      const before = known.row.state;
      if (before === "FINISHED" || before === "FAILED" || PROGRESS[row.state] <= PROGRESS[before]) {
        return false;
      }
      known.row = row;
      known.reporter = reporter;
      if (row.state === "FINISHED" || row.state === "FAILED") {
        this.open = this.open.filter((other) => other !== key);
        (row.state === "FINISHED" ? this.finished : this.failed).push(key);
      }
      return true;
    }
    if (this.rows.size === this.#max) {
      const list = [this.finished, this.open, this.failed].find((keys) => keys.length > 0)!;
      this.rows.delete(list.shift()!);
      this.evicted++;
    }
    this.rows.set(key, { row, reporter, order: ++this.#order });
    (row.state === "FINISHED" ? this.finished : row.state === "FAILED" ? this.failed : this.open).push(key);
    return true;
  }

  died(reporter: string, nowMs: number): number {
    const keys = this.open.filter((key) => this.rows.get(key)!.reporter === reporter);
    for (const key of keys) {
      const known = this.rows.get(key)!;
      const error = { type: "OwnerDiedError", message: `its submitter ${reporter} ended before it did` };
      known.row = { ...known.row, state: "FAILED", endMs: nowMs, error, resultBytes: 0 };
      this.failed.push(key);
    }
    this.open = this.open.filter((key) => !keys.includes(key));
    return keys.length;
  }
}

function randomRow(random: Prng, nowMs: number): { row: TaskRow; reporter: string } {
  const owner = `${"abcdef"[random.below(6)]}00${random.below(3)}`;
  const state = STATES[random.below(5)]!;
  const isEnded = state === "FINISHED" || state === "FAILED";
  const startMs = state === "RUNNING" || isEnded ? nowMs + random.below(100_000) / 16 : null;
  const ids = Array.from({ length: random.below(4) }, () => {
    const by = `${"abc"[random.below(3)]}00${random.below(3)}-`;
    return random.below(3) === 0
      ? `o-${by}p${random.below(99).toString(36)}`
      : `o-${by}${random.below(99).toString(36)}.${random.below(3)}`;
  });
  const row = events.taskRow(`t-${owner}-${random.below(60).toString(36)}`, {
    attempt: random.below(3),
    name: `fn${random.below(8)}`,
    type: (["NORMAL_TASK", "ACTOR_TASK", "ACTOR_CREATION_TASK"] as const)[random.below(3)]!,
    state,
    jobId: `j-${random.below(3)}` as TaskRow["jobId"],
    nodeId: (random.below(4) === 0 ? null : `n-${random.below(3)}`) as TaskRow["nodeId"],
    workerId: (random.below(4) === 0 ? null : `w-${random.below(9)}`) as TaskRow["workerId"],
    actorId: (random.below(2) === 0 ? null : `a-${random.below(9)}`) as TaskRow["actorId"],
    parentTaskId: (random.below(2) === 0 ? null : `t-${owner}-0`) as TaskRow["parentTaskId"],
    submittedMs: nowMs,
    pushedMs: random.below(2) === 0 ? null : nowMs + 1.5,
    startMs,
    endMs: isEnded ? (startMs ?? nowMs) + random.below(10_000) / 8 : null,
    args: ids as unknown as TaskRow["args"],
    resultBytes: isEnded && state === "FINISHED" ? random.below(5_000_000) : 0,
    error: state === "FAILED" ? { type: `E${random.below(3)}`, message: `m ${random.below(50)}` } : null,
    ...(random.below(5) === 0 ? { labelSelector: { zone: `z${random.below(2)}` } } : {}),
  });
  return { row, reporter: `d-${owner}` };
}

function close(a: number | null, b: number | null): boolean {
  return a === b || (a !== null && b !== null && Math.abs(a - b) < 0.01);
}

function expectSame(store: AttemptStore, plain: PlainStore): void {
  const reader = new AttemptReader(store);
  expect(store.size).toBe(plain.rows.size);
  expect(store.evicted).toBe(plain.evicted);
  expect(store.openCount).toBe(plain.open.length);
  const byOrder = [...plain.rows.values()].sort((a, b) => a.order - b.order);
  const slots = Array.from({ length: store.size }, (_, slot) => slot);
  slots.sort((x, y) => store.columns.a.order[x]! - store.columns.a.order[y]!);
  for (const [i, { row, reporter }] of byOrder.entries()) {
    const { row: told, processId } = reader.reported(slots[i]!);
    const { startMs, endMs, pushedMs, labelSelector = null, fallbackStrategy = null, ...rest } = row;
    expect(told).toMatchObject({ ...rest, labelSelector, fallbackStrategy, resultBytes: row.resultBytes });
    expect(processId).toBe(reporter);
    expect([close(told.startMs, startMs), close(told.endMs, endMs), close(told.pushedMs, pushedMs)])
      .toEqual([true, true, true]);
  }
  // Queues: what would go next is the same.
  const { finished, failed } = store.ended;
  expect([finished.count, failed.count]).toEqual([plain.finished.length, plain.failed.length]);
}

describe("attempts", () => {
  for (const run of [1, 2, 3]) {
    test(`are kept as a plain store keeps them, run ${run}`, () => {
      const seed = Math.floor(Math.random() * 2 ** 31);
      console.log(`seed ${seed}`);
      const random = new Prng(seed);
      // More than the first size of the columns, so that they grow, in the third run.
      const max = [40, 300, 6_000][run - 1]!;
      const store = new AttemptStore(max), plain = new PlainStore(max);
      for (let step = 0; step < 8_000; step++) {
        const nowMs = 1_700_000_000_000 + step * 10;
        const { row, reporter } = randomRow(random, nowMs);
        expect(store.apply(row, reporter, nowMs) !== NONE).toBe(plain.apply(row, reporter));
        if (random.below(200) === 0) {
          expect(store.processDied(reporter, nowMs).length).toBe(plain.died(reporter, nowMs));
        }
        if (step % 1_000 === 999) expectSame(store, plain);
      }
      expectSame(store, plain);
    });
  }

  test("are found by their ids, all attempts and the newest, and gone when they had to go", () => {
    const store = new AttemptStore(4);
    const reader = new AttemptReader(store);
    for (const attempt of [0, 1, 2]) store.apply(events.taskRow("t-p-7", { attempt }), "d-p", 0);
    store.apply(events.taskRow("t-p-8"), "d-p", 0);
    expect(store.attemptsOf("t-p-7").map((slot) => store.columns.a.attempt[slot])).toEqual([0, 1, 2]);
    const owner = store.owners.find("p");
    expect(reader.row(store.newest(owner, 7), false).attempt).toBe(2);
    store.apply(events.taskRow("t-p-9"), "d-p", 0);
    expect(store.attemptsOf("t-p-7").map((slot) => store.columns.a.attempt[slot])).toEqual([1, 2]);
    expect(store.attemptsOf("t-p-99")).toEqual([]);
  });

  test("take at most 100 bytes each, with an argument and a tenth", () => {
    const count = 100_000;
    const store = new AttemptStore(count);
    for (let i = 0; i < count; i++) {
      const args = i % 10 === 0 ? [`o-p-${i.toString(36)}.0`, "o-p-p1"] : [`o-p-${i.toString(36)}.0`];
      store.apply(events.taskRow(`t-q-${i.toString(36)}`, { args: args as never }), "d-q", 0);
    }
    expect(store.size).toBe(count);
    expect(store.cells.dropped).toBe(0);
    expect(store.bytes / count).toBeLessThanOrEqual(100);
    // Texts are shared: one of each.
    expect(store.kinds.characters + store.workers.characters + store.owners.characters).toBeLessThan(100);
    // What has gone leaves its arguments' room to what comes.
    for (let i = 0; i < count; i++) {
      store.apply(events.taskRow(`t-r-${i.toString(36)}`, { args: ["o-p-p1"] as never }), "d-r", 0);
    }
    expect(store.bytes / count).toBeLessThanOrEqual(100);
    expect(store.cells.dropped).toBe(0);
    expect(store.evictedFinished).toBe(count);
  });
});

describe("ids", () => {
  test("of all forms come back as they were", () => {
    const parts = new IdParts();
    for (
      const id of [
        "t-0a1b-0",
        "t-0a1b-zz",
        "t-0a1b-1z141z2",
        "t-0a1b-00",
        "t-x",
        "task",
        "t-a-b-c",
        "t-a-1z141z3",
        "t-a-UP",
      ]
    ) {
      const { owner, sequence } = parts.task(id);
      expect(taskIdOf(owner, sequence)).toBe(id);
    }
    for (
      const id of [
        "o-0a-1.0",
        "o-0a-1.65533",
        "o-0a-1.65534",
        "o-0a-p1",
        "o-0a-p",
        "o-0a-1",
        "o-0a-01.0",
        "o-a-1.00",
        "o",
        "o-a-1.x",
      ]
    ) {
      const { owner, sequence, index } = parts.object(id);
      expect(objectIdOf(owner, sequence, index)).toBe(id);
    }
  });
});

describe("texts", () => {
  test("are one as long as somebody uses them, and (other) where there is no room", () => {
    const table = new StringTable(4, 20);
    const a = table.acquire("aaaa"), again = table.acquire("aaaa"), b = table.acquire("bbbb");
    expect(again).toBe(a);
    table.release(a);
    expect(table.text(a)).toBe("aaaa");
    table.release(a);
    expect(table.find("aaaa")).toBe(-1);
    const c = table.acquire("cccc");
    expect([c, table.text(b), table.text(c)]).toEqual([a, "bbbb", "cccc"]);
    expect(table.text(table.acquire("d".repeat(20)))).toBe("(other)");
    expect(table.text(table.acquire("dd"))).toBe("dd");
    expect(table.text(table.acquire("ee"))).toBe("(other)");
    expect([table.acquire(null), table.acquire(""), table.textOrNull(0)]).toEqual([0, 0, null]);
  });
});
