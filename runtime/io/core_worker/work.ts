/**
 * A submitted task or call, as whoever cancels it sees it. OwnTask and OwnCall are the two kinds.
 * @module
 */
import type { TaskId } from "../../common/ids.ts";
import type { CancelTarget } from "../../core/worker/cancellation.ts";

/** How a worker is asked to end something. */
export interface AskHow {
  readonly force: boolean;
  readonly recursive: boolean;
}

/** See the module's header. */
export interface Work extends CancelTarget {
  readonly id: TaskId;
  readonly name: string;
  /** An actor's call: it cannot be ended by force, which would end the actor. */
  readonly isCall: boolean;
  /** Retries that may still be used; -1 without end. */
  retriesLeft: number;
  /** Its place among those that its AbortSignal cancels; -1: it has none, or is no longer among them. */
  signalIndex: number;
  /** End it here, if it has not left this process. False when it has. */
  withdraw(): boolean;
  /** Tell its worker. */
  ask(how: AskHow): void;
}
