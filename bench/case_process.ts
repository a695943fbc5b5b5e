/**
 * One measurement in a process of its own, so that its cluster is fresh and its memory is honest.
 * @module
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type TreeMemory, treeMemory } from "./process_tree.ts";

/** What one run of a case gave. */
export interface CaseOutcome<F> {
  /** What the case printed as its last line; null when it failed. */
  readonly figures: F | null;
  /** Of it and all that it started, at its highest. */
  readonly memory: TreeMemory;
  /** Why there are no figures. */
  readonly missing: string | null;
}

export interface CaseLimits {
  /** Killed after this. */
  readonly timeoutMs: number;
  /** How often its memory is looked at; absent: never. */
  readonly sampleMs?: number;
}

/** Run `program` (a module's URL) with these arguments. It prints one line of JSON. */
export async function runCase<F>(
  program: URL,
  args: readonly string[],
  limits: CaseLimits,
): Promise<CaseOutcome<F>> {
  const child = spawn(process.execPath, [fileURLToPath(program), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: limits.timeoutMs,
    killSignal: "SIGKILL",
  });
  let memory: TreeMemory = { total: 0, root: 0 };
  const sampler = limits.sampleMs === undefined ? null : setInterval(() => {
    const now = treeMemory(child.pid!);
    if (now.total > memory.total) memory = now;
  }, limits.sampleMs);
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk: Uint8Array) => output += String(chunk));
  child.stderr.on("data", (chunk: Uint8Array) => errors += String(chunk));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  if (sampler !== null) clearInterval(sampler);
  if (code === 0) return { figures: JSON.parse(output) as F, memory, missing: null };
  const said = errors.split("\n").find((line) => line.includes("Error")) ?? "";
  return { figures: null, memory, missing: `ended with code ${code} ${said}`.trim() };
}
