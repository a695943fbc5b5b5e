/**
 * What is kept of one job besides its attempts: exact counts, spreads of durations, failures, rates, lanes. Each event
 * updates it in O(1). Book "" is of all jobs together.
 * @module
 */
import type { JobDto } from "../../../../dashboard/api_types.ts";
import type { TaskType } from "../../../common/task_event.ts";
import { RateRing } from "../rate_ring.ts";
import { TaskCounts } from "../task_counts.ts";
import { FAILED } from "./attempt_codes.ts";
import type { AttemptReader } from "./attempt_rows.ts";
import { DurationSketch } from "./duration_sketch.ts";
import { ErrorGroups } from "./error_groups.ts";
import { LaneTable } from "./lane_table.ts";
import { TileCache } from "./tile_cache.ts";

/** Functions whose durations are measured apart. */
const FUNCTIONS_MAX = 2_000;
/** Functions that tiles tell apart; the last number is "other". */
const COLOURS_MAX = 254;

/** What was recorded of one function. */
export interface FunctionBook {
  readonly name: string;
  readonly type: TaskType;
  readonly run: DurationSketch;
  readonly wait: DurationSketch;
  finished: number;
  failed: number;
  retries: number;
  runMs: number;
  resultBytes: number;
}

/** See the module's header. */
export class JobBook {
  readonly jobId: string;
  /** In the store's table of jobs; -1: all of them. */
  readonly index: number;
  job: JobDto | null = null;
  readonly counts: TaskCounts = new TaskCounts();
  readonly rates: RateRing;
  readonly functions: Map<string, FunctionBook> = new Map();
  readonly errors: ErrorGroups = new ErrorGroups();
  readonly lanes: LaneTable;
  readonly tiles: TileCache;
  /** Names of functions that ran, by their number in tiles. */
  readonly colours: string[] = [];
  readonly #colourOf: Map<string, number> = new Map();
  readonly #reader: AttemptReader;
  /** Grows with each change. */
  version = 1;
  /** Attempts that are kept, and those that had to go. */
  attempts = 0;
  evicted = 0;
  /** Of the tasks whose submitter ended before they did, those with a row. */
  orphanRows = 0;
  /** Where the timeline begins; fixed when the first attempt comes. */
  originMs: number | null = null;
  fromMs: number = Infinity;
  toMs: number = -Infinity;

  constructor(jobId: string, index: number, reader: AttemptReader, nowMs: number) {
    this.jobId = jobId;
    this.index = index;
    this.#reader = reader;
    this.rates = new RateRing(nowMs);
    this.lanes = new LaneTable(reader.store);
    this.tiles = new TileCache(this, reader);
  }

  /** A row of one of its attempts came. */
  changed(slot: number, isNew: boolean): void {
    const { a } = this.#reader.store.columns;
    this.version++;
    if (isNew) this.attempts++;
    const submitted = a.submitted[slot]!;
    if (submitted < this.fromMs) this.fromMs = submitted;
    this.originMs ??= Math.floor(Math.min(submitted, this.job?.startedMs ?? Infinity));
    const startMs = this.#reader.startMs(slot);
    if (startMs !== null && a.worker[slot] !== 0) {
      this.lanes.add(slot);
      this.#colour(this.#reader.name(slot));
    }
    if (startMs !== null && startMs > this.toMs) this.toMs = startMs;
    if (this.#reader.isEnded(slot)) this.#ended(slot);
  }

  #ended(slot: number): void {
    const reader = this.#reader;
    const { a } = reader.store.columns;
    const endMs = reader.endMs(slot);
    if (endMs !== null && endMs > this.toMs) this.toMs = endMs;
    const isFailed = (a.flags[slot]! & 7) === FAILED;
    const book = this.#function(reader.name(slot), reader.type(slot));
    if (isFailed) book.failed++;
    else book.finished++;
    book.resultBytes += reader.resultBytes(slot);
    if (a.attempt[slot]! > 0) book.retries++;
    const runMs = reader.durationMs(slot);
    if (runMs !== null) {
      book.runMs += runMs;
      book.run.add(runMs);
      book.wait.add(a.start[slot]!);
    }
    if (!isFailed) return;
    this.errors.add({
      functionName: book.name,
      error: reader.error(slot) ?? { type: "", message: "" },
      taskId: reader.taskId(slot),
      nodeId: reader.nodeId(slot),
      atMs: endMs ?? a.submitted[slot]!,
    });
  }

  /** An attempt of the job has to go. */
  left(): void {
    this.attempts--;
    this.evicted++;
    this.version++;
  }

  /** The number of a function in tiles, from 1; OTHER_FUNCTIONS (255) for the rest. */
  colourOf(name: string): number {
    return this.#colourOf.get(name) ?? COLOURS_MAX + 1;
  }

  #colour(name: string): void {
    if (this.#colourOf.has(name) || this.colours.length >= COLOURS_MAX) return;
    this.colours.push(name);
    this.#colourOf.set(name, this.colours.length);
  }

  #function(name: string, type: TaskType): FunctionBook {
    let key = `${type} ${name}`;
    let book = this.functions.get(key);
    if (book === undefined && this.functions.size >= FUNCTIONS_MAX) {
      name = "(other)";
      key = `${type} ${name}`;
      book = this.functions.get(key);
    }
    if (book === undefined) {
      const sums = { finished: 0, failed: 0, retries: 0, runMs: 0, resultBytes: 0 };
      book = { name, type, run: new DurationSketch(), wait: new DurationSketch(), ...sums };
      this.functions.set(key, book);
    }
    return book;
  }
}
