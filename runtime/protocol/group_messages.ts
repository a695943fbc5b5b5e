/**
 * The messages about placement groups, parts of HeadMethods and NodeMethods (messages.ts).
 *
 *   agent --createGroup, getGroup, removeGroup, waitGroup (for its processes)--> head
 *   head  --prepareBundles--> agent --bundlesPrepared--> head --commitBundles--> agent --bundlesCommitted--> head
 *   head  --releaseBundles--> agent                      agent --bundlesAsked--> head
 *
 * Orders of the head are notifications: a connection keeps their order, and what is lost with it is made up for when the
 * node registers and says what it holds. Answers to them are kept by the agent until the head has them.
 * @module
 */
import type { GroupId } from "../common/ids.ts";
import type { GroupInfo, GroupSpec } from "../common/placement_group.ts";
import type { ResourceSet } from "../common/resources.ts";
import type { Method, Notification } from "./method.ts";

export interface GroupHeadMethods {
  /** Answered after the commit; NameTakenError. Idempotent by group id. */
  readonly createGroup: Method<{ spec: GroupSpec }, GroupInfo>;
  /** The live group of this name. */
  readonly getGroup: Method<{ name: string; namespace: string }, GroupInfo>;
  /** Answered after the commit. Idempotent; an unknown group is nothing to remove. */
  readonly removeGroup: Method<{ groupId: GroupId }, Record<string, never>>;
  /** Answered when the group is CREATED, or after `timeoutMs` (null: no limit). PlacementGroupRemovedError. */
  readonly waitGroup: Method<{ groupId: GroupId; timeoutMs: number | null }, { created: boolean }>;

  /** `problem`: why the node has reserved nothing, or null. */
  readonly bundlesPrepared: Method<
    { groupId: GroupId; attempt: number; problem: string | null },
    Record<string, never>
  >;
  readonly bundlesCommitted: Method<{ groupId: GroupId; attempt: number }, Record<string, never>>;
  /** Reserved long ago, and nothing was heard since: answered by an order. */
  readonly bundlesAsked: Method<
    { groupId: GroupId; attempt: number; indices: number[] },
    Record<string, never>
  >;
}

export interface GroupNodeMethods {
  /** Reserve these bundles, all or none: phase one. Idempotent by (group, bundle, attempt). */
  readonly prepareBundles: Notification<
    {
      groupId: GroupId;
      attempt: number;
      bundles: readonly { readonly index: number; readonly resources: ResourceSet }[];
    }
  >;
  /** What was reserved in this round counts: phase two. */
  readonly commitBundles: Notification<{ groupId: GroupId; attempt: number }>;
  /** Give these back; what runs inside ends. `removed`: the group is no more. */
  readonly releaseBundles: Notification<
    { groupId: GroupId; indices: readonly number[]; removed: boolean; message: string }
  >;
}
