/**
 * What goes into the local scheduler and what comes out: plain data, so that the agent, the simulator and the tests
 * speak the same language. `key` names a request across the machine's life: see {@link requestKey}.
 * @module
 */
import type { JobId, NodeId, ProcessId, TaskId } from "../../common/ids.ts";
import type { ResourceSet } from "../../common/resources.ts";
import type { BundleOrder, BundleWord } from "../../protocol/group_messages.ts";
import type { ArgumentRef, DeathCause, LeaseRequest, RuntimeEnvSpec } from "../../common/task_spec.ts";

/**
 * Where a request came from, which says what may become of it:
 * own: a process of this node, so it may be passed on; peer: spilled here by another agent, never passed on;
 * head: an actor that the head placed here.
 */
export type LeaseOrigin = "own" | "peer" | "head";

/** The name of a request within a node: submitters number their own. */
export function requestKey(submitter: ProcessId, requestId: string): string {
  return `${submitter}/${requestId}`;
}

/** What a local scheduler is told when it is made; nothing of it changes afterwards. */
export interface LocalSchedulerConfig {
  readonly nodeId: NodeId;
  /** Starts every lease id, and differs for each run of the agent, so that ids of an earlier run never come back. */
  readonly leaseIdPrefix: string;
  readonly resources: ResourceSet;
  readonly labels: Readonly<Record<string, string>>;
  /** Idle workers up to this many are never reaped; default two for each CPU up to four, one for each
   *  CPU beyond that, at least one. */
  readonly idleWorkersKept?: number;
  /** Processes that may be on their way up at once; default one for each CPU, at least two. */
  readonly workersStartingMax?: number;
  /** Workers of any state; default 512. Requests wait beyond it. */
  readonly workersMax?: number;
  /** Requests waiting at once; default 100,000. Beyond it they are refused. */
  readonly requestsPendingMax?: number;
  /** How long an idle worker beyond `idleWorkersKept` lives; default WORKER_IDLE_MS. */
  readonly workerIdleMs?: number;
}

export type LocalSchedulerEvent =
  /** `missingBytes`: stored arguments that are not in this node's store; null when a size is unknown. Resent ones are normal. */
  | {
    readonly type: "leaseRequested";
    readonly request: LeaseRequest;
    readonly origin: LeaseOrigin;
    readonly missingBytes: number | null;
  }
  | { readonly type: "leaseCancelled"; readonly submitter: ProcessId; readonly requestId: string }
  | {
    readonly type: "backlogChanged";
    readonly submitter: ProcessId;
    readonly requestId: string;
    readonly backlog: number;
  }
  /** A lease of this node ends. `discardWorker`: it may still be busy or broken, so it must not be used again. `retired`: it
   *  is not to be used again, and ends by itself when it owns nothing any more. */
  | {
    readonly type: "leaseReturned";
    readonly leaseId: string;
    readonly discardWorker: boolean;
    readonly retired?: boolean;
  }
  /** A lease that another node granted to a submitter of this node ends. */
  | { readonly type: "remoteLeaseReturned"; readonly leaseId: string }
  /** A process of this node is gone, with all its requests and leases. */
  | { readonly type: "submitterDied"; readonly submitter: ProcessId }
  | { readonly type: "jobEnded"; readonly jobId: JobId }
  | { readonly type: "workerReady"; readonly startId: number; readonly workerId: ProcessId }
  /** `final`: another try would fail alike. */
  | {
    readonly type: "workerStartFailed";
    readonly startId: number;
    readonly message: string;
    readonly final?: boolean;
  }
  | { readonly type: "workerExited"; readonly workerId: ProcessId; readonly cause: DeathCause }
  | { readonly type: "workerBlocked"; readonly workerId: ProcessId }
  | { readonly type: "workerUnblocked"; readonly workerId: ProcessId }
  /** The actor that the worker hosts is constructed: its constructor's arguments are not needed any more. */
  | { readonly type: "actorConstructed"; readonly workerId: ProcessId }
  /** Whether the worker owns live refs or actors, which would die with it: such a worker is never reaped. */
  | { readonly type: "workerOwns"; readonly workerId: ProcessId; readonly owns: boolean }
  | { readonly type: "argumentsReady"; readonly key: string }
  | {
    readonly type: "argumentsFailed";
    readonly key: string;
    readonly code: string;
    readonly message: string;
  }
  /** The global scheduler's answer; this node's own id means "queue it here". */
  | { readonly type: "nodePicked"; readonly key: string; readonly nodeId: NodeId }
  /** `fatal`: no node will ever do. Otherwise the global scheduler could not be asked. */
  | {
    readonly type: "pickFailed";
    readonly key: string;
    readonly fatal: boolean;
    readonly code: string;
    readonly message: string;
  }
  | {
    readonly type: "forwardGranted";
    readonly key: string;
    readonly nodeId: NodeId;
    readonly leaseId: string;
    readonly workerId: ProcessId;
    readonly submitter: ProcessId;
  }
  /** `fatal`: the error is the request's own (a lost argument). Otherwise another node is looked for. */
  | {
    readonly type: "forwardFailed";
    readonly key: string;
    readonly nodeId: NodeId;
    readonly fatal: boolean;
    readonly code: string;
    readonly message: string;
  }
  /** The other nodes that are alive, absolute. */
  | { readonly type: "peersChanged"; readonly alive: readonly NodeId[] }
  /**
   * A connection between the two agents broke; pushes went over it, so leases of that direction are void. Outgoing: of
   * our submitters there; incoming: of their submitters here.
   */
  | { readonly type: "peerLost"; readonly nodeId: NodeId; readonly direction: "outgoing" | "incoming" }
  /** From the head. Resent ones are normal. */
  | BundleOrder
  /** No new work from now on; running work goes on, its leases are asked back (again each time that it is said). */
  | { readonly type: "drain" }
  /** Have this many workers of the plain environment started ahead of need. */
  | { readonly type: "prestart"; readonly count: number }
  | { readonly type: "timer" };

