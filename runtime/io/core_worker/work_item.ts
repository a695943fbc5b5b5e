/**
 * One pushed task or call as the worker that has it sees it, and the actor that a worker hosts.
 * @module
 */
import type { ActorId } from "../../common/ids.ts";
import type { Assignment, MakesAgain } from "../../protocol/push.ts";
import type { DurableActor } from "./durable_actor.ts";
import type { Caller, LoadedFunction } from "./caller.ts";
import type { TaskContext } from "./execution_context.ts";
import type { ItemOutlet } from "./item_outlet.ts";
import type { ActorFacts } from "./worker_state.ts";

/** One pushed task or call. */
export interface WorkItem {
  readonly caller: Caller;
  readonly sequence: number;
  readonly attempt: number;
  readonly numReturns: number;
  readonly depth: number;
  /** Null: its results are its own. */
  readonly as: MakesAgain | null;
  /** An actor call's concurrency group; "": the default one. */
  readonly group: string;
  /** A task's function, or null for an actor call. */
  readonly target: LoadedFunction | null;
  readonly method: string;
  readonly args: Uint8Array;
  /** Null for what is no generator. */
  readonly items: ItemOutlet | null;
  /** From the moment that user code is called. */
  context: TaskContext | null;
  /** For good: see running_cancels.ts. */
  cancelled: boolean;
  /** Its caller has its answer, though user code goes on. */
  answered: boolean;
}

/** The actor that this worker hosts. */
export interface HostedActor {
  readonly actorId: ActorId;
  readonly incarnation: number;
  readonly instance: Record<string, unknown>;
  readonly className: string;
  readonly methods: Readonly<Record<string, unknown>>;
  readonly maxConcurrency: number;
  /** Limits of its concurrency groups; absent without any. */
  readonly concurrencyGroups?: Readonly<Record<string, number>>;
  readonly assigned: Assignment;
  /** Its state is saved and restored; absent where that is not so. */
  readonly durable?: DurableActor;
  /** Of a light actor; absent where the process is the actor. */
  readonly facts?: ActorFacts;
}

// deno-lint-ignore no-explicit-any -- user code: any arguments, any result
export type Callable = (...args: any[]) => unknown;
