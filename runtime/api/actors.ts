/**
 * The verbs on actors: kill, ready, getActor.
 * @module
 */
import { checkKnownOptions } from "../common/options.ts";
import type { ActorHandle } from "../common/public_types.ts";
import { requireCoreWorker } from "../io/core_worker/current.ts";
import { workerState } from "../io/core_worker/worker_state.ts";
import { durableActorOf } from "../io/core_worker/durable_actor.ts";
import { keepAlive } from "./keep_alive.ts";

/**
 * End an actor now: running calls fail, no hook runs, its name is free when this resolves. With `noRestart: false` it uses
 * one restart instead.
 */
// deno-lint-ignore no-explicit-any -- handles of any type
export async function kill(handle: ActorHandle<any>, options: { noRestart?: boolean } = {}): Promise<void> {
  checkKnownOptions(options, ["noRestart"]);
  const { noRestart = true } = options;
  if (typeof noRestart !== "boolean") {
    throw new TypeError(`Option noRestart must be a boolean, is ${typeof noRestart}`);
  }
  await keepAlive(requireCoreWorker().actors.kill(handle, noRestart));
}

/** What exitActor() throws. */
class ActorExit extends Error {
  override readonly name = "ActorExit";
}

/**
 * End the actor whose method calls this, after the calls that run; it is not restarted. Nothing behind it is run; to catch what
 * it throws does not help. This call, those that wait, and all later ones fail with ActorDiedError.
 * @throws {TypeError} outside of an actor.
 */
export function exitActor(): never {
  const state = workerState();
  if (state === null || (state.actor ?? state.context.current?.actor ?? null) === null) {
    throw new TypeError("exitActor() can be used inside an actor only");
  }
  throw new ActorExit(
    state.leave()
      ? "this actor ends: exitActor() was called"
      : "exitActor() was called by the constructor: the actor could not be created",
  );
}

/**
 * In a method of an actor with `[saveState]()`: its state is saved when this call has ended, before its caller has the answer;
 * a save that fails fails the call. With `checkpointEvery` it happens by itself, too.
 * @throws {TypeError} outside of a call of such an actor; {RangeError} when its calls may run at the same time.
 */
export function checkpoint(): void {
  const state = workerState();
  const context = state?.context.current ?? null;
  const durable = context === null ? null : durableActorOf(context);
  if (durable !== null) return durable.request();
  const spec = (context?.actor ?? state?.actor)?.spec;
  if (spec !== undefined && (spec.maxConcurrency > 1 || spec.concurrencyGroups !== undefined)) {
    throw new RangeError("checkpoint() needs an actor with one call at a time (maxConcurrency 1, no groups)");
  }
  throw new TypeError(
    "checkpoint() can be used in calls of an actor with [saveState] and [restoreState] only",
  );
}

/** Resolves when the actor's constructor has run, rejects as it did. */
// deno-lint-ignore no-explicit-any -- handles of any type
export async function ready(handle: ActorHandle<any>): Promise<void> {
  await keepAlive(requireCoreWorker().actors.ready(handle));
}

/**
 * The live actor of this name.
 * @throws {TypeError | RangeError} for a name that is no text or empty.
 * @throws {MobulaError} when there is no such actor.
 */
export async function getActor<T>(
  name: string,
  options: { namespace?: string } = {},
): Promise<ActorHandle<T>> {
  checkName("name", name);
  checkKnownOptions(options, ["namespace"]);
  if (options.namespace !== undefined) checkName("namespace", options.namespace);
  return await keepAlive(requireCoreWorker().actors.get(name, options.namespace)) as unknown as ActorHandle<
    T
  >;
}

function checkName(what: string, value: unknown): void {
  if (typeof value !== "string") throw new TypeError(`${what} must be a string, is ${typeof value}`);
  if (value.trim() === "") throw new RangeError(`${what} must not be empty`);
}
