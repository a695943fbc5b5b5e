/**
 * The messages about light actors (isolation "shared"), many in each; messages.ts extends its tables by them. Section 0 of a
 * batch is the block of its constructor arguments.
 * @module
 */
import type { ActorBatch } from "../common/actor_batches.ts";
import type { ActorId, NodeId, ProcessId } from "../common/ids.ts";
import type { ActorStatus, DeathCause } from "../common/task_spec.ts";
import type { Method, Notification } from "./method.ts";

/** An actor and one of its constructions. */
export type ActorIncarnation = readonly [actorId: ActorId, incarnation: number];

/** A batch to be constructed; by index of the batch. */
export interface StartBatch extends ActorBatch {
  readonly incarnations: readonly number[];
  /** An earlier incarnation ended. */
  readonly restarted: readonly boolean[];
}

/** Actors whose present state differs only in who they are. */
export interface StatusBatch {
  readonly common: Omit<ActorStatus, "actorId" | "incarnation">;
  readonly actors: readonly ActorIncarnation[];
}

/** Driver, worker -> agent. */
export interface AgentMethods {
  /** Unnamed ones. Answered after the commit; idempotent by actor id. The process watches them from then on. */
  readonly createActors: Method<ActorBatch, Record<string, never>>;
  /** From a host: constructors that have run; those that failed come with a message and, in order, a section each: the
   *  serialized error. */
  readonly actorsHosted: Notification<{
    hosted: readonly ActorIncarnation[];
    failed: readonly (readonly [actorId: ActorId, incarnation: number, message: string])[];
  }>;
  /** From a host: these have ended as they were asked to, or by themselves (`exited`). */
  readonly actorsLeft: Notification<{ actors: readonly ActorIncarnation[]; exited: boolean }>;
}

/** Agent -> driver, worker. */
export interface CoreMethods {
  readonly actorStatuses: Notification<StatusBatch>;
  /** To a host: construct these. The outcome comes as actorsHosted. */
  readonly hostActors: Notification<StartBatch>;
  /** To a host: end these; `graceful`: each after the calls that it has, then told as actorsLeft. */
  readonly dropActors: Notification<{ actors: readonly ActorIncarnation[]; graceful: boolean }>;
}

/** Agent -> head. */
export interface HeadMethods {
  /** From now on their states are told, the present ones at once. */
  readonly watchActors: Notification<{ actorIds: readonly ActorId[] }>;
  readonly unwatchActors: Notification<{ actorIds: readonly ActorId[] }>;
  /** The last handles are gone anywhere. Answered after the commit; repeating it changes nothing. */
  readonly actorsOutOfScope: Method<{ actorIds: readonly ActorId[] }, Record<string, never>>;
  readonly createActors: AgentMethods["createActors"];
  /** Their constructors have run, in one host. Idempotent by (actor, incarnation). */
  readonly actorsStarted: Method<
    {
      nodeId: NodeId;
      workerId: ProcessId;
      socketPath: string;
      pid: number;
      actors: readonly ActorIncarnation[];
    },
    Record<string, never>
  >;
  /** They have ended, their host perhaps with them. `intended`: they are not to come back. Repeating it changes nothing. */
  readonly actorsEnded: Method<
    { nodeId: NodeId; actors: readonly ActorIncarnation[]; intended: boolean; cause: DeathCause },
    Record<string, never>
  >;
}

/** Head -> agent. */
export interface NodeMethods {
  /** As stopActor, for many. */
  readonly stopActors: Notification<
    { actors: readonly ActorIncarnation[]; graceful: boolean; cause: DeathCause }
  >;
  /** As startActor, for many. */
  readonly startActors: Notification<StartBatch>;
  readonly actorStatuses: CoreMethods["actorStatuses"];
}
