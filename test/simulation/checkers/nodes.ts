/**
 * A node is declared dead only for a reason: it died, left, or was out of reach. One that merely stood still, or whose head
 * did, for as long as is promised to be harmless, lives.
 * @module
 */
import type { NodeId } from "../../../runtime/common/ids.ts";
import type { NodeRecord } from "../../../runtime/core/gcs/node_manager.ts";
import type { SimWorld } from "../sim_world.ts";

/** Disturbances before this do not matter to a death. */
const MEMORY_MS = 25_000;

/**
 * fatal: the node may be declared dead for it. harmless: one of these alone may not cost a node its life; two together may
 * (an agent that stands still while its head is away).
 */
export type Severity = "fatal" | "harmless";

export interface Disturbance {
  readonly atMs: number;
  /** A node, or the head: then it concerns all. */
  readonly where: NodeId | "head";
  readonly severity: Severity;
  /** The incarnation that it concerns; null for whichever there is. */
  readonly epoch: number | null;
}

export function checkDeath(world: SimWorld, { facts, stateMessage }: NodeRecord): void {
  const { nodeId } = facts;
  world.fallen.add(nodeId);
  const now = world.loop.elapsedMs;
  const recent = world.disturbances.filter(({ atMs, where, epoch }) =>
    now - atMs < MEMORY_MS && (where === nodeId || where === "head") && (epoch ?? facts.epoch) === facts.epoch
  );
  if (recent.some(({ severity }) => severity === "fatal") || recent.length >= 2) return;
  world.fail(`${nodeId} is declared dead for nothing: ${stateMessage}`);
}
