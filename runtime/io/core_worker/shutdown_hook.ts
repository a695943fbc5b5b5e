/**
 * The method that an actor may have for its end (common/actor_hooks.ts).
 * @module
 */
import { onShutdown } from "../../common/actor_hooks.ts";
import type { HostedActor } from "./work_item.ts";

/** Resolves when it has run, if there is one. What it throws is written to the worker's log and changes nothing. */
export async function runShutdownHook({ instance, className }: HostedActor): Promise<void> {
  try {
    const hook: unknown = (instance as { [onShutdown]?: unknown })[onShutdown];
    if (typeof hook === "function") await hook.call(instance);
  } catch (error) {
    console.error(`mobula warning: the shutdown hook of ${className} failed:`, error);
  }
}
