/**
 * The verbs on actors: kill, ready, getActor.
 * @module
 */
import { checkKnownOptions } from "../common/options.ts";
import type { ActorHandle } from "../common/public_types.ts";
import { requireCoreWorker } from "../io/core_worker/current.ts";
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
