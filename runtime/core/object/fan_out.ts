/**
 * Whom a holder of a large object sends it to, and whom it refers to those: a broadcast then costs the holder FAN_OUT copies
 * and not one for each node. All holders go by the same rule, also those that are still receiving, so that askers find
 * their places in a tree by walking down from the node that they know.
 *
 * Decided ask by ask, with nothing to keep in step: a tree is only what is being sent right now. It owns the count of
 * streams, and does not know whether a node that it names can send anything: who is refused there comes back and insists.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { NodeId, ObjectId } from "../../common/ids.ts";

/**
 * Nodes that one object is sent to at once by a node that may refer others. With one, a slow node would be in the way of
 * all after it; with more, each gets less of this node's link.
 */
export const FAN_OUT: number = 2;
/** Smaller objects are sent before a further asker has found its way. */
export const RELAYED_BYTES_MIN: number = 8 * 1024 * 1024;

/** A node that an object is being sent to. */
interface Receiver {
  /** Streams to it: a broken one may not be over yet when the next begins. */
  streams: number;
  /** How often others were referred to it first. */
  referrals: number;
}

export class FanOut {
  /** All and only receivers with a stream; bounded by open streams. */
  readonly #receivers: Map<ObjectId, Map<NodeId, Receiver>> = new Map();
  readonly #width: number;

  /** `width`: nodes that one object is sent to at once. */
  constructor(width: number = FAN_OUT) {
    this.#width = width;
  }

  /**
   * `from` asks for an object, or a part of it. Null: send it, and say `ended` once it is over in any way; else who should be
   * asked instead, the best first. `insists`: it takes no referral.
   */
  ask(id: ObjectId, from: NodeId, insists: boolean): NodeId[] | null {
    let receivers = this.#receivers.get(id);
    const known = receivers?.get(from);
    if (known !== undefined) {
      known.streams++;
      return null;
    }
    if (!insists && receivers !== undefined && receivers.size >= this.#width) return refer(receivers);
    if (receivers === undefined) this.#receivers.set(id, receivers = new Map());
    receivers.set(from, { streams: 1, referrals: 0 });
    return null;
  }

  ended(id: ObjectId, from: NodeId): void {
    const receivers = this.#receivers.get(id)!;
    const receiver = receivers.get(from)!;
    if (--receiver.streams > 0) return;
    receivers.delete(from);
    if (receivers.size === 0) this.#receivers.delete(id);
  }

  /** Objects that are being sent to somebody. */
  get sending(): number {
    return this.#receivers.size;
  }

  check(): void {
    for (const [id, receivers] of this.#receivers) {
      assert(receivers.size > 0, `${id} is being sent to somebody`);
      for (const [node, { streams }] of receivers) assert(streams > 0, `${id} is being sent to ${node}`);
    }
  }
}

/** In turn, so that the tree grows evenly. */
function refer(receivers: ReadonlyMap<NodeId, Receiver>): NodeId[] {
  const sorted = [...receivers].sort(([, one], [, other]) => one.referrals - other.referrals);
  sorted[0]![1].referrals++;
  return sorted.slice(0, FAN_OUT).map(([node]) => node);
}
