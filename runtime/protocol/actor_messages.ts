/**
 * What an actor's worker tells beside its calls: that it leaves, and how it fares (messages.ts extends these).
 * @module
 */
import type { ActorId, ProcessId } from "../common/ids.ts";
import type { Notification } from "./method.ts";
import type { ActorFigures } from "./node_rows.ts";

/** Tell of every change of an actor. `owner`: of one that dies with its owner, for the case that its creation never comes. */
export type WatchActor = Notification<{ actorId: ActorId; owner?: ProcessId | undefined }>;

/** Worker -> agent. */
export interface HostedActorMethods {
  /** exitActor() was called. `drained`: the calls that ran have ended, its shutdown hook begins. */
  readonly leaving: Notification<{ message: string; drained: boolean }>;
  /** How its calls fare. */
  readonly actorFigures: Notification<{ figures: ActorFigures[] }>;
}

/** Agent -> head. */
export interface ActorHeadMethods {
  /** Of actors of the node: those that have changed. */
  readonly reportActorFigures: Notification<{ figures: ActorFigures[] }>;
}
