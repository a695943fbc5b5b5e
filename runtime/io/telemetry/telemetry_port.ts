/**
 * Where events of tasks go, and where questions about tasks are answered: the telemetry process (telemetry_client.ts), or this
 * process, where there is no other (LocalTelemetry).
 * @module
 */
import type { JobDto } from "../../../dashboard/api_types.ts";
import type {
  TelemetryAnswers,
  TelemetryParams,
  TelemetryQueryName,
  TelemetryReader,
} from "../../../dashboard/api/tasks.ts";
import type { TimelineMarker } from "../../../dashboard/api/timeline.ts";
import type { TaskEventBatch } from "../../common/task_event.ts";
import { TaskQueries } from "./tasks/task_queries.ts";
import { TaskTelemetry } from "./tasks/task_telemetry.ts";

export interface TelemetryPort extends TelemetryReader {
  /** Attempts that were told and are not kept any more. */
  readonly missing: number;
  /** What processes report. `isHistory`: it happened before this head began. */
  take(batches: readonly TaskEventBatch[], isHistory: boolean): void;
  /** A driver or worker process, or an agent's run, is gone. */
  died(processId: string): void;
  /** A job is new, or has ended. */
  job(job: JobDto): void;
  /** Something that the timeline is to show. */
  mark(marker: TimelineMarker): void;
}

/** Keeps and answers in this process: for tests and tools. A head has a process for it. */
export class LocalTelemetry implements TelemetryPort {
  readonly telemetry: TaskTelemetry;
  readonly #queries: TaskQueries;

  constructor(attemptsMax?: number, now?: () => number) {
    this.telemetry = new TaskTelemetry(attemptsMax, now);
    this.#queries = new TaskQueries(this.telemetry);
  }

  get missing(): number {
    return this.telemetry.store.evicted;
  }

  take(batches: readonly TaskEventBatch[], isHistory: boolean): void {
    for (const batch of batches) this.telemetry.apply(batch, isHistory);
  }
  died(processId: string): void {
    this.telemetry.processDied(processId);
  }
  job(job: JobDto): void {
    this.telemetry.job(job);
  }
  mark(marker: TimelineMarker): void {
    this.telemetry.mark(marker);
  }

  async ask<Q extends TelemetryQueryName>(
    name: Q,
    params: TelemetryParams = {},
  ): Promise<TelemetryAnswers[Q]> {
    return await this.#queries.ask(name, params);
  }
}
