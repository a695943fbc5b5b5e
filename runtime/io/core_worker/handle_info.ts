/**
 * What a handle to an actor is, wherever it goes.
 * @module
 */
import type { ActorId, NodeId, ProcessId } from "../../common/ids.ts";
import type { ActorSpec } from "../../common/task_spec.ts";
import type { MethodInfo } from "./own_call.ts";

/** See the module's header. */
export interface HandleInfo {
  readonly actorId: ActorId;
  readonly home: NodeId;
  /** The process that made it. */
  readonly owner: ProcessId;
  readonly className: string;
  readonly methods: Readonly<Record<string, MethodInfo>>;
  /** One order per caller: maxConcurrency is 1. With groups: of the calls without a group. */
  readonly ordered: boolean;
  /** Limits of its concurrency groups; absent without any. */
  readonly groups?: Readonly<Record<string, number>>;
  readonly maxTaskRetries: number;
  /** Of a durable actor that saves its state after so many calls; absent otherwise. */
  readonly checkpointEvery?: number;
  readonly maxPendingCalls: number;
  /**
   * Of one that was made with getIfExists, until its maker knows whether it stands for another actor: where it arrives, that is
   * asked for. `namespace`: null for the job's own.
   */
  readonly lookedUp?: { readonly name: string; readonly namespace: string | null };
  /** Its handles are counted: the last one gone ends it. False for named actors. */
  readonly counted: boolean;
}

/** Of one whose name turned out to stand for the actor that was to be made. */
export function withoutLookup({ lookedUp: _lookedUp, ...info }: HandleInfo): HandleInfo {
  return info;
}

/** A handle for an actor as the GCS knows it. */
export function infoOf(spec: ActorSpec): HandleInfo {
  return {
    actorId: spec.actorId,
    home: spec.ownerNode,
    owner: spec.owner,
    className: spec.className,
    methods: spec.methods as Record<string, MethodInfo>,
    ordered: spec.maxConcurrency === 1,
    ...(spec.concurrencyGroups && { groups: spec.concurrencyGroups }),
    maxTaskRetries: spec.maxTaskRetries,
    maxPendingCalls: spec.maxPendingCalls,
    ...(spec.checkpointEvery !== undefined && { checkpointEvery: spec.checkpointEvery }),
    counted: spec.name === "" && !spec.detached,
  };
}
