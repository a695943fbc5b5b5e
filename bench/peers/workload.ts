/**
 * A peer of the comparison: a process that does named pieces of work when it is asked to, and says how long they took. Whoever
 * can speak JSON lines can be one (ray_peer.py is).
 *
 *   -> {"run": NAME, "ms": N}    do NAME again and again for at least N ms (at least once)
 *   <- {"ready": [NAME, ...], "firstResultMs": N}    once, when it can begin
 *   <- {"count": N, "ms": N, "laps": [us, ...]}   or {"error": TEXT}
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { takeSlice, type Workload, type Workloads } from "../microbenchmarks/workload.ts";

/** Be a peer with these workloads until stdin ends; then `end`. `facts`: what else is told of it. */
export async function serveWorkloads(
  workloads: Workloads,
  end: () => Promise<void>,
  facts: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const say = (message: unknown): boolean => process.stdout.write(`${JSON.stringify(message)}\n`);
  say({ ready: Object.keys(workloads), ...facts });
  let open: Workload | null = null;
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      const { run, ms } = JSON.parse(line) as { run: string; ms: number };
      const workload = workloads[run];
      if (workload === undefined) throw new Error(`there is no workload ${run}`);
      if (open !== workload) {
        await open?.close?.();
        open = workload;
        await workload.open?.();
      }
      say(await takeSlice(workload, ms));
    } catch (error) {
      say({ error: String((error as Error).stack ?? error) });
    }
  }
  await open?.close?.();
  await end();
}
