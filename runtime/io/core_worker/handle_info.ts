/**
 * What a handle to an actor is, wherever it goes.
 * @module
 */
import type { ActorId, NodeId, ProcessId } from "../../common/ids.ts";
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
  /** Its handles are counted: the last one gone ends it. False for named actors. */
  readonly counted: boolean;
}
