/**
 * Every message between processes, by connection. A connection carries frames (frames.ts); the first is Hello, the answer
 * Welcome; then requests, responses and notifications whose header is JSON as typed here, with raw bytes beside it
 * (`sections`). Hot messages (task pushes and replies) have binary headers and are typed in push.ts.
 *
 *   driver, worker  --AgentMethods-->  agent       (unix socket; HTTP/2 for a driver elsewhere)
 *   agent           --CoreMethods-->   driver, worker   (same connection, other direction)
 *   agent           --HeadMethods-->   head        (HTTP/2)      head --NodeMethods--> agent
 *   agent           --PeerMethods-->   agent       (HTTP/2; object bytes on another connection)
 *   cli             --HeadMethods-->   head        (HTTP/2, role "cli")
 *
 * Every method may fail with an error: {code, message}; codes are those of MobulaError subclasses.
 * Late, duplicate and resent requests are normal: each says what makes it idempotent.
 * @module
 */
import type { ActorHeadMethods, HostedActorMethods, WatchActor } from "./actor_messages.ts";
import type { ActorId, JobId, NodeId, ObjectId, ProcessId, TaskId } from "../common/ids.ts";
import type { ResourceSet } from "../common/resources.ts";
import type {
  ActorSpec,
  ActorStatus,
  ArgumentRef,
  DeathCause,
  DriverRuntime,
  Grant,
  LeaseRequest,
  PickParams,
} from "../common/task_spec.ts";
import type {
  DemandRow,
  Heartbeat,
  NodeDrain,
  NodeRegistration,
  NodeRow,
  ObjectReport,
  WorkerReport,
} from "./node_rows.ts";
import type { CoreQuestions, HeadQuestions, NodeQuestions } from "./node_questions.ts";
import type { TaskEventBatch, TraceStep } from "../common/task_event.ts";
import type { KeyValueMethods } from "./key_value_messages.ts";
import type { OwnerMethods } from "./owner_messages.ts";
import type { JobHeadMethods, JobNodeMethods } from "./submission_messages.ts";
import type { GroupHeadMethods, GroupNodeMethods } from "./group_messages.ts";
import type { Method, Notification } from "./method.ts";
import type { MetricAgentMethods } from "./metric_messages.ts";
import type * as logs from "./log_messages.ts";
import type * as light from "./light_actor_messages.ts";
import type { HeirMethods, LineageMethods, RebuildHeadMethods, RebuildMethods } from "./rebuild_messages.ts";
import type { GrantedRange, ObjectPlace } from "./object_place.ts";

/** What the function table holds; "folder": a part of a packed working directory (io/runtime_env/manifest.ts). */
export type CodeKind = "function" | "class" | "codec" | "folder";
export type Role = "driver" | "worker" | "agent" | "head" | "cli";

/** First frame of every connection, from its opener. Nothing is allocated before it is accepted. */
export interface Hello {
  readonly version: number;
  readonly token: string;
  readonly role: Role;
  /** The process's id; for an agent its node id. */
  readonly id: string;
  /** Null only where the opener joins for the first time (it learns the id from Welcome). */
  readonly clusterId: string | null;
  /** An agent's incarnation; frames of an epoch that was declared dead are refused. */
  readonly epoch: number;
  readonly pid: number;
  readonly runtime: DriverRuntime;
  /** What this connection is for; "control" unless said otherwise. */
  readonly purpose: "control" | "heartbeat" | "push";
  readonly jobId?: JobId;
  readonly nodeId?: NodeId;
}

/** Answer to an accepted Hello. A refused one gets {error: {code, message}} and is closed. */
export interface Welcome {
  readonly version: number;
  readonly clusterId: string;
  readonly id: string;
  readonly nodeId?: NodeId;
}

// ---- where bytes are ------------------------------------------------------------------------------------------------

/** What counts as a reference, and where it is counted: an object or an actor, at its home node's agent. */
export interface RefTarget {
  readonly id: ObjectId | ActorId;
  readonly home: NodeId;
}

