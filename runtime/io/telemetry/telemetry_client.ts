/**
 * The head's end of its telemetry process: passes events on, bounded, asks questions, and starts the process again when it
 * dies. A new process is told what is absolute at once (jobs, counts of each process); attempts come from the history that the
 * head's store keeps (`onRestart`).
 *
 *   (new) --needed, or after a moment--> up --dies--> waiting --(backoff)--> up        close: ended
 * @module
 */
import type { ChildProcess } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { spawnRuntime } from "#platform";
import type { JobDto } from "../../../dashboard/api_types.ts";
import type { TelemetryAnswers, TelemetryParams, TelemetryQueryName } from "../../../dashboard/api/tasks.ts";
import type { TimelineMarker } from "../../../dashboard/api/timeline.ts";
import type { TaskEventBatch } from "../../common/task_event.ts";
import type { RuntimeName } from "../../common/task_spec.ts";
import { programHere } from "../../platform/runtime_folder.ts";
import { ChildPipe } from "../transport/child_pipe.ts";
import type { TelemetryPort } from "./telemetry_port.ts";
import { type AnswerMessage, TelemetryFrame, type TookMessage } from "./telemetry_wire.ts";

/** Rows on their way that the process has not worked in: beyond, rows are dropped and counted; counts never are. */
const ROWS_ON_THE_WAY_MAX = 50_000;
/** Batches on their way: beyond, whole batches are dropped, for the next one says the same counts. */
const BATCHES_ON_THE_WAY_MAX = 5_000;
/** Processes whose newest counts are remembered for a new telemetry process. */
const PROCESSES_MAX = 2_000;
const JOBS_MAX = 200;
const MARKERS_MAX = 200;
const QUESTIONS_MAX = 1_000;
/** A question is answered within this long, a restart included. */
const ANSWER_MS = 15_000;
/** Waits before it is started again; the last one again and again, the first after a life of a minute. */
const RESTART_MS = [50, 200, 1_000, 5_000];
const LONG_LIFE_MS = 60_000;
/** It is started when it is first needed, or after this long: the start of a cluster has no time for it. */
const FIRST_START_MS = 250;

export interface TelemetryOptions {
  readonly runtime: RuntimeName;
  readonly attemptsMax: number;
  readonly log: (line: string) => void;
  /** A new process has begun in place of one that died: its attempts may be told again, by take(…, true). */
  readonly onRestart?: () => void;
}

interface Question {
  readonly name: string;
  readonly params: TelemetryParams;
  readonly resolve: (json: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
  /** How often the process died with it: a question that kills is not asked again. */
  deaths: number;
}

const decoder = new TextDecoder();

export class TelemetryClient implements TelemetryPort {
  readonly #options: TelemetryOptions;
  #child: ChildProcess | null = null;
  #pipe: ChildPipe | null = null;
  #closed = false;
  #startedMs = 0;
  #deaths = 0;
  #restartTimer: ReturnType<typeof setTimeout> | undefined;
  /** Batches that it has not worked in: rows each, by sequence. */
  readonly #onTheWay: Map<number, number> = new Map();
  #rowsOnTheWay = 0;
  #sequence = 0;
  /** What a new process has to know. */
  readonly #newest: Map<string, TaskEventBatch> = new Map();
  readonly #jobs: Map<string, JobDto> = new Map();
  readonly #dead: Set<string> = new Set();
  readonly #markers: TimelineMarker[] = [];
  #attempts = 0;
  #evicted = 0;
  #lost = 0;
  readonly #questions: Map<number, Question> = new Map();
  #nextQuestion = 1;

  constructor(options: TelemetryOptions) {
    this.#options = options;
    this.#restartTimer = setTimeout(() => this.#start(), FIRST_START_MS);
  }

