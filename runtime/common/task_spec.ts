/**
 * What the cluster knows of a piece of work: the shapes that the local scheduler, the global scheduler, the GCS and the
 * submitters share. All plain data, so that they travel as JSON and replay in the simulator.
 * @module
 */
import type { ActorId, GroupId, JobId, NodeId, ObjectId, ProcessId, TaskId } from "./ids.ts";
import type { LabelWishes } from "./labels.ts";
import type { GroupInfo } from "./placement_group.ts";
import type { ResourceSet } from "./resources.ts";

export type RuntimeName = "bun" | "deno" | "node";
/** Where a driver runs; `web`: a page or an edge function. */
export type DriverRuntime = RuntimeName | "web";

/** Where work may run. `hybrid` is the default: local first, then the least expected wait. */
export type Strategy =
  | { readonly type: "hybrid" }
  | { readonly type: "spread" }
  | { readonly type: "nodeAffinity"; readonly nodeId: NodeId; readonly soft: boolean }
  | GroupStrategy;

/** In a bundle of a placement group; `bundleIndex` -1: in any of them. `capture`: its children too, unless they say otherwise. */
export interface GroupStrategy {
  readonly type: "group";
  readonly groupId: GroupId;
  readonly bundleIndex: number;
  readonly capture: boolean;
}

/** A worker process is reused only for the same environment. `hash` is "" for the plain one. */
export interface RuntimeEnvSpec {
  readonly hash: string;
  readonly runtime?: RuntimeName;
  readonly env?: Readonly<Record<string, string>>;
  /** Content hash of the folder that is its workers' working directory (io/runtime_env/). */
  readonly workingDir?: string;
  /** With it the worker is restricted: it may do what is named and nothing else. Deno only. */
  readonly permissions?: Permissions;
}

/** Deno's permissions by name: true, or what exactly. Names that are absent are denied. */
export type Permissions = Readonly<Record<string, boolean | readonly string[]>>;

/** A stored object that a task needs as an argument. */
export interface ArgumentRef {
  readonly id: ObjectId;
  /** The node whose agent counts its references. */
  readonly home: NodeId;
  /** Size in the store, 0 when the submitter does not know it. */
  readonly bytes: number;
  /** The node that made it, when the submitter was told: it may die before it has reported the object. */
  readonly at?: NodeId | undefined;
}

/** One request for a worker: the shape of a scheduling class, and the first task that would run under the grant. */
export interface LeaseRequest extends LabelWishes {
  /** Unique within the submitter; the key for cancelling and for late replies. */
  readonly requestId: string;
  readonly kind: "task" | "actor";
  readonly jobId: JobId;
  readonly submitter: ProcessId;
  readonly submitterNode: NodeId;
  readonly taskId: TaskId;
  /** The function's (or class's) name, for people. */
  readonly name: string;
  /** Requests with equal keys are interchangeable. */
  readonly classKey: string;
  readonly resources: ResourceSet;
  readonly strategy: Strategy;
  readonly runtimeEnv: RuntimeEnvSpec;
  /** Stored arguments of the first task: pulled and pinned before the grant. */
  readonly args: readonly ArgumentRef[];
  /** How many tasks of the class wait at the submitter, this one included. */
  readonly backlog: number;
  /** How many blocked tasks stand above this one; deeper work is granted first (design: blocked tasks). */
  readonly depth: number;
  readonly actorId?: ActorId;
  /** Whether what runs under it may be run again (maxRetries, maxRestarts): the memory monitor ends such work first. Absent:
   *  it may. */
  readonly retriable?: boolean;
  /** The job's namespace, filled in by the submitter's agent: the worker is told it when it is bound to the job. */
  readonly namespace?: string;
}

/** What an agent asks the head's global scheduler: a node for a lease request. */
export interface PickParams {
  readonly request: LeaseRequest;
  /** Nodes that it must not be. */
  readonly exclude: readonly NodeId[];
  /** Free at the node that asks, now: it may have given out much since its heartbeat. */
  readonly available?: ResourceSet | undefined;
  /** Where it waits already: it moves only to a node that can start it at once. */
  readonly waitingAt?: NodeId | undefined;
}

