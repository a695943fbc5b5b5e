/**
 * What agents and processes know of objects and of who holds them: the parts of `mobula mem`. Plain data that travels, made
 * when somebody asks. The kinds of references are Ray's (`ray memory`).
 * @module
 */
import type { ActorId, NodeId, ObjectId, ProcessId } from "./ids.ts";

/** Why something is kept.
 *  LOCAL_REFERENCE: a ref (or a value with it) in a process.  USED_BY_PENDING_TASK: a call that the process waits for takes
 *  it.  CAPTURED_IN_OBJECT: another stored object contains it.  PINNED_IN_MEMORY: somebody reads its bytes.
 *  ACTOR_HANDLE: what is held is an actor. */
export type ReferenceKind =
  | "LOCAL_REFERENCE"
  | "USED_BY_PENDING_TASK"
  | "CAPTURED_IN_OBJECT"
  | "PINNED_IN_MEMORY"
  | "ACTOR_HANDLE";

/** Where the bytes of one copy are. INLINE: small, in its agent's memory. IN_FLIGHT: on their way to the node. */
export type CopyState = "IN_MEMORY" | "INLINE" | "SPILLED" | "IN_FLIGHT";

export interface ObjectHolder {
  /** A process; for CAPTURED_IN_OBJECT an object; for pins, besides processes: `lease:…`, `stream:…` and the like. */
  readonly holder: string;
  readonly nodeId: NodeId;
  readonly kind: ReferenceKind;
}

/** A ref that one process counts with its home. */
export interface HeldRef {
  readonly id: ObjectId;
  /** Uses of it beside those by calls: refs, and values that contain it. 0: only garbage or a wait keeps it. */
  readonly uses: number;
  /** Calls of the process that are not done and take it. */
  readonly pendingCalls: number;
  /** file:line:column of the put or call that made it; null unless MOBULA_RECORD_CALL_SITES=1 is set in its process. */
  readonly callSite: string | null;
  /** It came with many others in one value. They are held as a whole, by what that contained: its agent knows no more. */
  readonly isBundled?: boolean;
}

/** One object (or counted actor) as one node knows it. */
export interface NodeObject {
  readonly id: ObjectId | ActorId;
  /** Null where only references of it are known. */
  readonly copy: {
    readonly state: CopyState;
    readonly bytes: number;
    readonly primary: boolean;
    /** When it was complete here, milliseconds since the epoch; null for one on its way. */
    readonly sealedMs: number | null;
    readonly producer: string;
  } | null;
  /** Null where it is not known: its home knows. */
  readonly owner: ProcessId | null;
  readonly home: NodeId | null;
  readonly callSite: string | null;
  readonly holders: readonly ObjectHolder[];
}

/** One node's answer. */
export interface NodeObjects {
  /** The largest first. */
  readonly objects: readonly NodeObject[];
  /** So many more were left out. */
  readonly left: number;
  /** Processes that did not answer in time: their refs are LOCAL_REFERENCE without more. */
  readonly silent: readonly ProcessId[];
  readonly capacity: number;
  readonly used: number;
}

/** One object in the whole cluster. */
export interface MemoryRow {
  readonly objectId: string;
  /** Of one copy; 0 for actors, and where no copy is known. */
  readonly bytes: number;
  /** Of the best copy; PENDING: counted, but stored nowhere (its task is not done, or only its owner has it); ACTOR. */
  readonly state: CopyState | "PENDING" | "ACTOR";
  readonly nodes: readonly {
    readonly nodeId: string;
    readonly state: CopyState;
    readonly primary: boolean;
  }[];
  readonly producer: string;
  readonly owner: string;
  readonly home: string;
  readonly callSite: string | null;
  /** Since it was first complete anywhere that still has it. */
  readonly ageMs: number | null;
  readonly holders: readonly ObjectHolder[];
}

/** What a node, an owner or a producer has. Bytes are of copies: two copies of 1 MB are 2 MB. */
export interface MemoryTotal {
  readonly key: string;
  readonly objects: number;
  readonly copies: number;
  readonly bytes: number;
  readonly inMemoryBytes: number;
  readonly spilledBytes: number;
  readonly inFlightBytes: number;
}

export type MemoryGrouping = "node" | "owner" | "producer";

/** The cluster's answer. */
export interface MemoryReport {
  readonly rows: readonly MemoryRow[];
  /** Further objects on nodes that have more than they were asked for, the smallest. */
  readonly left: number;
  /** Nodes that did not answer in time. */
  readonly unreachable: readonly string[];
  /** Processes that did not. */
  readonly silent: readonly string[];
  readonly totals: Readonly<Record<MemoryGrouping, readonly MemoryTotal[]>>;
  /** Bytes of the store per node, and its capacity. */
  readonly stores: readonly { readonly nodeId: string; readonly used: number; readonly capacity: number }[];
}
