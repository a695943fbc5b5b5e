/**
 * What goes into the object directory and what comes out: the shapes only.
 * @module
 */
import type { NodeId, ObjectId, ProcessId } from "../../common/ids.ts";
import type { ObjectReport } from "../../protocol/messages.ts";

export type LocateErrorCode = "ObjectLostError" | "ObjectFreedError" | "OwnerDiedError";

/** An object whose owner is dead. */
export type Ownerless = Pick<ObjectReport, "id" | "owner">;

export type DirectoryEvent =
  /** Changes of a node's store, in order; absolute per object, so a resent report changes nothing. */
  | {
    readonly type: "objectsReported";
    readonly nodeId: NodeId;
    readonly added: readonly ObjectReport[];
    readonly removed: readonly ObjectId[];
  }
  /** A node (re)joined: this is all that it holds. */
  | { readonly type: "nodeReported"; readonly nodeId: NodeId; readonly objects: readonly ObjectReport[] }
  /** `waitId` names the request within the node: resending replaces it, `cancelLocate` ends it. */
  | {
    readonly type: "locateObject";
    readonly requestId: string;
    readonly nodeId: NodeId | null;
    readonly waitId: string;
    readonly id: ObjectId;
    readonly home: NodeId;
    /** Where the asker was told that the object was made, when it was told. */
    readonly at?: NodeId | undefined;
    /** It was made again there: that it was lost before is no answer. */
    readonly remade?: boolean | undefined;
    readonly wait: boolean;
  }
  | { readonly type: "cancelLocate"; readonly nodeId: NodeId | null; readonly waitId: string }
  /** Their home says where they were made, because that node is dead. */
  | { readonly type: "objectsMadeAt"; readonly at: NodeId; readonly ids: readonly ObjectId[] }
  | { readonly type: "freeObjects"; readonly ids: readonly ObjectId[] }
  | { readonly type: "nodeDied"; readonly nodeId: NodeId; readonly reason: string }
  | { readonly type: "ownerDied"; readonly owner: ProcessId; readonly reason: string }
  /** An owner that was given up lives: it had lost the answer to its first word. */
  | { readonly type: "ownerLives"; readonly owner: ProcessId }
  /** No job runs any more: objects whose home died have no user left. */
  | { readonly type: "lastJobEnded" }
  | { readonly type: "tick" };

export type DirectoryEffect =
  /** Written behind: after a restart the nodes report all that they hold. */
  | {
    readonly type: "persistObjects";
    readonly added: readonly { readonly nodeId: NodeId; readonly object: ObjectReport }[];
    readonly removed: readonly { readonly nodeId: NodeId; readonly id: ObjectId }[];
    /** Objects without any location from now on. */
    readonly ended: readonly ObjectId[];
  }
  | {
    readonly type: "located";
    readonly requestId: string;
    readonly nodes: readonly NodeId[];
    readonly bytes: number;
    readonly isError: boolean;
    readonly waited: boolean;
  }
  | {
    readonly type: "locateFailed";
    readonly requestId: string;
    readonly code: LocateErrorCode | "TaskCancelledError";
    readonly message: string;
  }
  | { readonly type: "deleteObjects"; readonly nodeId: NodeId; readonly ids: readonly ObjectId[] }
  /** Their owners are dead and may never have told the home of them: it frees those that nobody holds. */
  | { readonly type: "ownerless"; readonly home: NodeId; readonly objects: readonly Ownerless[] }
  | {
    readonly type: "objectLost";
    readonly id: ObjectId;
    readonly home: NodeId;
    readonly owner: ProcessId;
    readonly reason: string;
    /** Its last holder let go of it by itself: most likely nobody refers to it, and its home has not said so yet. */
    readonly dropped: boolean;
  };