/** Changes of one process's references, applied in order.
 *  own: this process is the owner (its object is stored, here or at `at`, or escaped).  disown: its own count fell to 0.
 *  hold / drop: a borrower's count left / reached 0.  dropContents: one getObject that was answered with `kept` is over. */
export type RefChange =
  | ({ readonly op: "own"; readonly at: NodeId | null } & RefTarget)
  | ({ readonly op: "disown" | "hold" | "drop" | "dropContents" } & RefTarget);

/** A value that is complete. */
export interface SealParams {
  readonly id: ObjectId;
  readonly home: NodeId;
  readonly owner: ProcessId;
  readonly isError: boolean;
  readonly contains: RefTarget[];
  /** Name of the task that made it, for people (ObjectReport.producer). */
  readonly producer?: string | undefined;
}

// ---- driver, worker -> agent ------------------------------------------------------------------------------------------

export interface AgentMethods
  extends HostedActorMethods, light.AgentMethods, LineageMethods, logs.AgentMethods, MetricAgentMethods {
  /** Opens a job; answered after its commit. Idempotent by the driver's id. */
  readonly registerDriver: Method<
    /** `quiet`: it does not want to hear what its workers print. */
    { namespace: string | null; entrypoint: string; quiet?: boolean },
    {
      jobId: JobId;
      namespace: string;
      nodeId: NodeId;
      nodeResources: ResourceSet;
      dashboardUrl: string | null;
      address: string;
    }
  >;
  /** A worker has its socket open and is ready for work. */
  readonly registerWorker: Method<{ socketPath: string }, { nodeId: NodeId; address: string }>;
  /** The driver is done: its job ends. */
  readonly endJob: Method<{ jobId: JobId }, Record<string, never>>;
  /** Function or class source (section 0) and encoded captures (section 1, where there are any) into the GCS function
   *  table, keyed by content hash; answered after its commit. */
  readonly exportFunction: Method<
    { hash: string; kind: CodeKind; name: string },
    Record<string, never>
  >;
  /** Answer: sections as exported. Waits for an export that is under way. */
  readonly fetchFunction: Method<{ hash: string }, { kind: CodeKind; name: string }>;

  /** Answered when granted (perhaps by another node's agent), or with an error (TaskUnschedulableError), or cancelled. */
  readonly requestLease: Method<LeaseRequest, { grant: Grant } | { cancelled: true }>;
  readonly cancelLease: Notification<{ requestId: string }>;
  /** How many tasks wait behind an open request now. */
  readonly leaseBacklog: Notification<{ requestId: string; backlog: number }>;
  /** The lease ends; `workerLost` when the submitter's connection to the worker broke; `retired`: the worker takes no more
   *  tasks and ends by itself (maxCalls). Idempotent by lease id. */
  readonly returnLease: Notification<
    { leaseId: string; nodeId: NodeId; workerId: ProcessId; workerLost?: boolean; retired?: boolean }
  >;
  /** Cancel the task or call that makes an object: passed on to its owner, answered when that knows. One that has ended, or
   *  whose owner is gone, needs nothing. RangeError for force on an actor's call. Repeating it changes nothing. */
  readonly cancelTask: Method<
    { id: ObjectId; home: NodeId; force: boolean; recursive: boolean; graceMs: number | null },
    Record<string, never>
  >;
  /** Why a worker is gone, for the error: asked by a submitter whose connection to it broke. */
  readonly workerFate: Method<
    { workerId: ProcessId; nodeId: NodeId },
    { alive: boolean; cause: DeathCause | null }
  >;
  /** From a worker: its task waits in get or wait (true), or goes on (false). Nested waits are counted by the worker. */
  readonly blocked: Notification<{ taskId: TaskId; blocked: boolean }>;

  /** Reserve room for a stored object (size = layout size). Waits for room; ObjectStoreFullError when there is none. */
  readonly createObject: Method<{ id: ObjectId; size: number }, GrantedRange>;
  /** The bytes are complete: publish. `contains`: refs inside the value, held as long as the object lives. `owner`: who
   *  counts it. Answered when contained refs are held at their homes. Idempotent. */
  readonly sealObject: Method<
    SealParams,
    Record<string, never>
  >;
  readonly abortObject: Notification<{ id: ObjectId }>;
  /** createObject, write and seal in one for small values: layout bytes are section 0. */
  readonly putInline: Method<
    SealParams,
    Record<string, never>
  >;
  /** Remote drivers and sandboxed workers only: bytes of an object in the making, in order (section 0). */
  readonly writeObject: Method<{ id: ObjectId; offset: number }, Record<string, never>>;
  /** Answered when the object is on this node (pulled if need be): see ObjectPlace. Fails with ObjectLostError & co.
   *  The caller bounds the time with cancelGet. `requestId` is unique in the caller. */
  readonly getObject: Method<
    {
      requestId: string;
      id: ObjectId;
      home: NodeId;
      /** As locateObject.at. */
      at?: NodeId | undefined;
      purpose: "get" | "wait" | "argument";
      /** The caller can keep many refs as a whole. */
      keep?: boolean;
    },
    /** `kept`: the caller holds what the object contains until it says dropContents. */
    { place: ObjectPlace; isError: boolean; kept?: boolean }
  >;
  /** Answered when the object exists somewhere (fetchLocal false), or here (true); nothing is pinned. */
  readonly waitObject: Method<
    { requestId: string; id: ObjectId; home: NodeId; at?: NodeId | undefined; fetchLocal: boolean },
    Record<string, never>
  >;
  /** Bring these here ahead of need if there is room; how that ends is not told. */
  readonly prefetch: Notification<{ objects: { id: ObjectId; home: NodeId; at?: NodeId | undefined }[] }>;
  readonly cancelGet: Notification<{ requestId: string }>;
  /** The process no longer reads the object's bytes (`count` pins). */
  readonly unpin: Notification<{ id: ObjectId; count: number }>;
  /** Answer: bytes in section 0. For places of type "remote". */
  readonly readObject: Method<{ id: ObjectId; offset: number; length: number }, Record<string, never>>;

  /** In order; notifications of one process are never reordered with its other messages. */
  readonly references: Notification<{ changes: RefChange[] }>;
  /** Answered when every change sent before has reached its home. */
  readonly flushReferences: Method<Record<string, never>, Record<string, never>>;

  /** Section 0: serialized constructor arguments. Answered after the commit; NameTakenError. Idempotent by actor id.
   *  With getIfExists a live actor of the name is answered instead, its spec included. */
  readonly createActor: Method<
    { spec: ActorSpec; getIfExists: boolean },
    { actorId: ActorId; spec: ActorSpec }
  >;
  readonly getActor: Method<{ name: string; namespace: string }, { actorId: ActorId; spec: ActorSpec }>;
  /** From now on actorStatus arrives for this actor, the present one at once. */
  readonly watchActor: WatchActor;
  /** Answered after the commit. The name is free when this is answered. */
  readonly killActor: Method<{ actorId: ActorId; noRestart: boolean }, Record<string, never>>;

  readonly taskEvents: Method<{ batch: TaskEventBatch }, Record<string, never>>;

  /** Anything that the agent only passes on to the head (HeadMethods, by name), with sections both ways. */
  readonly head: Method<{ method: string; params: unknown }, unknown>;
  /** A push connection to a worker of another node, through both agents. The answer opens it; its frames are relayFrame. */
  readonly openRelay: Method<{ relayId: string; nodeId: NodeId; workerId: ProcessId }, Record<string, never>>;
  /** Sections: one whole frame's bytes each, in order. Both directions (also in CoreMethods). */
  readonly relayFrame: Notification<{ relayId: string }>;
  readonly closeRelay: Notification<{ relayId: string }>;
}

