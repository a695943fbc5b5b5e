/**
 * All that is known of tasks: the attempts, and a book for each job and one for all. Batches of events update it; queries
 * (task_queries.ts) read it. It runs in the telemetry process.
 * @module
 */
import type { JobDto } from "../../../../dashboard/api_types.ts";
import type { Recorded } from "../../../../dashboard/api/tasks.ts";
import type { TimelineMarker } from "../../../../dashboard/api/timeline.ts";
import type { TaskEventBatch, TaskRow } from "../../../common/task_event.ts";
import { NONE } from "./attempt_columns.ts";
import { AttemptReader } from "./attempt_rows.ts";
import { AttemptStore, LANE_UNKNOWN } from "./attempt_store.ts";
import { JobBook } from "./job_book.ts";
import { LaneChoice } from "./lane_table.ts";

/** Attempts that are kept. */
export const ATTEMPTS_MAX: number = 1_000_000;
/** Jobs with a book; the ones that ended longest ago give way. */
const JOBS_MAX = 200;
const MARKERS_MAX = 500;
/** Processes that ended and are remembered for their late batches. */
const DEAD_MAX = 2_000;

/** See the module's header. */
export class TaskTelemetry {
  readonly store: AttemptStore;
  readonly reader: AttemptReader;
  readonly all: JobBook;
  readonly books: Map<string, JobBook> = new Map();
  readonly markers: TimelineMarker[] = [];
  readonly now: () => number;
  /** Rows that the head could not pass on, absolute. */
  lost = 0;
  /** By the job's index in the store. */
  readonly #byIndex: Map<number, JobBook> = new Map();
  readonly #lanes: LaneChoice;
  readonly #jobOf: Map<string, JobBook> = new Map();
  /** All and only processes that ended, oldest first. */
  readonly #dead: Set<string> = new Set();

  constructor(attemptsMax: number = ATTEMPTS_MAX, now: () => number = Date.now) {
    this.now = now;
    this.store = new AttemptStore(attemptsMax);
    this.reader = new AttemptReader(this.store);
    this.all = new JobBook("", -1, this.reader, now());
    this.#lanes = new LaneChoice(this.store);
    this.store.onEvict = (slot) => this.#leaves(slot);
  }

