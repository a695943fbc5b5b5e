/**
 * A job's attempts as Chrome trace events, which Perfetto reads: nodes are processes, lanes are threads, runs are slices with
 * their waiting before them, and arrows lead from what made an argument to what took it. In pages, so that any number can leave.
 * @module
 */
import type { TraceEvent } from "../../../../dashboard/api/timeline.ts";
import { FAILED, RUNNING } from "./attempt_codes.ts";
import { NONE } from "./attempt_columns.ts";
import type { JobBook } from "./job_book.ts";
import { SIDE_BY_SIDE } from "./lane_table.ts";
import { PUT_INDEX } from "./task_ids.ts";
import type { TaskTelemetry } from "./task_telemetry.ts";

/** Attempts in one page: a few megabytes. */
const PAGE = 4_000;

export interface TracePage {
  readonly traceEvents: readonly TraceEvent[];
  /** Pass it as `after` for the events that follow; null at the end. */
  readonly next: string | null;
}

/** One export under way: which attempts, lane by lane in the order in which they began. */
export class TraceExport {
  readonly id: string;
  readonly #telemetry: TaskTelemetry;
  readonly #book: JobBook;
  readonly #slots: Uint32Array;
  readonly #endMs: number;
  readonly #originMs: number;

  constructor(id: string, telemetry: TaskTelemetry, book: JobBook) {
    this.id = id;
    this.#telemetry = telemetry;
    this.#book = book;
    this.#endMs = telemetry.now();
    this.#originMs = book.originMs ?? 0;
    this.#slots = this.#inOrder();
  }

