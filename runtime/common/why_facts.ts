/**
 * What processes, agents and the head know of a piece of work that does not get on: the parts of the answer to "why is it
 * not running?". Plain data that travels; the sentence is made of it in core/why/.
 * @module
 */
import type { ActorId, NodeId, ObjectId, ProcessId, TaskId } from "./ids.ts";

/** A ref among the arguments whose value its submitter does not have yet. */
export interface MissingArgument {
  readonly id: ObjectId;
  readonly home: NodeId;
}

/** Where a call is, as the process that made it knows. */
export type CallStage =
  /** An actor that its process creates has a name that is not committed yet. */
  | { readonly at: "names" }
  | { readonly at: "arguments"; readonly missing: readonly MissingArgument[] }
  /** So many calls with stored arguments ask for workers at once; `ahead` wait before it. */
  | { readonly at: "gate"; readonly limit: number; readonly ahead: number }
  /** A retry that waits for this moment (milliseconds since the epoch). */
  | { readonly at: "delay"; readonly untilMs: number }
  /** In the queue of its scheduling class: how many are before it, and the workers and open requests of the class. */
  | {
    readonly at: "queue";
    readonly ahead: number;
    readonly workers: number;
    readonly requests: readonly string[];
  }
  /** Pushed: `ahead` were before it. `blocked`: what runs there waits in get or wait. */
  | {
    readonly at: "worker";
    readonly nodeId: NodeId;
    readonly workerId: ProcessId;
    readonly sinceMs: number;
    readonly ahead: number;
    readonly blocked: boolean;
    /** A generator that is as far ahead of its reader as it may be; null: it is not. */
    readonly stands?: StandingFacts | null;
  }
  /** For an actor: it waits here until the actor can take it. `behind`: the call before it whose arguments are missing. */
  | {
    readonly at: "actor";
    readonly actorId: ActorId;
    readonly ahead: number;
    readonly behind: { readonly taskId: TaskId; readonly missing: readonly MissingArgument[] } | null;
  }
  /** Sent to the actor. `limit`: calls that the actor runs at once; 0: unknown. */
  | {
    readonly at: "actorWorker";
    readonly actorId: ActorId;
    readonly sinceMs: number;
    readonly ahead: number;
    readonly stands?: StandingFacts | null;
  }
  /** An actor's creation is on its way to the head. */
  | { readonly at: "head" }
  /** It was, and is over. */
  | { readonly at: "ended" };

/** A generator that stands at its yield: so many of its items are unread, and it may not be further ahead. */
export interface StandingFacts {
  readonly unread: number;
  readonly limit: number;
}

/** What a node's object store has, for those that wait for room in it. */
export interface RoomFacts {
  readonly capacity: number;
  readonly usedBytes: number;
  /** What readers hold: it can be neither evicted nor spilled. */
  readonly pinnedBytes: number;
  readonly canSpill: boolean;
}

/** What a worker that runs something waits for at its node. */
export interface WorkerFacts {
  /** An object that it makes and for which there is no room; null: none. */
  readonly creating: { readonly id: ObjectId; readonly bytes: number; readonly room: RoomFacts } | null;
}

/** One call of a process: a task, an actor's method, or an actor's creation. */
export interface CallFacts {
  readonly name: string;
  readonly submittedMs: number;
  readonly attempt: number;
  readonly stage: CallStage;
}

/** An object on its way to a node. */
export interface PullFacts {
  readonly id: ObjectId;
  readonly state: "locating" | "located" | "reserving" | "fetching" | "paused";
  /** 0 while its size is unknown. */
  readonly bytes: number;
  readonly arrivedBytes: number;
  readonly from: readonly NodeId[];
  /** Of the last try, or "". */
  readonly lastError: string;
}

/** A lease request, as the agent of one node knows it. */
export interface LeaseFacts {
  readonly nodeId: NodeId;
  readonly phase: "deciding" | "queued" | "pulling" | "starting" | "forwarded";
  readonly sinceMs: number;
  /** The local scheduler's sentence. */
  readonly reason: string;
  readonly forwardedTo: NodeId | null;
  /** Arguments that are not here. */
  readonly pulls: readonly PullFacts[];
  /** A folder is being fetched and unpacked for its worker. */
  readonly preparing: boolean;
  /** The node's store, when one of the arguments waits for room in it. */
  readonly room?: RoomFacts | null;
}

/** What one node's agent collects. */
export interface NodeFacts {
  readonly call: CallFacts | null;
  /** The first open request of its scheduling class. */
  readonly lease: LeaseFacts | null;
}
