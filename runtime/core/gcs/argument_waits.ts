/**
 * Which actors wait for which constructor arguments: bookkeeping between the actor manager, which knows the actors, and the
 * object directory, which answers one request per argument.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { ActorId, ObjectId } from "../../common/ids.ts";
import type { ActorStatus, ArgumentRef } from "../../common/task_spec.ts";

/** No request of an agent's begins like this: the head's names have no blanks. */
const PREFIX = "argument ";

export class ArgumentWaits {
  /** Request ids of arguments that do not exist yet, by actor; no actor without any. */
  readonly #byActor: Map<ActorId, Set<string>> = new Map();
  readonly #byRequest: Map<string, ActorId> = new Map();

  /** Begins to wait; returns the requests to make, one for each distinct argument. */
  begin(actorId: ActorId, args: readonly ArgumentRef[]): { requestId: string; arg: ArgumentRef }[] {
    const requests = new Map<string, ArgumentRef>();
    for (const arg of args) requests.set(requestName(actorId, arg.id), arg);
    this.#byActor.set(actorId, new Set(requests.keys()));
    for (const requestId of requests.keys()) this.#byRequest.set(requestId, actorId);
    return [...requests].map(([requestId, arg]) => ({ requestId, arg }));
  }

  /** Whether the request is still waited for. */
  has(requestId: string): boolean {
    return this.#byRequest.has(requestId);
  }

  /** One argument exists: its actor, and whether that was the last one. Null for a request that is not an actor's. */
  resolve(requestId: string): { actorId: ActorId; complete: boolean } | null {
    const actorId = this.#byRequest.get(requestId);
    if (actorId === undefined) return null;
    this.#byRequest.delete(requestId);
    const open = this.#byActor.get(actorId)!;
    open.delete(requestId);
    if (open.size === 0) this.#byActor.delete(actorId);
    return { actorId, complete: open.size === 0 };
  }

  /** The actor waits no longer; returns its open requests. */
  cancel(actorId: ActorId): string[] {
    const open = [...this.#byActor.get(actorId) ?? []];
    this.#byActor.delete(actorId);
    for (const requestId of open) this.#byRequest.delete(requestId);
    return open;
  }

  /** Throws unless every actor here waits for its arguments. */
  check(statusOf: (actorId: ActorId) => ActorStatus | undefined): void {
    for (const actorId of this.#byActor.keys()) {
      assert(statusOf(actorId)?.state === "DEPENDENCIES_UNREADY", `${actorId} waits for its arguments`);
    }
  }
}

/** Whether a request is an actor's: one that is answered after its wait has ended is nobody's business. */
export function isArgumentRequest(requestId: string): boolean {
  return requestId.startsWith(PREFIX);
}

function requestName(actorId: ActorId, id: ObjectId): string {
  return `${PREFIX}${id} of ${actorId}`;
}
