/**
 * Events and effects of the pull manager (pull_manager.ts).
 * @module
 */
import type { NodeId, ObjectId } from "../../common/ids.ts";
import type { ByteRange } from "./pull_ranges.ts";

/** Why an object is wanted; in this order when room is short. A prefetch never waits for room: it is given up. */
export type PullPurpose = "get" | "wait" | "argument" | "prefetch";

export interface WantedObject {
  readonly id: ObjectId;
  readonly home: NodeId;
  /** The node that made it, when the asker was told (ArgumentRef.at). */
  readonly at?: NodeId | undefined;
}

export type PullEvent =
  /**
   * Somebody wants these objects here, all of them (`fetch`), or to exist anywhere (not `fetch`). `key` is unique.
   * `local`: those that are here now. `bundle`: the objects are pinned under the key before it is ready.
   */
  | {
    readonly type: "wanted";
    readonly key: string;
    readonly purpose: PullPurpose;
    readonly fetch: boolean;
    readonly bundle: boolean;
    readonly objects: readonly WantedObject[];
    readonly local: ReadonlySet<ObjectId>;
    /** Of arguments: how deep their task is among those that wait for each other. Default 0. */
    readonly depth?: number;
  }
  /** What was pinned under this key no longer counts against what arguments may hold. */
  | { readonly type: "released"; readonly key: string }
  /** Nobody waits under this key any more. */
  | { readonly type: "cancelled"; readonly key: string }
  /** Holders, the best first; this node itself for an object that was spilled to its disk. */
  | {
    readonly type: "located";
    readonly id: ObjectId;
    readonly nodes: readonly NodeId[];
    readonly bytes: number;
  }
  | { readonly type: "locateFailed"; readonly id: ObjectId; readonly code: string; readonly message: string }
  | { readonly type: "reserved"; readonly id: ObjectId }
  /** `forever`: it can never fit. */
  | {
    readonly type: "reserveFailed";
    readonly id: ObjectId;
    readonly forever: boolean;
    readonly code: "ObjectStoreFullError" | "OutOfDiskError";
    readonly message: string;
  }
  /** That node has sent the part that it was asked for, and others are missing. */
  | { readonly type: "fetched"; readonly id: ObjectId; readonly node: NodeId }
  /**
   * The transfer from that node ended without all that it was asked for. `absent`: it does not have it. `progress`: something
   * came before it broke.
   */
  | {
    readonly type: "fetchFailed";
    readonly id: ObjectId;
    readonly node: NodeId;
    readonly absent: boolean;
    readonly progress?: boolean;
    readonly message: string;
  }
  /** That node sends the object to others already, and names those that should be asked instead, the best first. */
  | {
    readonly type: "referred";
    readonly id: ObjectId;
    readonly node: NodeId;
    readonly to: readonly NodeId[];
  }
  /** The object is complete on this node: pulled, or made here meanwhile. */
  | { readonly type: "sealed"; readonly id: ObjectId }
  /** The object was deleted or evicted here. */
  | { readonly type: "removed"; readonly id: ObjectId }
  /** A node is dead: nothing can be fetched from it. */
  | { readonly type: "nodeDied"; readonly node: NodeId }
  /** There may be more room than before. */
  | { readonly type: "roomChanged" }
  | { readonly type: "timer" };

export type PullEffect =
  /** Ask the GCS, with a callback when the object does not exist yet. Asking again replaces the question. */
  | {
    readonly type: "locate";
    readonly id: ObjectId;
    readonly home: NodeId;
    readonly at?: NodeId | undefined;
  }
  /** Nobody waits for the object any more, or it is here: an open question to the GCS is cancelled. */
  | { readonly type: "ended"; readonly id: ObjectId }
  /** Make room in the store; answered by reserved or reserveFailed. */
  | { readonly type: "reserve"; readonly id: ObjectId; readonly bytes: number }
  /** Give the room back (also while it is still being waited for). */
  | { readonly type: "release"; readonly id: ObjectId }
  /**
   * Transfer the object, or a part of it, from where the last attempt stopped. Answered by sealed, fetched or fetchFailed.
   * One at a time of a node. `insists`: no referral is followed. Also answered by referred otherwise.
   */
  | {
    readonly type: "fetch";
    readonly id: ObjectId;
    readonly node: NodeId;
    readonly range?: ByteRange;
    readonly insists?: boolean;
  }
  /** From all nodes where none is named. */
  | { readonly type: "cancelFetch"; readonly id: ObjectId; readonly node?: NodeId }
  | { readonly type: "pin"; readonly key: string; readonly id: ObjectId }
  | { readonly type: "unpin"; readonly key: string; readonly id: ObjectId }
  /** All that the key wanted is here (or exists). A bundle's pins stay; they belong to the asker now. */
  | { readonly type: "ready"; readonly key: string }
  | {
    readonly type: "failed";
    readonly key: string;
    readonly id: ObjectId;
    readonly code: string;
    readonly message: string;
  }
  | { readonly type: "setTimer"; readonly atMs: number };