// ---- agent -> driver, worker -------------------------------------------------------------------------------------------

/** Of a message for people. */
export type MessageLevel = "info" | "warning" | "error";

export interface CoreMethods
  extends CoreQuestions, HeirMethods, RebuildMethods, light.CoreMethods, logs.CoreMethods {
  /** Others wait: return leases that are idle, and busy ones after their present task. */
  readonly reclaimLease: Notification<{ leaseId: string }>;
  /** A lease's worker is dead (its node may be too). */
  readonly leaseLost: Notification<{ leaseId: string; workerId: ProcessId; cause: DeathCause }>;
  /** A borrower of one of the process's refs wants its task to end. */
  readonly cancelTask: AgentMethods["cancelTask"];
  /** Section 0 with hasErrorValue: the constructor's error, serialized. */
  readonly actorStatus: Notification<{ status: ActorStatus }>;
  /** To a worker: construct the actor. Section 0: serialized constructor arguments. Answered when the constructor has run;
   *  with `failed`, section 0 is the serialized error. */
  readonly startActor: Method<
    { spec: ActorSpec; incarnation: number; restarted: boolean; leaseId: string; gpuIds: number[] },
    { failed: boolean; message: string }
  >;
  /** To a worker: end after running calls (and shutdown hook). */
  readonly exitWorker: Notification<{ reason: DeathCause }>;
  /** To a worker: it belongs to this job from now on. */
  readonly assignJob: Notification<{ jobId: JobId; namespace: string }>;
  readonly relayFrame: Notification<{ relayId: string }>;
  readonly closeRelay: Notification<{ relayId: string }>;
  /** One line for the user, already worded (infeasible demand, a clamped store). */
  readonly message: Notification<{ level: MessageLevel; text: string }>;
  /** The node's store is full: collect garbage now, so that refs and views that nobody uses are let go. */
  readonly collectGarbage: Notification<Record<string, never>>;
}

