/**
 * The messages about placement groups, parts of HeadMethods and NodeMethods (messages.ts). All but getGroup are about many
 * groups at once: what a process asks in one tick, what a step of the head orders, and what a node answers are one message.
 *
 *   agent --createGroups, getGroup, removeGroups, waitGroups (for its processes)--> head
 *   head  --bundleOrders (prepare, commit, release)--> agent --bundlesTold (prepared, committed, asked)--> head
 *
 * Orders of the head are notifications: a connection keeps their order, and what is lost with it is made up for when the
 * node registers and says what it holds. Answers to them are kept by the agent until the head has them.
 * @module
 */
import type { GroupId } from "../common/ids.ts";
import type { GroupInfo, GroupSpec } from "../common/placement_group.ts";
import type { ResourceSet } from "../common/resources.ts";
import type { Method, Notification } from "./method.ts";

/** Groups of one message, at most. */
export const GROUPS_PER_MESSAGE: number = 128;

/** What became of one of a message's groups: `created`, whether it is CREATED (only a wait is told so), or an error. */
export type GroupOutcome = { readonly created: boolean } | {
  readonly code: string;
  readonly message: string;
};

/** One outcome for each group, in order; null: not decided yet, ask again. */
export interface GroupOutcomes {
  readonly outcomes: readonly (GroupOutcome | null)[];
}

/** What the head tells a node about its bundles of a group. */
export type BundleOrder =
  /** Reserve these bundles, all or none: phase one. Idempotent by (group, bundle, attempt). `final`: they count at once. */
  | {
    readonly type: "bundlesPrepare";
    readonly groupId: GroupId;
    readonly attempt: number;
    readonly bundles: readonly { readonly index: number; readonly resources: ResourceSet }[];
    readonly final: boolean;
  }
  /** What was reserved in this round counts: phase two. */
  | { readonly type: "bundlesCommit"; readonly groupId: GroupId; readonly attempt: number }
  /** Give these back; what runs inside ends. `removed`: the group is no more. */
  | {
    readonly type: "bundlesRelease";
    readonly groupId: GroupId;
    readonly indices: readonly number[];
    readonly removed: boolean;
    readonly message: string;
  };

/** What a node tells the head about its bundles of a group. */
export type BundleWord =
  /** `problem`: why the node has reserved nothing, or null. */
  | {
    readonly type: "bundlesPrepared";
    readonly groupId: GroupId;
    readonly attempt: number;
    readonly problem: string | null;
  }
  | { readonly type: "bundlesCommitted"; readonly groupId: GroupId; readonly attempt: number }
  /** Reserved long ago, and nothing was heard since: answered by an order. */
  | {
    readonly type: "bundlesAsked";
    readonly groupId: GroupId;
    readonly attempt: number;
    readonly indices: readonly number[];
  };

export interface GroupHeadMethods {
  /** Answered after the commit; NameTakenError among the outcomes. Idempotent by group id. */
  readonly createGroups: Method<{ specs: readonly GroupSpec[] }, GroupOutcomes>;
  /** The live group of this name. */
  readonly getGroup: Method<{ name: string; namespace: string }, GroupInfo>;
  /** Answered after the commit. Idempotent; an unknown group is nothing to remove. */
  readonly removeGroups: Method<{ groupIds: readonly GroupId[] }, GroupOutcomes>;
  /**
   * A group is decided when it is CREATED, after `timeoutMs` (null: no limit), or with PlacementGroupRemovedError; the
   * message is answered when one of them is.
   */
  readonly waitGroups: Method<
    { waits: readonly { readonly groupId: GroupId; readonly timeoutMs: number | null }[] },
    GroupOutcomes
  >;
  /** In the order in which it happened. */
  readonly bundlesTold: Method<{ words: readonly BundleWord[] }, Record<string, never>>;
}

export interface GroupNodeMethods {
  /** To be done in this order. */
  readonly bundleOrders: Notification<{ orders: readonly BundleOrder[] }>;
}