  /** What one process reports. A duplicate is ignored. `isHistory`: it happened before, and is no rate of now. */
  apply(batch: TaskEventBatch, isHistory: boolean = false): void {
    const nowMs = this.now();
    const delta = this.all.counts.apply(batch);
    if (delta === null) return;
    if (!isHistory) {
      this.all.rates.add(nowMs, delta.finished, delta.failed, this.all.counts.totals.running, delta.runMs);
    }
    this.all.version++;
    if (batch.jobId !== null) this.#applyCounts(this.#book(batch.jobId), batch, isHistory);
    for (const row of batch.rows) this.#applyRow(row, batch.processId, nowMs);
    // The last words of a process may come after the news of its death.
    if (this.#dead.has(batch.processId)) this.#failOpen(batch.processId, nowMs);
  }

  /** A process is gone: what it had submitted and is open has failed. */
  processDied(id: string): void {
    const nowMs = this.now();
    this.#dead.add(id);
    if (this.#dead.size > DEAD_MAX) this.#dead.delete(this.#dead.values().next().value!);
    for (const book of [this.all, this.#jobOf.get(id)]) {
      if (book === undefined) continue;
      const delta = book.counts.processDied(id);
      book.rates.add(nowMs, 0, delta.failed, book.counts.totals.running);
      book.version++;
    }
    this.#jobOf.delete(id);
    this.#failOpen(id, nowMs);
  }

  job(job: JobDto): void {
    const book = this.#book(job.jobId);
    book.job = job;
    book.version++;
  }

  mark(marker: TimelineMarker): void {
    this.markers.push(marker);
    if (this.markers.length > MARKERS_MAX) this.markers.shift();
    this.all.version++;
  }

  /** What there is to look at of a job. */
  recorded(book: JobBook): Recorded {
    return {
      attempts: book.attempts,
      // Of what its submitter left open, it had perhaps not told all.
      sampledOut: book.counts.rowsDropped + Math.max(0, book.counts.orphaned - book.orphanRows),
      evicted: book.evicted,
      lost: this.lost,
    };
  }

  /** The job's book, or that of all. @throws {RangeError} for a job that is not known. */
  bookOf(jobId: string | null): JobBook {
    if (jobId === null) return this.all;
    const book = this.books.get(jobId);
    if (book === undefined) {
      throw new RangeError(`there is no job ${JSON.stringify(jobId.slice(0, 80))} in memory`);
    }
    return book;
  }

  #applyCounts(book: JobBook, batch: TaskEventBatch, isHistory: boolean): void {
    this.#jobOf.delete(batch.processId);
    this.#jobOf.set(batch.processId, book);
    if (this.#jobOf.size > DEAD_MAX) this.#jobOf.delete(this.#jobOf.keys().next().value!);
    const delta = book.counts.apply(batch);
    if (delta === null) return;
    // Its first words may come after the news of its death: the job's book has not heard of it then.
    if (this.#dead.has(batch.processId)) book.counts.processDied(batch.processId);
    if (!isHistory) {
      book.rates.add(this.now(), delta.finished, delta.failed, book.counts.totals.running, delta.runMs);
    }
    book.version++;
  }

  #applyRow(row: TaskRow, reporter: string, nowMs: number): void {
    const { store } = this;
    const before = store.arrived;
    const slot = store.apply(row, reporter, nowMs);
    if (slot === NONE) return;
    const isNew = store.arrived !== before;
    this.#chooseLane(slot);
    this.all.changed(slot, isNew);
    this.#byIndex.get(store.columns.a.job[slot]!)?.changed(slot, isNew);
  }

  /** Calls of actors may overlap in their worker: each gets a place as it begins. */
  #chooseLane(slot: number): void {
    const { reader } = this;
    const { a } = this.store.columns;
    const startMs = reader.startMs(slot);
    if (startMs === null || a.worker[slot] === 0) return;
    const endMs = reader.endMs(slot);
    if (a.actor[slot] === 0) a.lane[slot] = 0;
    else if (a.lane[slot] === LANE_UNKNOWN) this.#lanes.choose(slot, startMs, endMs);
    else if (endMs !== null) this.#lanes.end(slot, endMs);
  }

  #failOpen(id: string, nowMs: number): void {
    for (const slot of this.store.processDied(id, nowMs)) {
      this.#lanes.end(slot, nowMs);
      for (const book of [this.all, this.#byIndex.get(this.store.columns.a.job[slot]!)]) {
        if (book === undefined) continue;
        book.changed(slot, false);
        book.orphanRows++;
      }
    }
  }

  #leaves(slot: number): void {
    const { a } = this.store.columns;
    if (!this.reader.isEnded(slot)) this.#lanes.end(slot, this.now());
    this.all.left();
    this.#byIndex.get(a.job[slot]!)?.left();
  }

  #book(jobId: string): JobBook {
    let book = this.books.get(jobId);
    if (book !== undefined) return book;
    // Held, so that the index keeps its meaning.
    const index = this.store.jobs.acquire(jobId);
    book = new JobBook(jobId, index, this.reader, this.now());
    this.books.set(jobId, book);
    this.#byIndex.set(index, book);
    if (this.books.size > JOBS_MAX) this.#forgetJob();
    return book;
  }

  /** The job that ended first, or else the one that is known longest, has no book any more. */
  #forgetJob(): void {
    let victim: JobBook | null = null;
    for (const book of this.books.values()) {
      const endedMs = book.job?.endedMs ?? Infinity;
      if (victim === null || endedMs < (victim.job?.endedMs ?? Infinity)) victim = book;
    }
    this.books.delete(victim!.jobId);
    this.#byIndex.delete(victim!.index);
    for (const [id, book] of this.#jobOf) if (book === victim) this.#jobOf.delete(id);
    victim!.lanes.release();
    this.store.jobs.release(victim!.index);
  }
}
