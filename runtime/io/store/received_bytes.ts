/**
 * How much this node's store has received from each peer, and from its own disk, since it was opened: for people. A transfer
 * costs an addition per chunk.
 * @module
 */
import type { NodeId } from "../../common/ids.ts";

/** What came from one node; from this one itself: from its disk. */
export interface Received {
  /** Bytes that arrived, those of transfers that broke off included. */
  bytes: number;
  /** Transfers that were finished. */
  transfers: number;
}

/** See the module's header. Bounded by the cluster's nodes. */
export class ReceivedBytes {
  readonly #nodes = new Map<NodeId, Received>();

  /** The sums of one node, to add to. */
  from(node: NodeId): Received {
    let received = this.#nodes.get(node);
    if (received === undefined) this.#nodes.set(node, received = { bytes: 0, transfers: 0 });
    return received;
  }

  all(): Iterable<[NodeId, Readonly<Received>]> {
    return this.#nodes;
  }
}
