/**
 * What goes into the placement group manager and what comes out: the shapes only.
 * @module
 */
import type { GroupId, JobId, NodeId, ProcessId } from "../../common/ids.ts";
import type {
  BundleLoad,
  BundleReport,
  GroupInfo,
  GroupSpec,
  GroupState,
} from "../../common/placement_group.ts";
import type { ResourceSet } from "../../common/resources.ts";
import type { PickRequest } from "../scheduler/pick_request.ts";
import type { BundleDemand } from "./bundle_placement.ts";

/** A placement group as it is persisted. */
export interface GroupRecord {
  readonly spec: GroupSpec;
  /** It ends with its creator's process; false: with its job (or, detached, with neither). */
  readonly endsWithOwner: boolean;
  readonly state: GroupState;
  /** Why it waits, or was removed; "" while all is well. */
  readonly message: string;
  /** By bundle index. A node stands here when all nodes have agreed, before it is told that its bundle counts. */
  readonly placements: readonly (NodeId | null)[];
  readonly createdMs: number;
  /** When it was CREATED first. */
  readonly readyMs: number | null;
  readonly endedMs: number | null;
}

export type GroupEvent =
  /** Idempotent by group id. `refused`: why it may not be (its job has ended), or null. */
  | {
    readonly type: "createGroup";
    readonly requestId: string;
    readonly spec: GroupSpec;
    readonly refused: string | null;
    readonly endsWithOwner: boolean;
  }
  | {
    readonly type: "getGroup";
    readonly requestId: string;
    readonly name: string;
    readonly namespace: string;
  }
  /** Idempotent; an unknown id is nothing to remove. */
  | { readonly type: "removeGroup"; readonly requestId: string; readonly groupId: GroupId }
  /** Answered when it is CREATED, or after `timeoutMs` (null: no limit); refused when it is removed. */
  | {
    readonly type: "waitGroup";
    readonly requestId: string;
    readonly groupId: GroupId;
    readonly timeoutMs: number | null;
  }
  /** Nobody waits by this request any more. */
  | { readonly type: "cancelWait"; readonly requestId: string }
  /** A node has reserved its bundles of this round, or could not (`problem`). */
  | {
    readonly type: "bundlesPrepared";
    readonly nodeId: NodeId;
    readonly groupId: GroupId;
    readonly attempt: number;
    readonly problem: string | null;
  }
  | {
    readonly type: "bundlesCommitted";
    readonly nodeId: NodeId;
    readonly groupId: GroupId;
    readonly attempt: number;
  }
  /** A node has held bundles for long and heard nothing. */
  | {
    readonly type: "bundlesAsked";
    readonly nodeId: NodeId;
    readonly groupId: GroupId;
    readonly attempt: number;
    readonly indices: readonly number[];
  }
  /** A node (re)joined and holds exactly these. */
  | {
    readonly type: "bundlesReported";
    readonly nodeId: NodeId;
    readonly bundles: readonly BundleReport[];
  }
  | {
    readonly type: "nodeLoad";
    readonly nodeId: NodeId;
    readonly available: ResourceSet;
    readonly bundles: readonly BundleLoad[];
  }
  /** What nodes have free is more than what was known, though none has said so: something that was assigned is not held. */
  | { readonly type: "roomMade" }
  | { readonly type: "nodeJoined"; readonly nodeId: NodeId }
  /** It cannot be reached for now: a reservation does not wait for it. */
  | { readonly type: "nodeSuspected"; readonly nodeId: NodeId }
  | { readonly type: "nodeDied"; readonly nodeId: NodeId; readonly reason: string }
  | { readonly type: "jobEnded"; readonly jobId: JobId }
  | { readonly type: "processExited"; readonly processId: ProcessId }
  /** A place within a group. */
  | { readonly type: "requestPick"; readonly request: PickRequest }
  | { readonly type: "cancelPick"; readonly key: string }
  | { readonly type: "timer" };

export type GroupEffect =
  | { readonly type: "persistGroup"; readonly record: GroupRecord }
  | { readonly type: "forgetGroup"; readonly groupId: GroupId }
  | { readonly type: "groupFound"; readonly requestId: string; readonly info: GroupInfo }
  | { readonly type: "removeDone"; readonly requestId: string }
  | { readonly type: "groupWaited"; readonly requestId: string; readonly created: boolean }
  | {
    readonly type: "groupRefused";
    readonly requestId: string;
    readonly code: "NameTakenError" | "PlacementGroupRemovedError" | "MobulaError";
    readonly message: string;
  }
  /** Reserve these, all or none, and say so. `final`: they are the whole group, and count as soon as they are reserved. */
  | {
    readonly type: "prepareBundles";
    readonly nodeId: NodeId;
    readonly groupId: GroupId;
    readonly attempt: number;
    readonly bundles: readonly BundleDemand[];
    readonly final: boolean;
  }
  /** What was reserved in this round counts from now on. Sent after the placement is durable. */
  | {
    readonly type: "commitBundles";
    readonly nodeId: NodeId;
    readonly groupId: GroupId;
    readonly attempt: number;
  }
  /** Give these back. `removed`: the group is no more, and what runs inside ends; else why not. */
  | {
    readonly type: "releaseBundles";
    readonly nodeId: NodeId;
    readonly groupId: GroupId;
    readonly indices: readonly number[];
    readonly removed: boolean;
    readonly message: string;
  }
  /** What a node will hold for a bundle, before its heartbeat says so. */
  | { readonly type: "assigned"; readonly nodeId: NodeId; readonly resources: ResourceSet }
  /** It is given back, perhaps before a heartbeat said that it was held. The same object as in `assigned`. */
  | { readonly type: "unassigned"; readonly nodeId: NodeId; readonly resources: ResourceSet }
  | { readonly type: "picked"; readonly key: string; readonly nodeId: NodeId; readonly detail: string }
  /** PlacementGroupRemovedError. */
  | {
    readonly type: "pickRemoved";
    readonly key: string;
    readonly groupId: GroupId;
    readonly message: string;
  }
  /** What runs inside ends; actors too. */
  | { readonly type: "groupRemoved"; readonly groupId: GroupId; readonly message: string }
  /** Once for each group, when not even an idle cluster could hold it. */
  | { readonly type: "warnInfeasible"; readonly jobId: JobId; readonly text: string }
  /** Wake the machine with `timer` at this time; earlier ones still stand. */
  | { readonly type: "setTimer"; readonly atMs: number };