// ---- agent, cli -> head --------------------------------------------------------------------------------------------------

export interface HeadMethods
  extends
    GroupHeadMethods,
    HeadQuestions,
    RebuildHeadMethods,
    ActorHeadMethods,
    KeyValueMethods,
    OwnerMethods,
    JobHeadMethods,
    light.HeadMethods {
  /** Idempotent by (node id, epoch); a lower epoch than known is fenced. The answer tells which jobs and actors the node
   *  must end, because they ended while it was away. */
  readonly registerNode: Method<
    NodeRegistration,
    { nodes: NodeRow[]; endedJobs: JobId[]; endedActors: ActorId[]; dashboardUrl: string | null }
  >;
  readonly heartbeat: Notification<Heartbeat>;
  /** No new work goes to the node; it leaves when it is idle, at the latest after `deadlineMs` from now. Answered after the
   *  commit; `message` says why it was refused. `ifIdle`: only if nothing runs there. */
  readonly drainNode: Method<
    { nodeId: NodeId; deadlineMs: number; reason: string; ifIdle: boolean },
    { accepted: boolean; message: string }
  >;
  /** From a node that leaves: which other nodes should take these objects. Those that are elsewhere too, or fit nowhere, are
   *  left out. */
  readonly placeObjects: Method<
    { objects: { id: ObjectId; bytes: number }[] },
    { targets: { nodeId: NodeId; ids: ObjectId[] }[] }
  >;
  /** A clean leave: the node is dead at once, with this reason. */
  readonly unregisterNode: Method<{ nodeId: NodeId; epoch: number; reason: string }, Record<string, never>>;

  readonly addJob: Method<
    {
      driverId: ProcessId;
      nodeId: NodeId;
      namespace: string | null;
      entrypoint: string;
      pid: number;
      runtime: DriverRuntime;
    },
    { jobId: JobId; namespace: string }
  >;
  readonly endJob: Method<{ jobId: JobId; reason: string; failed: boolean }, Record<string, never>>;

  readonly exportFunction: AgentMethods["exportFunction"];
  readonly fetchFunction: AgentMethods["fetchFunction"];

  /** Which node should hold this lease? Waits while no node fits (infeasible demand is shown, one warning).
   *  `waitingAt`: it waits at that node already, which is the answer unless another one can start it at once. */
  readonly pickNode: Method<
    PickParams,
    { nodeId: NodeId; steps: TraceStep[] }
  >;
  readonly cancelPick: Notification<{ submitter: ProcessId; requestId: string }>;

  /** Changes of a node's store, in order. Acknowledged; resent after a reconnect (absolute per object, so idempotent). */
  readonly reportObjects: Method<
    { nodeId: NodeId; added: ObjectReport[]; removed: ObjectId[] },
    Record<string, never>
  >;
  /** Where an object is. With `wait` the GCS keeps a callback: answered when the first location exists. */
  readonly locateObject: Method<
    {
      requestId: string;
      id: ObjectId;
      home: NodeId;
      /** The node that made it, when the asker was told: without it, nobody ever learns of an object that died unreported. */
      at?: NodeId | undefined;
      /** It was lost and is made again: its report is on its way. */
      remade?: boolean | undefined;
      wait: boolean;
    },
    { nodes: NodeId[]; bytes: number; isError: boolean; waited: boolean }
  >;
  readonly cancelLocate: Notification<{ requestId: string }>;
  /** From the home of these objects: they were made at a node that is dead now. Those that no other node reports are lost,
   *  also for askers who were not told where they were made. */
  readonly objectsMadeAt: Method<{ at: NodeId; ids: ObjectId[] }, Record<string, never>>;
  /** No reference is left anywhere: every holder deletes it. Answered after the commit; repeating it changes nothing. */
  readonly freeObjects: Method<{ ids: ObjectId[] }, Record<string, never>>;

  readonly createActor: AgentMethods["createActor"];
  readonly getActor: AgentMethods["getActor"];
  readonly watchActor: WatchActor;
  /** With `incarnation`, only that one is killed: sent again after the restart that it has caused, it changes nothing. */
  readonly killActor: Method<
    { actorId: ActorId; noRestart: boolean; incarnation?: number },
    Record<string, never>
  >;
  /** The present one, for killActor; 0 for an actor that is not known. */
  readonly actorIncarnation: Method<{ actorId: ActorId }, { incarnation: number }>;
  /** The actor's constructor has run (or failed: section 0 is the error). Idempotent by (actor, incarnation). */
  readonly actorStarted: Method<
    {
      actorId: ActorId;
      incarnation: number;
      nodeId: NodeId;
      workerId: ProcessId;
      socketPath: string;
      pid: number;
      failed: boolean;
      message: string;
    },
    Record<string, never>
  >;
  /** A worker process ended; with an actor, the actor manager decides. `intended`: exitActor, out of scope, job end. */
  readonly workerExited: Method<
    {
      nodeId: NodeId;
      workerId: ProcessId;
      jobId: JobId | null;
      actorId: ActorId | null;
      incarnation: number;
      intended: boolean;
      cause: DeathCause;
    },
    Record<string, never>
  >;

  /** All worker processes of the node, when they have changed; also after each registration. */
  readonly reportWorkers: Notification<{ workers: WorkerReport[] }>;

  readonly taskEvents: Method<{ batches: TaskEventBatch[] }, Record<string, never>>;

  readonly nodes: Method<Record<string, never>, { nodes: NodeRow[] }>;
  readonly trace: Method<{ taskId: TaskId }, { steps: TraceStep[] }>;
  readonly clusterInfo: Method<
    Record<string, never>,
    {
      clusterId: string;
      address: string;
      dashboardUrl: string | null;
      store: string;
      /** Why the store takes no writes now (it is away, its disk is full), for people; null when it does. */
      storeWaiting?: string | null;
      /** History rows that were given up because they came faster than the store took them. */
      historyDropped?: number;
      nodes: NodeRow[];
      demand: DemandRow[];
      sessionDir: string;
    }
  >;
  /** A fresh one-time link that signs a browser in. */
  readonly dashboardLink: Method<{ viewer?: boolean }, { url: string | null; viewerToken: string | null }>;
  /** From the CLI: head and agents of this machine's session end. */
  readonly stopCluster: Method<{ reason: string }, Record<string, never>>;
}