  page(from: number): TracePage {
    const events: TraceEvent[] = from === 0 ? this.#names() : [];
    const to = Math.min(this.#slots.length, from + PAGE);
    for (let at = from; at < to; at++) this.#attempt(events, at);
    return { traceEvents: events, next: to < this.#slots.length ? `${this.id}.${to}` : null };
  }

  #inOrder(): Uint32Array {
    const { store } = this.#telemetry;
    const { job, flags, submitted, start } = store.columns.a;
    const byLane: number[][] = [];
    const never: number[] = [];
    for (let slot = 0; slot < store.size; slot++) {
      if (this.#book.index >= 0 && job[slot] !== this.#book.index) continue;
      const lane = this.#book.lanes.of(slot);
      if (Number.isNaN(start[slot]!) || (flags[slot]! & 7) < RUNNING || lane < 0) never.push(slot);
      else (byLane[lane] ??= []).push(slot);
    }
    for (const slots of byLane) {
      slots?.sort((x, y) => submitted[x]! + start[x]! - (submitted[y]! + start[y]!));
    }
    return Uint32Array.from([...byLane.filter((slots) => slots !== undefined).flat(), ...never]);
  }

  /** What processes and threads are called. */
  #names(): TraceEvent[] {
    const { nodes, workers, actors } = this.#telemetry.store;
    const events: TraceEvent[] = [];
    const named = new Set<number>();
    for (const [lane, { node, worker, slot, actor }] of this.#book.lanes.lanes.entries()) {
      const name = `${actors.textOrNull(actor) ?? workers.text(worker)}${slot === 0 ? "" : ` #${slot}`}`;
      if (!named.has(node)) {
        named.add(node);
        events.push({ name: "process_name", ph: "M", pid: node, tid: 0, args: { name: nodes.text(node) } });
      }
      events.push({ name: "thread_name", ph: "M", pid: node, tid: lane + 1, args: { name } });
    }
    return events;
  }

  #attempt(events: TraceEvent[], at: number): void {
    const { reader, store } = this.#telemetry;
    const { flags, attempt } = store.columns.a;
    const slot = this.#slots[at]!;
    const name = reader.name(slot);
    const place = this.#place(slot);
    const id = `${reader.taskId(slot)}#${attempt[slot]}`;
    const state = reader.state(slot);
    const args = {
      taskId: reader.taskId(slot),
      attempt: attempt[slot],
      state,
      ...(flags[slot]! >> 3 === 0 ? {} : { actorId: reader.actorId(slot) }),
      ...(reader.errorType(slot) === null
        ? {}
        : { error: `${reader.errorType(slot)}: ${reader.errorMessage(slot)}` }),
      resultBytes: reader.resultBytes(slot),
    };
    this.#waiting(events, slot, id, name);
    if (place === null) {
      const ts = this.#us(reader.endMs(slot) ?? reader.submittedMs(slot));
      events.push({ name: `${name} (${state})`, ph: "i", s: "p", cat: "task", pid: 0, tid: 0, ts, args });
      return;
    }
    const ts = this.#us(reader.startMs(slot)!);
    const colour = (flags[slot]! & 7) === FAILED ? { cname: "terrible" } : {};
    events.push({ name, ph: "X", cat: "task", ...place, ts, dur: this.#duration(at), args, ...colour });
    this.#arrows(events, slot, id);
  }

  /** Submitted until pushed, pushed until begun: beside the lanes, for they overlap. */
  #waiting(events: TraceEvent[], slot: number, id: string, name: string): void {
    const { reader } = this.#telemetry;
    const submittedMs = reader.submittedMs(slot);
    const pushedMs = reader.pushedMs(slot);
    const startMs = reader.startMs(slot);
    const phase = (what: string, fromMs: number, toMs: number | null) => {
      if (toMs === null || toMs < fromMs) return;
      const common = { cat: "waiting", id, pid: this.#telemetry.store.columns.a.node[slot]!, tid: 0 };
      events.push({ name: `${name}: ${what}`, ph: "b", ...common, ts: this.#us(fromMs) });
      events.push({ name: `${name}: ${what}`, ph: "e", ...common, ts: this.#us(toMs) });
    };
    phase("queued", submittedMs, pushedMs);
    if (pushedMs !== null) phase("pushed", pushedMs, startMs);
  }

  #arrows(events: TraceEvent[], slot: number, id: string): void {
    const { store, reader } = this.#telemetry;
    const { cells } = store;
    let argument = 0;
    for (let cell = store.columns.a.args[slot]!; cell !== NONE; cell = cells.next[cell]!) {
      argument++;
      if (cells.index[cell] === PUT_INDEX) continue;
      const producer = store.newest(cells.owner[cell]!, cells.sequence[cell]!);
      const from = producer === NONE ? null : this.#place(producer);
      const durationMs = from === null ? null : reader.durationMs(producer);
      if (from === null || durationMs === null) continue;
      const flow = { name: "argument", cat: "argument", id: `${id}/${argument}` };
      // Inside both slices: an arrow is bound to what lies around its ends.
      const ts = this.#us(reader.startMs(producer)! + durationMs * 0.9);
      events.push({ ...flow, ph: "s", ...from, ts });
      events.push({ ...flow, ph: "f", bp: "e", ...this.#place(slot)!, ts: this.#us(reader.startMs(slot)!) });
    }
  }

  /** Where it ran; null when it did not. */
  #place(slot: number): { pid: number; tid: number } | null {
    const { store, reader } = this.#telemetry;
    const lane = reader.startMs(slot) === null ? -1 : this.#book.lanes.of(slot);
    return lane < 0 ? null : { pid: store.columns.a.node[slot]!, tid: lane + 1 };
  }

  /** Slices of one thread may not overlap: times are rounded, so the next one's start is the end. */
  #duration(at: number): number {
    const { reader, store } = this.#telemetry;
    const slot = this.#slots[at]!, next = this.#slots[at + 1];
    const startMs = reader.startMs(slot)!;
    let endMs = reader.endMs(slot) ?? this.#endMs;
    const lane = this.#book.lanes.of(slot);
    const isTold = store.columns.a.lane[slot]! < SIDE_BY_SIDE - 1;
    if (next !== undefined && isTold && this.#place(next) !== null && this.#book.lanes.of(next) === lane) {
      endMs = Math.min(endMs, reader.startMs(next)!);
    }
    return Math.max(0, this.#us(endMs) - this.#us(startMs));
  }

  /** Microseconds since the timeline's beginning. */
  #us(ms: number): number {
    return Math.round((ms - this.#originMs) * 1e6) / 1e3;
  }
}
