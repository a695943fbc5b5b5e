/**
 * Variables of a worker's process that make it start in less time. They are the runtime's settings, not the user's: a worker
 * takes them out of its environment, and what the user has set counts instead.
 * @module
 */
import type { RuntimeName } from "../common/task_spec.ts";

/**
 * JavaScriptCore compiles what has run some thirty times, which most of a start's code just does: a tenth of the processor
 * time of an actor's whole life goes into machine code that never runs again. Ten times later is soon enough for what runs
 * thousands of times a second.
 */
const BUN: Readonly<Record<string, string>> = {
  BUN_JSC_thresholdForJITAfterWarmUp: "5000",
  BUN_JSC_thresholdForJITSoon: "5000",
};

/** For a worker's environment, below everything else that is in it. */
export function startVariables(runtime: RuntimeName): Readonly<Record<string, string>> {
  return runtime === "bun" ? BUN : {};
}

/** In the worker: user code sees the environment that it was given. */
export function dropStartVariables(runtime: RuntimeName, env: NodeJS.ProcessEnv): void {
  for (const [name, value] of Object.entries(startVariables(runtime))) {
    if (env[name] === value) delete env[name];
  }
}
