/**
 * What calls of an actor fail with when it is dead, in words.
 * @module
 */
import { setClassNames, userClassNames } from "../../common/error_matching.ts";
import { ActorDiedError, ActorUnavailableError, RuntimeEnvSetupError } from "../../common/errors.ts";
import type { DeathCause } from "../../common/task_spec.ts";
import type { HandleInfo } from "./handle_info.ts";
import { deadActorError } from "./worker_fates.ts";

export function describeActor({ className, actorId }: HandleInfo): string {
  return `Actor ${className} (${actorId})`;
}

export function diedError(info: HandleInfo, cause: DeathCause | null): Error {
  const message = `${describeActor(info)} is dead: ${cause?.message ?? "unknown cause"}`;
  const fields = {
    actorId: info.actorId,
    actorInitFailed: cause?.code === "CREATION_FAILED",
    preempted: cause?.code === "PREEMPTED",
  };
  return deadActorError(cause, message, fields);
}

/** Its incarnation ended under a call that may not be tried again. */
export function unavailableError(info: HandleInfo, method: string, cause: DeathCause | null): Error {
  return new ActorUnavailableError(
    `${describeActor(info)} was lost while ${method} was under way; the call may or may not have run` +
      (cause === null ? "" : `: ${cause.message}`),
    { actorId: info.actorId, preempted: cause?.code === "PREEMPTED" },
  );
}

/** Its constructor threw this: also an instance of the user's class. */
export function constructorError(info: HandleInfo, cause: unknown): Error {
  // It never came to a constructor.
  if (cause instanceof RuntimeEnvSetupError) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  const error = new ActorDiedError(`${describeActor(info)} could not be created: ${message}`, {
    actorId: info.actorId,
    actorInitFailed: true,
    cause: (cause as { cause?: unknown })?.cause ?? cause,
  });
  if (cause instanceof Error) setClassNames(error, userClassNames(cause));
  const { logLines } = (cause ?? {}) as { logLines?: unknown };
  // What the constructor printed.
  if (Array.isArray(logLines) && logLines.length > 0) {
    Object.defineProperty(error, "logLines", { value: logLines, enumerable: true });
  }
  return error;
}