export type LocalSchedulerEffect =
  | {
    readonly type: "grant";
    readonly key: string;
    readonly request: LeaseRequest;
    readonly origin: LeaseOrigin;
    readonly leaseId: string;
    readonly workerId: ProcessId;
    readonly resources: ResourceSet;
    readonly gpuIds: readonly number[];
  }
  /** `retry`: another node may be asked (only for origin peer and head). */
  | {
    readonly type: "reject";
    readonly key: string;
    readonly request: LeaseRequest;
    readonly origin: LeaseOrigin;
    readonly code: string;
    readonly message: string;
    readonly retry: boolean;
  }
  /** Pass the other node's grant on to the submitter. */
  | { readonly type: "answerForwarded"; readonly key: string; readonly leaseId: string }
  | { readonly type: "answerCancelled"; readonly key: string; readonly origin: LeaseOrigin }
  | {
    readonly type: "pickNode";
    readonly key: string;
    readonly request: LeaseRequest;
    readonly exclude: readonly NodeId[];
    /** Free here, less what is decided: newer than any heartbeat. */
    readonly available: ResourceSet;
    /** It would run here at once: not worth waiting for a head that is away. */
    readonly optional?: boolean;
    /** The node that it was passed on to and waits at: asked whether another one could start it at once. */
    readonly waitingAt?: NodeId;
  }
  | {
    readonly type: "cancelPick";
    readonly key: string;
    readonly submitter: ProcessId;
    readonly requestId: string;
  }
  | {
    readonly type: "forward";
    readonly key: string;
    readonly request: LeaseRequest;
    readonly nodeId: NodeId;
  }
  | {
    readonly type: "forwardBacklog";
    readonly nodeId: NodeId;
    readonly submitter: ProcessId;
    readonly requestId: string;
    readonly backlog: number;
  }
  | {
    readonly type: "cancelForward";
    readonly nodeId: NodeId;
    readonly submitter: ProcessId;
    readonly requestId: string;
  }
  /** A lease at another node whose submitter here is gone or no longer wants it. */
  | {
    readonly type: "returnRemoteLease";
    readonly nodeId: NodeId;
    readonly leaseId: string;
    readonly workerId: ProcessId;
    readonly discardWorker: boolean;
  }
  /** Bring these objects here and pin them until `releaseArguments` of the same key. */
  | {
    readonly type: "pullArguments";
    readonly key: string;
    readonly taskId: TaskId;
    readonly args: readonly ArgumentRef[];
    /** The task's, among those that wait for each other. */
    readonly depth: number;
  }
  | { readonly type: "releaseArguments"; readonly key: string }
  /** Its task waits for others: its arguments, pinned as before, no longer keep those of others out. */
  | { readonly type: "argumentsLent"; readonly key: string }
  | {
    readonly type: "startWorker";
    readonly startId: number;
    readonly runtimeEnv: RuntimeEnvSpec;
  }
  /** `force`: kill -9 now, otherwise after its running call. Comes back as workerExited. */
  | {
    readonly type: "stopWorker";
    readonly workerId: ProcessId;
    readonly force: boolean;
    readonly cause: DeathCause;
  }
  /** The worker belongs to this job from now on; before the grant that causes it. */
  | { readonly type: "assignJob"; readonly workerId: ProcessId; readonly jobId: JobId }
  | {
    readonly type: "reclaimLease";
    readonly leaseId: string;
    readonly submitter: ProcessId;
    readonly submitterNode: NodeId;
  }
  | {
    readonly type: "leaseLost";
    readonly leaseId: string;
    readonly workerId: ProcessId;
    readonly submitter: ProcessId;
    readonly submitterNode: NodeId;
    readonly cause: DeathCause;
  }
  /** To the head: answers to its orders, and what it is asked. */
  | BundleWord
  | { readonly type: "warn"; readonly jobId: JobId | null; readonly text: string }
  /** Wake the machine with `timer` at this time; earlier ones still stand. */
  | { readonly type: "setTimer"; readonly atMs: number };