// ---- head -> agent ---------------------------------------------------------------------------------------------------------

export interface NodeMethods extends NodeQuestions, GroupNodeMethods, JobNodeMethods, light.NodeMethods {
  /** The cluster's nodes changed: addresses and states, absolute. */
  readonly nodesChanged: Notification<{ nodes: NodeRow[] }>;
  /** Lease a worker and construct this actor in it. Section 0: constructor arguments. Acknowledged on arrival; the outcome
   *  comes as actorStarted or workerExited. Idempotent by (actor, incarnation). `restarted`: an earlier incarnation ended;
   *  one that was only placed anew has not. */
  readonly startActor: Method<
    { spec: ActorSpec; incarnation: number; restarted: boolean },
    Record<string, never>
  >;
  /** End the actor's worker: at once (kill), or after its submitted calls (graceful). */
  readonly stopActor: Notification<
    { actorId: ActorId; incarnation: number; graceful: boolean; cause: DeathCause }
  >;
  readonly actorStatus: CoreMethods["actorStatus"];
  readonly deleteObjects: Notification<{ ids: ObjectId[] }>;
  /** To their home: these are stored somewhere, and their owners are dead. Those that nobody holds are to be freed. */
  readonly ownerless: Notification<{ objects: Pick<ObjectReport, "id" | "owner">[] }>;
  /** Take no new work, leave when idle, at the latest in `remainingMs`. Given again after a reconnect. */
  readonly drain: Notification<{ remainingMs: number; reason: string }>;
  /** The job's workers end, its leases and objects go. */
  readonly jobEnded: Notification<{ jobId: JobId }>;
  /** Warnings for a job's driver. */
  readonly message: Notification<{ jobId: JobId | null; level: MessageLevel; text: string }>;
  /** The node was declared dead (`fenced`: it may come back as another incarnation), or the cluster stops: end workers and
   *  exit. */
  readonly shutdown: Notification<{ reason: string; fenced?: boolean }>;
}

