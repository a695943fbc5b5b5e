/**
 * What the telemetry process says about tasks, as types: lists and sums of attempts, and the profile of a job. Types only:
 * runtime, server and page may import them.
 *
 * Times are milliseconds since the epoch, durations are milliseconds, sizes are bytes. Counts are of two kinds, and each
 * says which it is: **exact** ones come from counters in the processes that submit and miss nothing; **recorded** ones are of
 * the rows that were kept (past a rate rows of finished tasks are sampled, failed ones never are), and say what is missing.
 * @module
 */
import type { ListAnswer, SummaryAnswer } from "./state.ts";
import type { JobDto, RatesDto, TaskStateName, TaskTotals, TaskTypeName } from "../api_types.ts";
import type { CriticalPathDto, GraphDto, GraphGroupDto, GraphNeighbourhoodDto } from "./graph.ts";
import type { TaskRow } from "../../runtime/common/task_event.ts";
import type { JobRecord } from "./job_record.ts";
import type {
  TimelineAtDto,
  TimelineBarsDto,
  TimelineLanesDto,
  TimelineRangeDto,
  TimelineTileDto,
  TraceEvent,
} from "./timeline.ts";

/** What of a job's tasks there is to look at. */
export interface Recorded {
  /** Attempts that are kept now. */
  readonly attempts: number;
  /** Rows that processes did not record, because their rate was over the limit. */
  readonly sampledOut: number;
  /** Attempts that had to make room for newer ones. */
  readonly evicted: number;
  /** Rows that were lost on the way, because the telemetry process was behind or away. */
  readonly lost: number;
}

/** One attempt of a task, as `list` gives it. Columns marked detail are there with `detail` only. */
export interface TaskRowDto {
  readonly taskId: string;
  readonly attempt: number;
  readonly name: string;
  readonly type: TaskTypeName;
  readonly state: TaskStateName;
  readonly jobId: string;
  readonly nodeId: string | null;
  readonly workerId: string | null;
  readonly actorId: string | null;
  readonly submittedMs: number;
  readonly startMs: number | null;
  readonly endMs: number | null;
  readonly durationMs: number | null;
  readonly resultBytes: number;
  readonly errorType: string | null;
  readonly errorMessage: string | null;
  /** Detail. */
  readonly pushedMs?: number | null;
  readonly parentTaskId?: string | null;
  readonly args?: readonly string[];
  readonly labelSelector?: Readonly<Record<string, string>> | null;
  readonly fallbackStrategy?: readonly unknown[] | null;
}

/** One attempt as it was reported. */
export interface ReportedTask {
  readonly row: TaskRow;
  readonly processId: string;
  readonly reportedMs: number;
}

