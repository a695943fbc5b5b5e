/**
 * Events and effects of reference counting (references.ts).
 * @module
 */
import type { ActorId, NodeId, ObjectId, ProcessId } from "../../common/ids.ts";
import type { RefChange, RefTarget } from "../../protocol/messages.ts";

/** Objects and actors are counted alike. */
export type CountedId = ObjectId | ActorId;

/** A change between agents. */
export interface NodeChange {
  readonly op: "hold" | "drop";
  readonly id: CountedId;
}

/** Something that is counted here. */
export interface CountedFacts {
  readonly id: CountedId;
  readonly home: NodeId;
  /** Processes of this node, and objects stored here that contain it. Not the owner's own count. */
  readonly holders: ReadonlySet<ProcessId | ObjectId>;
  /** At the home only: who owns it, as soon as it was heard of, and whether it still counts. */
  readonly owner: ProcessId | null;
  readonly owned: boolean;
}

export type ReferencesEvent =
  /** From a process of this node, in its order. */
  | { readonly type: "changed"; readonly process: ProcessId; readonly changes: readonly RefChange[] }
  /** An object was sealed on this node. Its contents are held as long as it stays. */
  | {
    readonly type: "sealed";
    readonly id: ObjectId;
    readonly home: NodeId;
    readonly owner: ProcessId;
    readonly contains: readonly RefTarget[];
  }
  /** A sealed object was deleted here: what it contained is needed by nobody but those who keep it. */
  | { readonly type: "deleted"; readonly id: ObjectId }
  /** A process of this node reads it, and holds what it contains (contentsOf() is not 0) until it says dropContents. */
  | { readonly type: "keepContents"; readonly process: ProcessId; readonly id: ObjectId }
  /** From another agent, in its order. */
  | { readonly type: "nodeChanged"; readonly from: NodeId; readonly changes: readonly NodeChange[] }
  /** A batch of `send` was counted at its home, or its home is dead. */
  | { readonly type: "delivered"; readonly batchId: number }
  | { readonly type: "processDied"; readonly process: ProcessId }
  | { readonly type: "nodeDied"; readonly node: NodeId }
  /** Answered by `flushed` when every hold and drop so far has reached its home. */
  | { readonly type: "flush"; readonly flushId: string };

export type ReferencesEffect =
  /** One batch a home at a time, so that changes stay in order. Deliver until acknowledged, or until the home is dead. */
  | {
    readonly type: "send";
    readonly batchId: number;
    readonly home: NodeId;
    readonly changes: readonly NodeChange[];
  }
  /** Nobody refers to these any more: they may be deleted everywhere. */
  | { readonly type: "freeObjects"; readonly ids: readonly ObjectId[] }
  | { readonly type: "freeActor"; readonly id: ActorId }
  /** These, whose home this is, were made at a node that is dead now. */
  | { readonly type: "stranded"; readonly node: NodeId; readonly ids: readonly ObjectId[] }
  | { readonly type: "flushed"; readonly flushId: string };
