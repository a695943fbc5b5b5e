/**
 * An idle worker allocates nothing, so its garbage is never collected, and refs and handles that its tasks forgot would
 * keep objects and actors alive for as long as it idles. It collects once after work that changed what it holds.
 * @module
 */
import { collectGarbage } from "#platform";
import { setInterval } from "node:timers"; // The global ones give plain numbers on Deno.
import type { CoreContext } from "./core_context.ts";
import type { Executor } from "./executor.ts";

/** How often it looks; a collection takes about 10 ms in a process without much data. */
const LOOK_MS = 1_000;

/** To the end of the process. An actor is left alone: it may hold much, and be called again at any moment. */
export function collectWhenIdle({ link }: CoreContext, executor: Executor): void {
  let collected = 0;
  setInterval(() => {
    if (!executor.isIdle || executor.actor !== null || link.referencesChanged === collected) return;
    // What the collection lets go is a change too: the next look may find more of the chain.
    collected = link.referencesChanged;
    collectGarbage();
  }, LOOK_MS).unref();
}
