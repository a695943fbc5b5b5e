/**
 * What only a worker process has, for runtimeContext(): the task that runs and the actor that it hosts.
 * @module
 */
import type { ActorSpec } from "../../common/task_spec.ts";
import type { ExecutionContext } from "./execution_context.ts";

/** What an actor may ask about itself. */
export interface ActorFacts {
  readonly spec: ActorSpec;
  /** An earlier incarnation of it ended. */
  readonly restarted: boolean;
}

export interface WorkerState {
  readonly context: ExecutionContext;
  /** The actor that this process is; light ones are told apart by the call that runs. */
  actor: ActorFacts | null;
  /** The actor ends after the calls that run; the one that says so is not answered. False while it is being constructed. */
  readonly leave: () => boolean;
}

let state: WorkerState | null = null;

/** Null in a driver. */
export function workerState(): WorkerState | null {
  return state;
}

export function setWorkerState(worker: WorkerState): void {
  state = worker;
}