/** Orders and news: what the GCS sends. */
export type NodeOrder = Exclude<keyof NodeMethods, keyof NodeQuestions | keyof JobNodeMethods>;

// ---- agent -> agent -----------------------------------------------------------------------------------------------------------

export interface PeerMethods extends HeirMethods, RebuildMethods, logs.PeerMethods {
  /** Spillback: queue it here, do not pass it on. */
  readonly requestLease: AgentMethods["requestLease"];
  readonly cancelLease: Notification<{ submitter: ProcessId; requestId: string }>;
  readonly leaseBacklog: Notification<{ submitter: ProcessId; requestId: string; backlog: number }>;
  readonly returnLease: AgentMethods["returnLease"];
  readonly cancelTask: AgentMethods["cancelTask"];
  readonly reclaimLease: Notification<{ leaseId: string; submitter: ProcessId }>;
  readonly leaseLost: Notification<
    { leaseId: string; submitter: ProcessId; workerId: ProcessId; cause: DeathCause }
  >;
  readonly workerFate: AgentMethods["workerFate"];
  /** The sender leaves: pull these from it, and keep them as the primary copies. Answered with those that are here then. */
  readonly adoptObjects: Method<{ objects: { id: ObjectId; home: NodeId }[] }, { adopted: ObjectId[] }>;
  /** Node-level references: the sum of the sender's processes left or reached 0. Acknowledged when counted. */
  readonly references: Method<
    { from: NodeId; changes: { op: "hold" | "drop"; id: ObjectId | ActorId }[] },
    Record<string, never>
  >;
  /** `to`: the worker; `from`: who opened it, for the worker's Hello. */
  readonly openRelay: Method<
    { relayId: string; workerId: ProcessId; from: ProcessId; jobId: JobId | null },
    Record<string, never>
  >;
  readonly relayFrame: Notification<{ relayId: string }>;
  readonly closeRelay: Notification<{ relayId: string }>;
}

/** Parts of messages that live in files of their own. */
export type {
  ArgumentRef,
  DemandRow,
  GrantedRange,
  Heartbeat,
  NodeDrain,
  NodeRegistration,
  NodeRow,
  ObjectPlace,
  ObjectReport,
  WorkerReport,
};
export type { Method, Notification };
