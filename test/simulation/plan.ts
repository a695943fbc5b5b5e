/**
 * The work that a simulated cluster gets: trees of tasks with arguments, sizes and shapes, drawn from the seed.
 * @module
 */
import type { NodeId } from "../../runtime/common/ids.ts";
import type { Prng } from "../../runtime/common/prng.ts";
import { toUnits } from "../../runtime/common/resources.ts";
import type { SchedulingShape } from "../../runtime/core/worker/task_submitter_types.ts";

/** One task and what it does when it runs. */
export interface TaskPlan {
  readonly durationMs: number;
  /** Size of its result in the store; 0 for one that travels in the reply. */
  readonly outputBytes: number;
  /** Submitted and waited for while it runs. */
  readonly children: readonly TaskPlan[];
  /** Results of earlier tasks of the same submitter, by position. */
  readonly args: readonly number[];
  readonly shape: SchedulingShape;
  readonly retries: number;
  /** Its result contains the refs of its stored arguments. */
  readonly borrows: boolean;
}

const PLAIN = { hash: "" };

/** `nodes`: what affinity may name. */
export function drawTasks(prng: Prng, count: number, depth: number, nodes: readonly NodeId[]): TaskPlan[] {
  const plans: TaskPlan[] = [];
  for (let index = 0; index < count; index++) {
    const args = index > 0 && prng.chance(30) ? [prng.below(index)] : [];
    if (index > 1 && args.length === 1 && prng.chance(30)) args.push(index - 1);
    const nested = depth < 2 && prng.chance(depth === 0 ? 20 : 10);
    plans.push({
      durationMs: prng.chance(80) ? prng.between(1, 60) : prng.between(100, 2_000),
      outputBytes: prng.chance(50) ? prng.pick([200_000, 5_000_000, 80_000_000]) : 0,
      children: nested ? drawTasks(prng, prng.between(1, 3), depth + 1, nodes) : [],
      args: [...new Set(args)],
      shape: drawShape(prng, nodes),
      retries: prng.pick([0, 1, 3, 3, 3]),
      borrows: prng.chance(25),
    });
  }
  return plans;
}

/** Shapes that every node of the simulation can hold; affinity is soft, since hard ones fail with their node. */
function drawShape(prng: Prng, nodes: readonly NodeId[]): SchedulingShape {
  const cpu = prng.pick([0.5, 1, 1, 1, 1, 2]);
  const kind = prng.below(10);
  const nodeId = prng.pick(nodes);
  const strategy: SchedulingShape["strategy"] = kind === 0
    ? { type: "spread" }
    : kind === 1
    ? { type: "nodeAffinity", nodeId, soft: true }
    : { type: "hybrid" };
  const resources = toUnits({ CPU: cpu });
  return { key: JSON.stringify([resources, strategy]), resources, strategy, runtimeEnv: PLAIN };
}