/** How durations are spread: ends exact, quantiles within 2 %. All null-free: absent when nothing was measured. */
export interface Spread {
  readonly count: number;
  readonly mean: number;
  readonly min: number;
  readonly p25: number;
  readonly p50: number;
  readonly p75: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** One function (or actor method, or constructor) of a job. */
export interface FunctionProfileDto extends TaskTotals {
  /** Names the function in `graph` as well. */
  readonly id: string;
  readonly name: string;
  readonly type: TaskTypeName;
  /** Exact sum over those that ended. */
  readonly runMs: number;
  /** Of recorded attempts; null before the first. */
  readonly run: Spread | null;
  /** Submitted until begun. */
  readonly wait: Spread | null;
  /** Attempts after a task's first, recorded. */
  readonly retries: number;
  readonly resultBytes: number;
  readonly argBytes: number;
}

/** Recorded calls of `child` by tasks of `parent`; null for the driver. Ids of functions. */
export interface FunctionCallDto {
  readonly parent: string | null;
  readonly child: string;
  readonly count: number;
}

/** Failures that look alike: one function, one kind of error, messages equal but for numbers and ids. */
export interface ErrorGroupDto {
  readonly fingerprint: string;
  readonly functionName: string;
  readonly errorType: string;
  /** The newest one's. */
  readonly message: string;
  /** Attempts that failed so themselves. */
  readonly count: number;
  /** Attempts that failed because of these: they took a result of theirs, or waited for it. Absent in older records. */
  readonly dependants?: number;
  /** Frames of user code of the newest one, a line each; null or absent where nothing is known. */
  readonly stack?: string | null;
  readonly firstMs: number;
  readonly lastMs: number;
  /** A few of the tasks, newest first. */
  readonly taskIds: readonly string[];
  readonly nodes: readonly string[];
}

/** `profile?job=ID`, or of all jobs without one. */
export interface ProfileDto {
  readonly jobId: string | null;
  readonly job: JobDto | null;
  /** Grows with each change. */
  readonly version: number;
  readonly madeMs: number;
  /** Exact. */
  readonly totals: TaskTotals;
  readonly runMs: number;
  readonly retries: number;
  readonly resultBytes: number;
  readonly argBytes: number;
  /** Ended in the last ten seconds, per second. */
  readonly perSecond: number;
  /**
   * Until what is known now has ended, by how long ended attempts of the same functions took. Null when nothing is open, or
   * there is no basis: a function of which nothing has ended, an attempt that runs far longer than any did, or nothing runs.
   */
  readonly etaMs: number | null;
  /** Unfinished and failed ones first. */
  readonly functions: readonly FunctionProfileDto[];
  readonly functionsTotal: number;
  readonly calls: readonly FunctionCallDto[];
  readonly errors: readonly ErrorGroupDto[];
  readonly errorsTotal: number;
  readonly rates: RatesDto;
  readonly recorded: Recorded;
}

/** Parameters as an address gives them (text), or as code does. Unknown names are refused. */
export type TelemetryParams = Readonly<
  Record<string, string | number | boolean | readonly string[] | null | undefined>
>;

/** What may be asked, and its answer. */
export interface TelemetryAnswers {
  /** filters (or filter), limit, after, detail. */
  readonly tasks: ListAnswer;
  /** id: rows of all attempts, with details, the first one first. */
  readonly task: { readonly rows: readonly TaskRowDto[] };
  /** id: the same as its processes reported them; `processId` did. */
  readonly "task/reported": { readonly rows: readonly ReportedTask[] };
  /** by, filters (or filter). Counts of all tasks, or of one job's, by name, type and state are exact. */
  readonly "summary/tasks": SummaryAnswer;
  /** job. */
  readonly profile: ProfileDto;
  /** job. */
  readonly graph: GraphDto;
  /** job, group, limit. */
  readonly "graph/group": GraphGroupDto;
  /** id, hops. */
  readonly "graph/task": GraphNeighbourhoodDto;
  /** job. */
  readonly "graph/critical": CriticalPathDto;
  /** job. */
  readonly "timeline/lanes": TimelineLanesDto;
  /** job, z, x, lanes ("a-b"). */
  readonly "timeline/tile": TimelineTileDto;
  /** job, from, to, lanes. */
  readonly "timeline/bars": TimelineBarsDto;
  /** job, lane, atMs. */
  readonly "timeline/at": TimelineAtDto;
  /** job, from, to, lanes. */
  readonly "timeline/range": TimelineRangeDto;
  /** job (all without one), after: pages of events for Chrome's and Perfetto's trace viewers. Pass `next` as `after`; null at the end. */
  readonly "timeline/export": { readonly traceEvents: readonly TraceEvent[]; readonly next: string | null };
  /** job. */
  readonly record: JobRecord;
}

export type TelemetryQueryName = keyof TelemetryAnswers;

/** The telemetry process, as the head's other parts see it. */
export interface TelemetryReader {
  /**
   * Rejects with a RangeError for bad parameters or an unknown job, and with an Error while the process is away: it comes back
   * within seconds, and a page may ask again.
   */
  ask<Q extends TelemetryQueryName>(name: Q, params?: TelemetryParams): Promise<TelemetryAnswers[Q]>;
}
