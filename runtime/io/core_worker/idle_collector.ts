/**
 * An idle worker allocates nothing, so its garbage is never collected, and refs and handles that its tasks forgot would
 * keep objects and actors alive for as long as it idles. It collects after work that changed what it holds, and a few times
 * more while it still owns or borrows something, or maps objects: V8 may find what a task left behind only in a later collection.
 * @module
 */
import { collectGarbage, mappingsAlive } from "#platform";
import { setInterval } from "node:timers"; // The global ones give plain numbers on Deno.
import type { CoreContext } from "./core_context.ts";

/** How often it looks; a collection takes about 10 ms in a process without much data. */
const LOOK_MS = 1_000;
/** Collections after the first that follow the same work. */
const REPEATS_MAX = 4;

/** To the end of the process. `worker`: an actor is never idle here: it may hold much, and be called again at any moment. */
export function collectWhenIdle({ link }: CoreContext, worker: { readonly isIdle: boolean }): void {
  let collected = 0;
  let mapped = 0;
  let repeats = REPEATS_MAX;
  setInterval(() => {
    if (!worker.isIdle) return;
    const alive = mappingsAlive();
    // What the collection lets go is a change too: the next look may find more of the chain.
    if (link.referencesChanged !== collected || alive > mapped) repeats = 0;
    else if (repeats >= REPEATS_MAX || link.owned + link.borrowed + alive === 0) return;
    else repeats++;
    collected = link.referencesChanged;
    mapped = alive;
    collectGarbage();
  }, LOOK_MS).unref();
}
