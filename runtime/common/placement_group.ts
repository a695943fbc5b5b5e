/**
 * Placement groups as every part of the system knows them: bundles of resources that are reserved together, or not at all.
 * Plain data; the machines are core/gcs/placement_group_manager.ts and core/scheduler/bundle_table.ts.
 * @module
 */
import type { GroupId, JobId, NodeId, ProcessId } from "./ids.ts";
import type { ResourceSet } from "./resources.ts";

/** PACK and SPREAD are wishes: few nodes, many nodes. The STRICT ones wait: one node for all, a node for each. */
export type PlacementStrategy = "PACK" | "SPREAD" | "STRICT_PACK" | "STRICT_SPREAD";
export const PLACEMENT_STRATEGIES: readonly PlacementStrategy[] = [
  "PACK",
  "SPREAD",
  "STRICT_PACK",
  "STRICT_SPREAD",
];

/** Bundles of one group, at most (Ray's own tests go to a thousand). */
export const BUNDLES_MAX: number = 1_000;

/** What work inside must know of its group. Bundles in units. */
export interface GroupInfo {
  readonly groupId: GroupId;
  readonly bundles: readonly ResourceSet[];
}

/** What its creator says of a group; nothing of it changes. */
export interface GroupSpec extends GroupInfo {
  readonly jobId: JobId;
  /** The process that created it, and that process's node. */
  readonly owner: ProcessId;
  readonly ownerNode: NodeId;
  /** Unique in its namespace among live groups; "" for none. */
  readonly name: string;
  readonly namespace: string;
  /** It outlives its creator and its job. */
  readonly detached: boolean;
  /** Its creator is a detached actor: it ends with that process, not with the job. */
  readonly byDetachedActor: boolean;
  readonly strategy: PlacementStrategy;
}

/**
 * PENDING: nothing is reserved. PREPARED: every node has agreed, and is being told that it counts. CREATED: work may run.
 * RESCHEDULING: a node died; its bundles look for another one while the others work on. REMOVED: for good.
 */
export type GroupState = "PENDING" | "PREPARED" | "CREATED" | "RESCHEDULING" | "REMOVED";

/** A bundle that a node holds, as it tells the head when it registers. */
export interface BundleReport {
  readonly groupId: GroupId;
  readonly index: number;
  /** Which round of reservations it belongs to. */
  readonly attempt: number;
  readonly committed: boolean;
}

/** What is free in a bundle, for heartbeats. */
export interface BundleLoad {
  readonly groupId: GroupId;
  readonly index: number;
  readonly available: ResourceSet;
}

/** What work in a group is told of it; `capture`: what it submits itself joins the group, unless it says otherwise. */
export interface AssignedGroup {
  readonly info: GroupInfo;
  readonly capture: boolean;
}

/** Where a PlacementGroup of the public API keeps what it stands for, also one of another copy of mobula. */
export const GROUP: unique symbol = Symbol.for("mobula.placementGroup") as never;

/** What a user's value stands for, when it is a placement group. */
export function groupInfoOf(value: unknown): GroupInfo | null {
  if (typeof value !== "object" || value === null) return null;
  return (value as { readonly [GROUP]?: GroupInfo })[GROUP] ?? null;
}
