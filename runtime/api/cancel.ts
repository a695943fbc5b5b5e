/**
 * cancel(): end a task or an actor's call.
 * @module
 */
import { checkCancelOptions } from "../common/options.ts";
import type { CancelOptions, ObjectRef, ObjectRefStream } from "../common/public_types.ts";
import { currentCoreWorker, requireCoreWorker } from "../io/core_worker/current.ts";
import { entryOf } from "../io/core_worker/object_ref.ts";
import { isStream, streamOf } from "../io/core_worker/object_ref_stream.ts";
import { keepAlive } from "./keep_alive.ts";

/**
 * Cancel the task or call that makes a ref, and what that has submitted. One that has not begun never runs; its refs, and what
 * depends on them, fail with TaskCancelledError. One that runs is told: `runtimeContext().signal` is aborted; a task that then
 * throws the signal's reason is cancelled too, one that returns all the same delivers its value; an actor's call fails
 * whatever it returns. Code that never yields hears of it only when it does: `force` ends the worker with it. It is never
 * retried. A generator ends at its next yield, and its stream with a TaskCancelledError. A ref that is ready, or that was put, stays as it is. Resolves when the owner of the ref knows; await the ref to
 * learn how it ended. The ref may come from another process.
 * @throws {RangeError} for `force` or `graceMs` with an actor's call: kill(handle) ends the actor.
 */
export async function cancel(
  // deno-lint-ignore no-explicit-any -- refs of any type
  ref: ObjectRef<any> | ObjectRefStream<any>,
  options: CancelOptions = {},
): Promise<void> {
  const core = currentCoreWorker();
  // A stream's end is what its call makes itself.
  const entry = isStream(ref)
    ? streamOf(ref, core).ended
    : entryOf(ref, "cancel()'s argument", core?.objects ?? null);
  checkCancelOptions(options);
  const { force = false, recursive = true, graceMs = null } = options;
  // With graceMs force comes then, not at once.
  const request = { force: force && graceMs === null, recursive, graceMs };
  await keepAlive(requireCoreWorker().cancels.cancel(entry, request));
}