/** A granted lease, as the submitter sees it. */
export interface Grant {
  readonly leaseId: string;
  readonly nodeId: NodeId;
  readonly workerId: ProcessId;
  /** The worker's own socket, reachable by processes of the same node. */
  readonly socketPath: string;
  /** Quantities held, and the indices of unit resources (GPU). */
  readonly resources: ResourceSet;
  readonly gpuIds: readonly number[];
}

export type ActorState = "DEPENDENCIES_UNREADY" | "PENDING_CREATION" | "ALIVE" | "RESTARTING" | "DEAD";

/** Everything that is needed to construct an actor, also again after a crash. Its arguments ride beside it as bytes. */
export interface ActorSpec extends LabelWishes {
  readonly actorId: ActorId;
  readonly jobId: JobId;
  readonly owner: ProcessId;
  readonly ownerNode: NodeId;
  readonly className: string;
  readonly classHash: string;
  /** Registered name, or "" for none. */
  readonly name: string;
  /** Where it was made, for people; absent unless call sites are recorded. */
  readonly callSite?: string;
  readonly namespace: string;
  readonly detached: boolean;
  readonly maxRestarts: number;
  readonly maxTaskRetries: number;
  readonly maxConcurrency: number;
  /** Limits of its concurrency groups; absent without any. */
  readonly concurrencyGroups?: Readonly<Record<string, number>>;
  readonly maxPendingCalls: number;
  /** It saves its state after so many calls; absent: when it says so. */
  readonly checkpointEvery?: number;
  /** Resources held for the actor's life. */
  readonly resources: ResourceSet;
  /** Resources that must be free to place it (an actor without explicit CPUs needs 1 to be placed, holds 0). */
  readonly placementResources: ResourceSet;
  readonly strategy: Strategy;
  /** A light actor: it shares a worker process with others. Absent: it has one of its own. */
  readonly isolation?: "shared";
  readonly runtimeEnv: RuntimeEnvSpec;
  /** The group of a group strategy, for its children. */
  readonly group?: GroupInfo;
  readonly args: readonly ArgumentRef[];
  /** Public methods and their default options, for handles made elsewhere (getActor). */
  readonly methods: Readonly<Record<string, unknown>>;
}

/** Why an actor is dead or away: a stable code and a sentence. */
export interface DeathCause {
  readonly code:
    | "KILLED"
    | "WORKER_DIED"
    /** Ended by the memory monitor of its node. */
    | "OUT_OF_MEMORY"
    | "NODE_DIED"
    /** Ended because its node is drained: not its fault, so that no restart is counted. */
    | "PREEMPTED"
    | "OWNER_DIED"
    | "CREATION_FAILED"
    /** Its last handle is gone; it is brought back when a lost result of its calls must be made again. */
    | "OUT_OF_SCOPE"
    /** Out of scope before, and now the results are gone that it might have been brought back for. */
    | "REF_DELETED"
    | "EXITED"
    | "JOB_ENDED"
    | "UNSCHEDULABLE"
    | "NAME_TAKEN"
    | "PLACEMENT_GROUP_REMOVED";
  readonly message: string;
  /** What its process printed last: a few lines. */
  readonly logLines?: readonly string[];
}

/** Where an actor is and how it fares; published to every process that holds a handle. */
export interface ActorStatus {
  readonly actorId: ActorId;
  readonly state: ActorState;
  /** Counts constructions: 1 for the first. Calls carry it, so that none reaches a later incarnation by accident. */
  readonly incarnation: number;
  readonly nodeId: NodeId | null;
  readonly workerId: ProcessId | null;
  readonly socketPath: string | null;
  readonly pid: number | null;
  readonly restartsLeft: number;
  readonly deathCause: DeathCause | null;
  /** A light actor: calls to it name it, on the connection to its host. */
  readonly shared?: true;
  /** For CREATION_FAILED: that the constructor's own error is section 0 of the message (serialized). */
  readonly hasErrorValue?: boolean;
  /** How often it was brought back to make lost results again; absent: never. */
  readonly lineageRestarts?: number;
}

/** States of a task as shown to people; Ray's names. */
export type TaskState =
  | "PENDING_ARGS_AVAIL"
  | "PENDING_NODE_ASSIGNMENT"
  | "SUBMITTED_TO_WORKER"
  | "RUNNING"
  | "FINISHED"
  | "FAILED";
