/**
 * Why leased workers are gone. The connection ends first, the reason comes a moment later from the worker's agent, and it
 * decides what a retry costs: a kill for low memory is no crash.
 * @module
 */
import {
  ActorDiedError,
  ActorUnschedulableError,
  type MobulaError,
  NodeDiedError,
  OutOfMemoryError,
  PlacementGroupRemovedError,
  WorkerCrashedError,
} from "../../common/errors.ts";
import type { DeathCause } from "../../common/task_spec.ts";
import { Timer } from "./timers.ts";
import type { OwnTask } from "./own_task.ts";

/** An agent that has not told the reason by then may be gone itself. */
const FATE_WAIT_MS = 1_000;

/** Why a worker is gone when nobody can tell. */
export const UNKNOWN_DEATH: DeathCause = { code: "WORKER_DIED", message: "its worker process has died" };

export class WorkerFates {
  /** All and only leases whose reason is waited for. */
  readonly #waiting: Map<string, (cause: DeathCause | null) => void> = new Map();

  /** `decided` is called once, with the first answer, or with null after a second. Never after clear(). */
  await(leaseId: string, asked: Promise<DeathCause>, decided: (cause: DeathCause | null) => void): void {
    const timer = Timer.background(() => this.tell(leaseId, null), FATE_WAIT_MS);
    this.#waiting.set(leaseId, (cause) => {
      timer.clear();
      decided(cause);
    });
    void asked.then((cause) => this.tell(leaseId, cause));
  }

  /** The reason is known; false when nobody waits for it. */
  tell(leaseId: string, cause: DeathCause | null): boolean {
    const decided = this.#waiting.get(leaseId);
    this.#waiting.delete(leaseId);
    decided?.(cause);
    return decided !== undefined;
  }

  clear(): void {
    this.#waiting.clear();
  }
}

/** What a task whose worker died fails with. */
export function lostError(cause: DeathCause | null, message: string): MobulaError {
  const error = lostErrorOf(cause, message);
  const lines = cause?.logLines ?? [];
  if (lines.length > 0) Object.defineProperty(error, "logLines", { value: lines, enumerable: true });
  return error;
}

function lostErrorOf(cause: DeathCause | null, message: string): MobulaError {
  if (cause?.code === "OUT_OF_MEMORY") return new OutOfMemoryError(message);
  if (cause?.code === "PLACEMENT_GROUP_REMOVED") return new PlacementGroupRemovedError(message);
  return cause?.code === "NODE_DIED" ? new NodeDiedError(message) : new WorkerCrashedError(message);
}

/** What happened to such a task, for people. */
export function lostMessage({ call, id, attempt }: OwnTask, cause: DeathCause): string {
  const attempts = `${attempt + 1} ${attempt === 0 ? "execution" : "executions"}`;
  return `${call.name} (${id}) died or was killed while executing, after ${attempts}: ${cause.message}`;
}

/** What calls of a dead actor fail with. */
export function deadActorError(
  cause: DeathCause | null,
  message: string,
  fields: { readonly actorId: string; readonly actorInitFailed: boolean; readonly preempted: boolean },
): MobulaError {
  if (cause?.code === "UNSCHEDULABLE") return new ActorUnschedulableError(message, fields);
  if (cause?.code !== "PLACEMENT_GROUP_REMOVED") return new ActorDiedError(message, fields);
  return new ActorDiedError(message, { ...fields, cause: new PlacementGroupRemovedError(cause.message) });
}
