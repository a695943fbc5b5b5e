/**
 * How fast transfers from each peer have been lately.
 * @module
 */
import type { NodeId } from "../../common/ids.ts";

/** Shorter transfers measure latency, not bandwidth. */
const MEASURED_BYTES_MIN = 1024 * 1024;
/** Weight of the newest measurement. */
const WEIGHT = 0.3;

export class Bandwidth {
  /** Bytes per second. Bounded by the cluster's nodes. */
  readonly #rates = new Map<NodeId, number>();

  add(node: NodeId, bytes: number, ms: number): void {
    if (bytes < MEASURED_BYTES_MIN) return;
    const rate = bytes / Math.max(ms, 1) * 1000;
    const before = this.#rates.get(node);
    this.#rates.set(node, before === undefined ? rate : before + WEIGHT * (rate - before));
  }

  perNode(): Record<NodeId, number> {
    return Object.fromEntries(this.#rates) as Record<NodeId, number>;
  }
}
