/**
 * What goes into the actor manager and what comes out: the shapes only.
 * @module
 */
import type { ActorId, GroupId, JobId, NodeId, ProcessId } from "../../common/ids.ts";
import type { ActorSpec, ActorStatus, ArgumentRef, DeathCause } from "../../common/task_spec.ts";
import type { ActorIncarnation } from "../../protocol/light_actor_messages.ts";

/** An actor as it is persisted. Constructor arguments and error bytes are stored beside it, by actor id. */
export interface ActorRecord {
  readonly spec: ActorSpec;
  readonly status: ActorStatus;
  readonly createdMs: number;
  /** When the first constructor had run; restarts keep it. */
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  /** Why the incarnation before this one ended, as far as this head knows: for people, not persisted. */
  readonly restartCause?: DeathCause;
  /** Dead, and it may be brought back: its constructor arguments stay. */
  readonly revivable?: boolean;
}

export type ActorEvent =
  /** Idempotent by actor id. `refused`: why it may not live (its job has ended), or null. */
  | {
    readonly type: "createActor";
    readonly requestId: string;
    readonly spec: ActorSpec;
    readonly getIfExists: boolean;
    readonly refused: DeathCause | null;
  }
  /** Unnamed ones of a process of `nodeId`, which watches them from then on. `refused`: as above, for all of them. */
  | {
    readonly type: "createActors";
    readonly requestId: string;
    readonly nodeId: NodeId;
    readonly specs: readonly ActorSpec[];
    readonly refused: DeathCause | null;
  }
  | {
    readonly type: "getActor";
    readonly requestId: string;
    readonly name: string;
    readonly namespace: string;
  }
  /** `owner`: of one that dies with its owner, for the case that its creation never comes. */
  | {
    readonly type: "watchActor";
    readonly nodeId: NodeId;
    readonly actorId: ActorId;
    readonly owner?: ProcessId | undefined;
  }
  | { readonly type: "unwatchActor"; readonly nodeId: NodeId; readonly actorId: ActorId }
  | {
    readonly type: "killActor";
    readonly requestId: string;
    readonly actorId: ActorId;
    readonly noRestart: boolean;
    /** Only this one is meant, when given. */
    readonly incarnation?: number | undefined;
  }
  | { readonly type: "actorOutOfScope"; readonly actorId: ActorId }
  /** What a process with results of its calls says: it may want them made again; it brought the actor back for that and has
   *  no more calls; it has no such results any more. */
  | {
    readonly type: "actorLineage";
    readonly actorId: ActorId;
    readonly process: ProcessId;
    readonly nodeId: NodeId;
    readonly word: "kept" | "rebuilt" | "released";
  }
  /** Such a process has calls for it: answered by `actorRevived` once it is alive or on its way. */
  | {
    readonly type: "reviveActor";
    readonly requestId: string;
    readonly actorId: ActorId;
    readonly process: ProcessId;
    readonly nodeId: NodeId;
  }
  | { readonly type: "dependenciesReady"; readonly actorId: ActorId }
  | { readonly type: "dependenciesFailed"; readonly actorId: ActorId; readonly message: string }
  | {
    readonly type: "actorPlaced";
    readonly actorId: ActorId;
    readonly incarnation: number;
    readonly nodeId: NodeId;
  }
  | {
    readonly type: "actorUnschedulable";
    readonly actorId: ActorId;
    readonly incarnation: number;
    readonly message: string;
  }
  /** Another node could start it at once, and the one that it was given to has not begun. */
  | { readonly type: "relocateActor"; readonly actorId: ActorId; readonly incarnation: number }
  | {
    readonly type: "actorStarted";
    readonly actorId: ActorId;
    readonly incarnation: number;
    readonly nodeId: NodeId;
    readonly workerId: ProcessId;
    readonly socketPath: string;
    readonly pid: number;
    readonly failed: boolean;
    readonly message: string;
    /** With `failed`: the constructor's error came along. */
    readonly hasErrorValue: boolean;
  }
  /** As actorStarted, for many that one host has constructed. */
  | {
    readonly type: "actorsStarted";
    readonly nodeId: NodeId;
    readonly workerId: ProcessId;
    readonly socketPath: string;
    readonly pid: number;
    readonly actors: readonly ActorIncarnation[];
  }
  /** Light actors ended; that their host ended too is told as processExited. `intended`: they are not to come back. */
  | {
    readonly type: "actorsEnded";
    readonly nodeId: NodeId;
    readonly actors: readonly ActorIncarnation[];
    readonly intended: boolean;
    readonly cause: DeathCause;
  }
  /** A process ended: perhaps an actor's worker, perhaps an owner of actors (a worker, a driver). */
  | {
    readonly type: "processExited";
    readonly processId: ProcessId;
    readonly actorId: ActorId | null;
    readonly incarnation: number;
    readonly intended: boolean;
    readonly cause: DeathCause;
  }
  | { readonly type: "nodeDied"; readonly nodeId: NodeId; readonly reason: string }
  /** A node (re)joined and hosts these actors. */
  | { readonly type: "actorsReported"; readonly nodeId: NodeId; readonly actors: readonly ActorStatus[] }
  | { readonly type: "jobEnded"; readonly jobId: JobId }
  /** The placement group that some run in is no more. */
  | { readonly type: "groupRemoved"; readonly groupId: GroupId; readonly message: string }
  | { readonly type: "tick" };

export type ActorEffect =
  | { readonly type: "persistActor"; readonly record: ActorRecord }
  /** The name is the actor's from now on, or nobody's (null). */
  | {
    readonly type: "persistName";
    readonly namespace: string;
    readonly name: string;
    readonly actorId: ActorId | null;
  }
  | { readonly type: "forgetActor"; readonly actorId: ActorId }
  | { readonly type: "actorFound"; readonly requestId: string; readonly spec: ActorSpec }
  | { readonly type: "actorsCreated"; readonly requestId: string }
  | { readonly type: "killDone"; readonly requestId: string }
  | {
    readonly type: "actorRefused";
    readonly requestId: string;
    readonly code: "NameTakenError" | "MobulaError" | "ActorDiedError";
    readonly message: string;
  }
  /** From this incarnation on. `ending`: it is about to end, ask again then. */
  | {
    readonly type: "actorRevived";
    readonly requestId: string;
    readonly incarnation: number;
    readonly ending: boolean;
  }
  /** Tell when these objects exist. */
  | { readonly type: "awaitDependencies"; readonly actorId: ActorId; readonly args: readonly ArgumentRef[] }
  | { readonly type: "cancelDependencies"; readonly actorId: ActorId; readonly args: readonly ArgumentRef[] }
  | { readonly type: "placeActor"; readonly spec: ActorSpec; readonly incarnation: number }
  | { readonly type: "cancelPlacement"; readonly actorId: ActorId; readonly incarnation: number }
  | {
    readonly type: "startActor";
    readonly nodeId: NodeId;
    readonly spec: ActorSpec;
    readonly incarnation: number;
    /** An earlier incarnation of it ended. */
    readonly restarted: boolean;
  }
  | {
    readonly type: "stopActor";
    readonly nodeId: NodeId;
    readonly actorId: ActorId;
    readonly incarnation: number;
    readonly graceful: boolean;
    readonly cause: DeathCause;
    /** A light actor: many of them are told of together. */
    readonly shared?: true;
  }
  | { readonly type: "publishStatus"; readonly nodes: readonly NodeId[]; readonly status: ActorStatus };
