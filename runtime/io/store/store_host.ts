/**
 * The two sides of a node's object store within its agent: what the store asks of the agent (StoreHost), and what the
 * agent calls on behalf of its processes, its peers and the head (ObjectStore, implemented by LocalStore).
 * @module
 */
import type { ActorId, NodeId, ObjectId, ProcessId } from "../../common/ids.ts";
import type { NodeObject } from "../../common/memory_facts.ts";
import type { ArgumentRef } from "../../common/task_spec.ts";
import type { PullFacts } from "../../common/why_facts.ts";
import type { AgentMethods, HeadMethods, ObjectReport } from "../../protocol/messages.ts";
import type { ObjectAsk, Referral } from "../transport/object_stream.ts";
import type { Received } from "./received_bytes.ts";
import type { Ownerless } from "../../core/object/directory_events.ts";

/** A step of an object's way to its reader, for traces (the journey "get" of TraceStep). */
export interface ObjectStep {
  readonly name: "local" | "lookup" | "callback" | "pull" | "wake";
  readonly id: ObjectId;
  readonly purpose: "get" | "wait" | "argument" | "prefetch";
  readonly detail: string;
}

/** The answer to getObject, and the bytes that go with it. */
export type FoundObject = AgentMethods["getObject"]["result"] & { readonly bytes: Uint8Array | null };

/** Node-level reference changes, as PeerMethods.references carries them. */
export interface NodeRefChange {
  readonly op: "hold" | "drop";
  readonly id: ObjectId | ActorId;
}

/** Takes a part of an object that comes from another node. */
export interface PartReceiver {
  readonly sink: (offset: number, bytes: Uint8Array) => void;
  /** All that came before this offset is right. */
  readonly onChecked: (offset: number) => void;
}

/** What the store asks of its agent. */
export interface StoreHost {
  readonly nodeId: NodeId;
  /** HeadMethods.locateObject. Rejects with ObjectLostError & co.; an abort of `signal` is cancelLocate. */
  locate(
    params: HeadMethods["locateObject"]["params"],
    signal: AbortSignal,
  ): Promise<HeadMethods["locateObject"]["result"]>;
  /** HeadMethods.reportObjects: what this node holds has changed, in order. The agent resends until acknowledged. */
  report(added: ObjectReport[], removed: ObjectId[]): void;
  /** HeadMethods.freeObjects, for objects whose home this node is. Must reach the head, also after a reconnect. */
  free(ids: ObjectId[]): void;
  /** HeadMethods.objectsMadeAt. */
  stranded(at: NodeId, ids: ObjectId[]): void;
  /** HeadMethods.actorOutOfScope, for actors whose home this node is. */
  actorOutOfScope(actorId: ActorId): void;
  /** PeerMethods.references: resolves when the home has counted the changes, rejects when the home is dead. */
  sendReferences(home: NodeId, changes: NodeRefChange[]): Promise<void>;
  /** Over how many connections a node that has all of a large object sends it. */
  readonly lanes: number;
  /**
   * Streams a part of an object from another node, in order; resolves when all of it arrived. Rejects with ReferredError when
   * that node names others instead, which it may when `mayRefer`. Each lane, counted from 0, is a connection of its own.
   */
  fetchObject(
    node: NodeId,
    part: {
      readonly id: ObjectId;
      readonly offset: number;
      readonly length: number;
      readonly mayRefer: boolean;
      readonly lane: number;
    },
    receiver: PartReceiver,
    signal: AbortSignal,
  ): Promise<void>;
  /** Memory is short: every process of this node should collect garbage now (CoreMethods.collectGarbage). */
  collectGarbage(): void;
  /** One line for the user. */
  warn(text: string): void;
  step?(step: ObjectStep): void;
}

/** Sizes of a node's store, in bytes where they are not counts. */
export interface StoreUsage {
  readonly capacity: number;
  /** Ranges of the pool that are taken, and objects in the agent's memory. */
  readonly used: number;
  /** Of `used`: what readers pin. */
  readonly pinned: number;
  /** On disk, whether in memory too or not. */
  readonly spilled: number;
  readonly spilledObjects: number;
  readonly objects: number;
  /** Of `objects`: those whose only other copies are elsewhere or nowhere; never evicted. */
  readonly primaries: number;
  /** Creators that wait for room. */
  readonly waiting: number;
  readonly pulls: number;
  /** Whether what does not fit may go to disk. */
  readonly canSpill: boolean;
}

/** One object's bytes for a peer's bulk stream. The object stays where it is until `close`. */
export interface ObjectSourceBytes {
  readonly size: number;
  /** A promise for what has to be read from disk. */
  read(offset: number, length: number): Uint8Array | Promise<Uint8Array>;
  /** Fills `target` where these bytes are in the pool now; false where they are not, and `read` is the way. */
  readInto(offset: number, target: Uint8Array): boolean;
  /** Throws for an object that is on disk alone. */
  readNow(offset: number, length: number): Uint8Array;
  close(): void;
}

