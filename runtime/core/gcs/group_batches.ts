/**
 * Messages about many placement groups at once, within the GCS: requests of one process that came as one message and are
 * answered as one, and a step's orders to one node, which leave as one. The manager itself knows single groups only.
 *
 *   open --one is decided--> answered (at the end of that step, with all that it decided)
 *
 * What has no answer by then is not waited for any more: whoever asked asks again for it. So a message is answered as soon
 * as there is something to say, and a thousand groups that become whole together are one answer.
 * @module
 */
import type { NodeId } from "../../common/ids.ts";
import type { BundleOrder, GroupOutcome } from "../../protocol/group_messages.ts";

/** Bundles of one message's orders, but for one order with more: it stays well below what a frame holds. */
const BUNDLES_PER_MESSAGE = 2_000;

interface Batch {
  readonly requestId: string;
  /** By place in the message; null while it is not decided. */
  readonly outcomes: (GroupOutcome | null)[];
}

export interface AnsweredBatch extends Batch {
  /** Names of the requests without an answer. */
  readonly undecided: readonly string[];
}

/** See the module's header. */
export class GroupBatches {
  /** By the message's request; all and only messages without an answer. */
  readonly #open: Map<string, Batch> = new Map();
  /** Those of which this step has decided something. */
  readonly #decided: Set<Batch> = new Set();

  /** A message of so many requests; answers their names. */
  open(requestId: string, count: number): string[] {
    this.#open.set(requestId, { requestId, outcomes: Array.from({ length: count }, () => null) });
    return Array.from({ length: count }, (_, place) => nameOf(requestId, place));
  }

  /** Whether this is the answer to a part of a message, which then waits for the end of the step. */
  take(name: string, outcome: GroupOutcome): boolean {
    const slash = name.indexOf("/");
    if (slash < 0) return false;
    const batch = this.#open.get(name.slice(0, slash));
    // Late: the message has been answered.
    if (batch === undefined) return true;
    batch.outcomes[Number(name.slice(slash + 1))] = outcome;
    this.#decided.add(batch);
    return true;
  }

  /** The end of a step: messages that have an answer now. */
  answered(): AnsweredBatch[] {
    const answered = [...this.#decided].map((batch) => {
      this.#open.delete(batch.requestId);
      const undecided = batch.outcomes.flatMap((outcome, place) =>
        outcome === null ? [nameOf(batch.requestId, place)] : []
      );
      return { ...batch, undecided };
    });
    this.#decided.clear();
    return answered;
  }
}

/** A step's orders about bundles, by node, in order. */
export class OrderBatches {
  readonly #byNode: Map<NodeId, { readonly orders: BundleOrder[]; afterCommit: boolean }> = new Map();

  /** `afterCommit`: a restarted head must know of what is ordered. */
  add(nodeId: NodeId, order: BundleOrder, afterCommit: boolean): void {
    let own = this.#byNode.get(nodeId);
    if (own === undefined) this.#byNode.set(nodeId, own = { orders: [], afterCommit: false });
    own.orders.push(order);
    own.afterCommit ||= afterCommit;
  }

  /** All of them, which are none afterwards. */
  *take(): Generator<{ nodeId: NodeId; orders: BundleOrder[]; afterCommit: boolean }> {
    for (const [nodeId, { orders, afterCommit }] of this.#byNode) {
      let part: BundleOrder[] = [];
      let bundles = 0;
      for (const order of orders) {
        const own = sizeOf(order);
        if (part.length > 0 && bundles + own > BUNDLES_PER_MESSAGE) {
          yield { nodeId, orders: part, afterCommit };
          part = [];
          bundles = 0;
        }
        part.push(order);
        bundles += own;
      }
      yield { nodeId, orders: part, afterCommit };
    }
    this.#byNode.clear();
  }
}

/** In bundles; one that names none counts as one. */
function sizeOf(order: BundleOrder): number {
  if (order.type === "bundlesPrepare") return order.bundles.length;
  return order.type === "bundlesRelease" ? order.indices.length : 1;
}

function nameOf(requestId: string, place: number): string {
  return `${requestId}/${place}`;
}
