/**
 * What went from which node's store to which: sums by pair, kept from the agents' reports, which are absolute since their agent
 * began. A pair costs a few numbers; a report is O(1) per pair that changed.
 * @module
 */
import type { TransferReport } from "../../protocol/node_questions.ts";
import type { TransferDto } from "../../../dashboard/api/entities.ts";

/** Pairs that are kept; further ones are counted by their reports alone. */
const PAIRS_MAX = 20_000;
/** The rate is that of this many seconds, the present one included. */
const WINDOW_S = 4;

interface Pair {
  readonly from: string;
  readonly to: string;
  bytes: number;
  transfers: number;
  /** What the receiving agent has told of its own life: another agent begins anew. */
  told: { bytes: number; transfers: number };
  /** Bytes by second, modulo the window, and the second that each stands for. */
  readonly seconds: Float64Array;
  readonly bytesAt: Float64Array;
}

/** See the module's header. */
export class TransferTable {
  readonly #pairs = new Map<string, Pair>();
  /** Pairs of which nothing is kept, because there were too many. */
  dropped = 0;

  apply(to: string, received: readonly TransferReport[], nowMs: number): void {
    for (const { from, bytes, transfers } of received) {
      const pair = this.#pair(from, to);
      if (pair === null) continue;
      // Less than was told before: the agent began anew.
      const isNew = bytes < pair.told.bytes || transfers < pair.told.transfers;
      const more = bytes - (isNew ? 0 : pair.told.bytes);
      pair.bytes += more;
      pair.transfers += transfers - (isNew ? 0 : pair.told.transfers);
      pair.told = { bytes, transfers };
      const second = Math.floor(nowMs / 1000);
      const slot = second % WINDOW_S;
      if (pair.seconds[slot] !== second) {
        pair.seconds[slot] = second;
        pair.bytesAt[slot] = 0;
      }
      pair.bytesAt[slot]! += more;
    }
  }

  /** The node is gone: its pairs are forgotten with it once it is no longer shown. */
  forget(nodeId: string): void {
    for (const [key, { from, to }] of this.#pairs) {
      if (from === nodeId || to === nodeId) this.#pairs.delete(key);
    }
  }

  /** The busiest now first, then those with the most bytes. `of`: only pairs with this node. */
  rows(nowMs: number, of: string | null = null): TransferDto[] {
    const rows: TransferDto[] = [];
    for (const pair of this.#pairs.values()) {
      const { from, to, bytes, transfers } = pair;
      if (of !== null && from !== of && to !== of) continue;
      rows.push({ from, to, bytes, transfers, bytesPerSecond: rateOf(pair, nowMs) });
    }
    return rows.sort((a, b) => b.bytesPerSecond - a.bytesPerSecond || b.bytes - a.bytes);
  }

  #pair(from: string, to: string): Pair | null {
    const key = `${from} ${to}`;
    const known = this.#pairs.get(key);
    if (known !== undefined) return known;
    if (this.#pairs.size >= PAIRS_MAX) {
      this.dropped++;
      return null;
    }
    const pair: Pair = {
      from,
      to,
      bytes: 0,
      transfers: 0,
      told: { bytes: 0, transfers: 0 },
      seconds: new Float64Array(WINDOW_S),
      bytesAt: new Float64Array(WINDOW_S),
    };
    this.#pairs.set(key, pair);
    return pair;
  }
}

function rateOf({ seconds, bytesAt }: Pair, nowMs: number): number {
  const now = nowMs / 1000;
  const oldest = Math.floor(now) - WINDOW_S + 1;
  let bytes = 0;
  for (let slot = 0; slot < WINDOW_S; slot++) if (seconds[slot]! >= oldest) bytes += bytesAt[slot]!;
  return Math.round(bytes / (now - oldest));
}
