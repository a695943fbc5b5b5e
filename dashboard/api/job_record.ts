/**
 * What is kept of a job when it is over: everything that its pages show, so that they open after restarts, and from a file.
 * Plain data, at most a few megabytes whatever the job's size.
 *
 * The telemetry process makes what it knows; `actors` and `objects` come from the head.
 * @module
 */
import type { ActorDto, JobDto, ObjectGroupDto } from "../api_types.ts";
import type { CriticalPathDto, GraphDto, GraphGroupDto } from "./graph.ts";
import type { ProfileDto, TaskRowDto } from "./tasks.ts";
import type { TimelineBar, TimelineLanesDto, TimelineTileDto } from "./timeline.ts";

/** Grows when the form changes in a way that old readers cannot read. */
export const JOB_RECORD_FORMAT: number = 1;

export interface JobRecord {
  readonly format: number;
  readonly job: JobDto;
  readonly madeMs: number;
  /** Function tree, counts, rates, spreads, error groups. */
  readonly profile: ProfileDto;
  /** Level 0. */
  readonly graph: GraphDto;
  /** Level 1 of the largest groups, with fewer tasks than a live page gets. */
  readonly groups: readonly GraphGroupDto[];
  readonly critical: CriticalPathDto;
  readonly timeline: {
    readonly lanes: TimelineLanesDto;
    /** All tiles of the zooms from the one that shows the whole job in one or two tiles on, as many as there is room for. */
    readonly tiles: readonly TimelineTileDto[];
    /** All bars when there are few, else an even sample; `barsTotal` says of how many. */
    readonly bars: readonly TimelineBar[];
    readonly barsTotal: number;
  };
  /** Failed attempts and the slowest ones, a page of each, with details. */
  readonly tasks: readonly TaskRowDto[];
  readonly tasksTotal: number;
  readonly actors: readonly ActorDto[];
  readonly objects: readonly ObjectGroupDto[];
  /** Answers of further pages as they were then, by question: "objects/overview", "actors/overview", "actors/page". */
  readonly pages?: Readonly<Record<string, unknown>>;
}
