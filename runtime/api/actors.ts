/**
 * The verbs on actors: kill, ready, getActor.
 * @module
 */
import { checkKnownOptions } from "../common/options.ts";
import type { ActorHandle } from "../common/public_types.ts";
import { requireCoreWorker } from "../io/core_worker/current.ts";
import { workerState } from "../io/core_worker/worker_state.ts";
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
