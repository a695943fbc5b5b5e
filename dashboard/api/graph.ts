/**
 * The task graph, as types: level 0 are groups (functions), exact; level 1 the recorded tasks of a group, sampled; level 2
 * the neighbourhood of one task. What is capped says "shown of total".
 * @module
 */
import type { TaskStateName, TaskTotals, TaskTypeName } from "../api_types.ts";

export type GraphGroupType = "task" | "actor" | "put";

export interface GraphGroup extends TaskTotals {
  /** Opaque; `group` of graph/group. */
  readonly id: string;
  /** The function's, or `Class.method`, or "put". */
  readonly name: string;
  readonly type: GraphGroupType;
  /** Exact sum of run times. */
  readonly runMs: number;
  /** Bytes of the group's results that each node holds; empty when the head does not know yet. */
  readonly nodes: Readonly<Record<string, number>>;
}

/** Results of `from` (or values that were put) that were arguments of `to`, exact. */
export interface GraphGroupEdge {
  readonly from: string;
  readonly to: string;
  readonly count: number;
  readonly bytes: number;
}

/** `graph?job=ID`, at most 200 groups: those that have open or failed tasks first, then the largest. */
export interface GraphDto {
  readonly jobId: string | null;
  readonly version: number;
  readonly groups: readonly GraphGroup[];
  readonly edges: readonly GraphGroupEdge[];
  readonly shown: number;
  readonly total: number;
}

export interface GraphTask {
  readonly taskId: string;
  readonly attempt: number;
  readonly name: string;
  readonly type: TaskTypeName;
  readonly state: TaskStateName;
  readonly nodeId: string | null;
  readonly actorId: string | null;
  readonly startMs: number | null;
  readonly endMs: number | null;
}

/** `to` took a result of `from`; `count` of them. */
export interface GraphTaskEdge {
  readonly from: string;
  readonly to: string;
  readonly count: number;
}

/** `graph/group`: the newest attempt of tasks of one group, failed and open ones first, the rest evenly sampled. */
export interface GraphGroupDto {
  readonly group: string;
  readonly name: string;
  readonly tasks: readonly GraphTask[];
  /** Between the tasks that are shown. */
  readonly edges: readonly GraphTaskEdge[];
  /** How often shown tasks take results of other groups. */
  readonly outside: readonly { readonly from: string; readonly to: string; readonly count: number }[];
  readonly shown: number;
  /** Recorded tasks of the group; its exact counts are in `graph`. */
  readonly total: number;
}

/** An object between tasks: an argument that was put, or a result. */
export interface GraphObject {
  readonly objectId: string;
  /** Null when it was put, or when its task is not recorded. */
  readonly producer: string | null;
  readonly bytes: number | null;
  /** Machines that hold it now, as far as the head knows. */
  readonly nodes: readonly string[];
}

/** `graph/task?id=T&hops=2`: tasks and objects around one, at most 300. */
export interface GraphNeighbourhoodDto {
  readonly taskId: string;
  readonly tasks: readonly (GraphTask & {
    /** 0 is the task itself; below 0 what it needs, above 0 what needs it. */ readonly hop: number;
  })[];
  readonly objects: readonly GraphObject[];
  /** From a task to an object that it makes, and from an object to a task that takes it. */
  readonly edges: readonly { readonly from: string; readonly to: string }[];
  readonly parentTaskId: string | null;
  readonly children: readonly string[];
  readonly shown: number;
  /** Tasks that were found within the hops. */
  readonly total: number;
}

/** `graph/critical?job=ID`: the chain of recorded tasks, each of which took a result of the one before, with the longest run time. */
export interface CriticalPathDto {
  readonly jobId: string | null;
  /** First to last. */
  readonly tasks: readonly (GraphTask & {
    readonly runMs: number; /** Between the end of the one before and its start. */
    readonly waitMs: number;
  })[];
  readonly runMs: number;
  /** From the first one's start to the last one's end. */
  readonly wallMs: number;
  /** Recorded tasks that were looked at. */
  readonly considered: number;
}