/** An object in the making: what its creator has written so far. */
export interface CreationBytes {
  readonly size: number;
  read(offset: number, length: number): Uint8Array;
}

type Params<M extends keyof AgentMethods> = AgentMethods[M]["params"];
type Result<M extends keyof AgentMethods> = AgentMethods[M]["result"];
type None = Record<string, never>;

/** Objects on their way here. */
export interface PullsView {
  /** Measured bytes per second from each peer. */
  bandwidth(): Record<NodeId, number>;
  /** What has come from each peer, and from this node's disk, since the store was opened. */
  received(): Iterable<[NodeId, Readonly<Received>]>;
  /** One of them, for people; null when it is not on its way. */
  facts(id: ObjectId): PullFacts | null;
  /** All of them: waiting, or on their way (`fetching`). */
  all(): Iterable<{ readonly id: ObjectId; readonly state: string }>;
}

/** What the agent calls. `process` is the caller of the message; methods are those of AgentMethods. */
export interface ObjectStore {
  createObject(process: ProcessId, params: Params<"createObject">): Promise<Result<"createObject">>;
  sealObject(process: ProcessId, params: Params<"sealObject">): Promise<None>;
  abortObject(process: ProcessId, params: Params<"abortObject">): void;
  /** `bytes`: section 0. Copied, so that it may be a view of a frame. */
  putInline(process: ProcessId, params: Params<"putInline">, bytes: Uint8Array): Promise<None>;
  writeObject(process: ProcessId, params: Params<"writeObject">, bytes: Uint8Array): None;
  /** `remote`: the process cannot reach this node's memory. For a place "inline", `bytes` is section 0. */
  getObject(
    process: ProcessId,
    params: Params<"getObject">,
    options?: { readonly remote?: boolean },
  ): Promise<FoundObject>;
  waitObject(process: ProcessId, params: Params<"waitObject">): Promise<None>;
  prefetch(process: ProcessId, params: Params<"prefetch">): void;
  cancelGet(process: ProcessId, params: Params<"cancelGet">): void;
  unpin(process: ProcessId, params: Params<"unpin">): void;
  /** Section 0 of the answer. */
  readObject(process: ProcessId, params: Params<"readObject">): Uint8Array;
  references(process: ProcessId, params: Params<"references">): void;
  flushReferences(process: ProcessId): Promise<None>;

  /** A process of this node is gone, however it ended: pins, unfinished objects, references; it no longer owns anything. */
  processDied(process: ProcessId): void;
  /** PeerMethods.references from another agent. */
  peerReferences(from: NodeId, changes: readonly NodeRefChange[]): void;
  /** A node was declared dead: what it held is not held any more. */
  nodeDied(node: NodeId): void;
  /** PeerMethods.adoptObjects: pulls what is not here, and keeps all as primary copies. Answers what is here then. */
  adoptObjects(
    from: NodeId,
    objects: readonly { readonly id: ObjectId; readonly home: NodeId }[],
  ): Promise<ObjectId[]>;
  /** NodeMethods.deleteObjects. */
  deleteObjects(ids: readonly ObjectId[]): void;
  /** Processes of this node that hold an object, and other nodes that do, as far as this one counts it; null when not. */
  holdersOf(
    id: ObjectId,
  ): { readonly processes: readonly ProcessId[]; readonly nodes: readonly NodeId[] } | null;
  /** NodeMethods.ownerless. */
  ownerless(objects: readonly Ownerless[]): void;
  /** Everything that this node holds, for (re)registration. */
  objects(): ObjectReport[];
  usage(): StoreUsage;
  /** An object that the process makes and that there is no room for yet, for people; null: none. */
  waitsForRoom(process: ProcessId): { readonly id: ObjectId; readonly bytes: number } | null;
  /** All objects here or on their way here, and all that is counted here, for people; of one id when it is given. */
  memory(id: ObjectId | ActorId | null): NodeObject[];
  readonly pulls: PullsView;

  /** Brings a lease's arguments here, all or none, and pins them until releaseArguments of the same key. `depth`: its task's. */
  pinArguments(key: string, args: readonly ArgumentRef[], depth?: number): Promise<void>;
  /** They stay pinned, but no longer count against what arguments may hold: their task waits for others. */
  argumentsLent(key: string): void;
  /** Also cancels a pinArguments that is under way. Idempotent. */
  releaseArguments(key: string): void;
  /** Whether the object is complete on this node. */
  isLocal(id: ObjectId): boolean;
  /** For a peer's stream; null when the object is neither here nor about to be. */
  serve(ask: ObjectAsk): Promise<ObjectSourceBytes | Referral | null>;
  /** A complete object; null when it is not here. */
  openRead(id: ObjectId): ObjectSourceBytes | null;
  /** What a process has written of an object that it has not sealed; null when it makes no such. */
  openCreation(process: ProcessId, id: ObjectId): CreationBytes | null;
  /** Ends all waits and removes the pool. Idempotent. */
  close(): void;
}