  /** Process id; 0 while there is none. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }
  get missing(): number {
    return this.#lost + this.#evicted;
  }

  take(batches: readonly TaskEventBatch[], isHistory: boolean): void {
    this.#startFirst();
    for (const batch of batches) if (!isHistory) this.#remember(batch);
    if (this.#pipe === null) {
      for (const batch of batches) this.#lost += batch.rows.length;
      return;
    }
    if (this.#onTheWay.size >= BATCHES_ON_THE_WAY_MAX) {
      for (const batch of batches) this.#drop(batch.rows.length);
      return;
    }
    const rows = batches.reduce((sum, batch) => sum + batch.rows.length, 0);
    const isFull = this.#rowsOnTheWay + rows > ROWS_ON_THE_WAY_MAX;
    if (isFull) this.#drop(rows);
    // Steps are the head's business.
    const passed = batches.map((batch) => ({ ...batch, steps: [], ...isFull ? { rows: [] } : {} }));
    // What died with the last process is there again.
    if (isHistory && !isFull) this.#drop(-Math.min(rows, this.#lost));
    const sequence = ++this.#sequence;
    this.#onTheWay.set(sequence, isFull ? 0 : rows);
    this.#rowsOnTheWay += isFull ? 0 : rows;
    this.#pipe.send(TelemetryFrame.batches, { sequence, batches: passed, isHistory });
  }

  died(processId: string): void {
    this.#dead.delete(processId);
    this.#dead.add(processId);
    if (this.#dead.size > PROCESSES_MAX) this.#dead.delete(this.#dead.values().next().value!);
    this.#pipe?.send(TelemetryFrame.died, { id: processId });
  }

  job(job: JobDto): void {
    this.#jobs.delete(job.jobId);
    this.#jobs.set(job.jobId, job);
    if (this.#jobs.size > JOBS_MAX) this.#jobs.delete(this.#jobs.keys().next().value!);
    this.#pipe?.send(TelemetryFrame.job, { job });
  }

  mark(marker: TimelineMarker): void {
    this.#markers.push(marker);
    if (this.#markers.length > MARKERS_MAX) this.#markers.shift();
    this.#pipe?.send(TelemetryFrame.mark, { marker });
  }

  async ask<Q extends TelemetryQueryName>(
    name: Q,
    params: TelemetryParams = {},
  ): Promise<TelemetryAnswers[Q]> {
    return JSON.parse(decoder.decode(await this.askJson(name, params)));
  }

  /** The answer as JSON, for those who only pass it on. */
  askJson(name: string, params: TelemetryParams = {}): Promise<Uint8Array> {
    if (this.#closed) return Promise.reject(new Error("the telemetry process is closed"));
    if (this.#questions.size >= QUESTIONS_MAX) {
      return Promise.reject(new Error(`${QUESTIONS_MAX} questions wait for the telemetry process already`));
    }
    this.#startFirst();
    return new Promise((resolve, reject) => {
      const id = this.#nextQuestion++;
      const timer = setTimeout(() => {
        this.#questions.delete(id);
        reject(new Error("the telemetry process does not answer: ask again"));
      }, ANSWER_MS);
      this.#questions.set(id, { name, params, resolve, reject, timer, deaths: 0 });
      this.#pipe?.send(TelemetryFrame.query, { id, name, params });
    });
  }

  /** End the process; what is asked is refused. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#restartTimer);
    for (const [id, question] of [...this.#questions]) {
      this.#settle(id, question).reject(new Error("the head ends"));
    }
    const child = this.#child;
    if (child === null) return;
    const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
    // It has nothing to save.
    child.kill("SIGKILL");
    await ended;
  }

  #startFirst(): void {
    if (this.#startedMs > 0 || this.#closed) return;
    clearTimeout(this.#restartTimer);
    this.#start();
  }

  #start(): void {
    const { runtime, attemptsMax } = this.#options;
    const { entry, args } = programHere("io/telemetry/telemetry_process.ts");
    const child = spawnRuntime(runtime, entry, { args, stdio: ["pipe", "pipe", "inherit"] });
    this.#child = child;
    this.#startedMs = performance.now();
    this.#pipe = new ChildPipe(
      child.stdout as Readable,
      child.stdin as Writable,
      (type, message, sections) => this.#onMessage(type, message, sections),
      () => {},
    );
    child.once("error", (error) => this.#ended(child, `cannot be started: ${error.message}`));
    child.once("close", (code, signal) => this.#ended(child, `ended with ${signal ?? `code ${code}`}`));
    this.#pipe.send(TelemetryFrame.open, { attemptsMax });
    this.#tellAll();
    for (const [id, { name, params }] of this.#questions) {
      this.#pipe.send(TelemetryFrame.query, { id, name, params });
    }
  }

  /** What is absolute: jobs, the newest counts of each process, who is dead. */
  #tellAll(): void {
    if (this.#lost > 0) this.#pipe!.send(TelemetryFrame.lost, { rows: this.#lost });
    for (const job of this.#jobs.values()) this.#pipe!.send(TelemetryFrame.job, { job });
    const batches = [...this.#newest.values()];
    if (batches.length > 0) this.take(batches.map((batch) => ({ ...batch, rows: [] })), true);
    for (const id of this.#dead) this.#pipe!.send(TelemetryFrame.died, { id });
    for (const marker of this.#markers) this.#pipe!.send(TelemetryFrame.mark, { marker });
  }

  #ended(child: ChildProcess, how: string): void {
    if (this.#closed || this.#child !== child) return;
    this.#child = null;
    this.#pipe = null;
    // What it had, and what was on its way to it.
    this.#drop(this.#attempts + this.#rowsOnTheWay);
    this.#attempts = this.#rowsOnTheWay = 0;
    this.#onTheWay.clear();
    for (const [id, question] of [...this.#questions]) {
      if (++question.deaths < 2) continue;
      this.#settle(id, question).reject(new Error(`the telemetry process ${how} while it was asked this`));
    }
    if (performance.now() - this.#startedMs > LONG_LIFE_MS) this.#deaths = 0;
    const waitMs = RESTART_MS[Math.min(this.#deaths++, RESTART_MS.length - 1)]!;
    this.#options.log(`the telemetry process ${how}; it is started again in ${waitMs} ms`);
    const atMs = Date.now();
    this.#restartTimer = setTimeout(() => {
      this.#start();
      this.mark({ atMs, kind: "telemetryRestarted", text: `the telemetry process ${how}` });
      this.#options.onRestart?.();
    }, waitMs);
  }

  #onMessage(type: number, message: unknown, sections: readonly Uint8Array[]): void {
    if (type === TelemetryFrame.took) {
      const { sequence, attempts, evicted } = message as TookMessage;
      this.#rowsOnTheWay -= this.#onTheWay.get(sequence) ?? 0;
      this.#onTheWay.delete(sequence);
      this.#attempts = attempts;
      this.#evicted = evicted;
      return;
    }
    const answer = message as AnswerMessage;
    const question = this.#questions.get(answer.id);
    if (question === undefined) return;
    const { resolve, reject } = this.#settle(answer.id, question);
    // A section is a view of what was received.
    if (answer.error === undefined) resolve(sections[0]!.slice());
    else reject(answer.isRange === true ? new RangeError(answer.error) : new Error(answer.error));
  }

  #settle(id: number, question: Question): Question {
    this.#questions.delete(id);
    clearTimeout(question.timer);
    return question;
  }

  #drop(rows: number): void {
    this.#lost += rows;
    this.#pipe?.send(TelemetryFrame.lost, { rows: this.#lost });
  }

  /** The process that reported last comes last. */
  #remember(batch: TaskEventBatch): void {
    this.#newest.delete(batch.processId);
    this.#newest.set(batch.processId, { ...batch, rows: [], steps: [] });
    if (this.#newest.size > PROCESSES_MAX) this.#newest.delete(this.#newest.keys().next().value!);
  }
}
