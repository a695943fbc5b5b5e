/**
 * The work that a simulated cluster gets: trees of tasks with arguments, sizes and shapes, drawn from the seed.
 * @module
 */
import type { NodeId } from "../../runtime/common/ids.ts";
import type { Prng } from "../../runtime/common/prng.ts";
import { type ResourceSet, toUnits } from "../../runtime/common/resources.ts";
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

/** Fits every store as an argument, and takes its time to be sent. */
const BROADCAST_BYTES = 120_000_000;
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
      shape: drawShape(prng, nodes, depth),
      retries: prng.pick([0, 1, 3, 3, 3]),
      borrows: prng.chance(25),
    });
  }
  return plans;
}

/**
 * A large object that every node wants at once. `first`: the position of the task that makes it, among its submitter's; the
 * readers follow.
 */
export function broadcastTasks(first: number, nodes: readonly NodeId[]): TaskPlan[] {
  const common = { durationMs: 10, children: [], retries: 3, borrows: false } as const;
  const maker = shapeOf(toUnits({ CPU: 1 }), { type: "hybrid" });
  const readers = nodes.map((nodeId): TaskPlan => {
    const shape = shapeOf(toUnits({ CPU: 0.5 }), { type: "nodeAffinity", nodeId, soft: true });
    return { ...common, outputBytes: 0, args: [first], shape };
  });
  return [{ ...common, outputBytes: BROADCAST_BYTES, args: [], shape: maker }, ...readers];
}

function shapeOf(
  resources: ResourceSet,
  strategy: SchedulingShape["strategy"],
  labelSelector?: Readonly<Record<string, string>>,
): SchedulingShape {
  const key = JSON.stringify([resources, strategy, ...labelSelector === undefined ? [] : [labelSelector]]);
  const shape = { key, resources, strategy, runtimeEnv: PLAIN };
  return labelSelector === undefined ? shape : { ...shape, labelSelector };
}

/** Shapes that the cluster can hold: what is scarce is on the first node at least, which is never lost for good. */
function drawShape(prng: Prng, nodes: readonly NodeId[], depth: number): SchedulingShape {
  const cpu = prng.pick([0.5, 1, 1, 1, 1, 2]);
  // A blocked task lends its CPU only: children that need what their ancestors keep would wait for ever.
  const kind = prng.below(depth === 0 ? 16 : 10);
  if (kind === 10) return shapeOf(toUnits({ CPU: 1, GPU: prng.pick([0.5, 1, 2]) }), { type: "hybrid" });
  if (kind === 11) return shapeOf(toUnits({ slot: 1 }), { type: "hybrid" });
  if (kind === 12) return shapeOf(toUnits({ CPU: 1 }), { type: "hybrid" }, { zone: "a" });
  if (kind === 13) {
    return shapeOf(toUnits({ CPU: 1 }), { type: "nodeAffinity", nodeId: prng.pick(nodes), soft: false });
  }
  const nodeId = prng.pick(nodes);
  const strategy: SchedulingShape["strategy"] = kind === 0
    ? { type: "spread" }
    : kind === 1
    ? { type: "nodeAffinity", nodeId, soft: true }
    : { type: "hybrid" };
  return shapeOf(toUnits({ CPU: cpu }), strategy);
}
