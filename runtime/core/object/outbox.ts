/**
 * Reference changes on their way to other homes: one batch a home at a time, in order, the next one gathered meanwhile.
 * It knows which holds have been counted at their homes.
 *
 *     gathered --(no batch under way)--> under way --(delivered, or home dead)--> gone
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { NodeId } from "../../common/ids.ts";
import type { NodeChange, ReferencesEffect } from "./references_types.ts";

interface Home {
  /** The batch under way; null: none. */
  batchId: number | null;
  /** Numbers of the changes under way. */
  sent: number[];
  gathered: { readonly change: NodeChange; readonly number: number }[];
}

interface Flush {
  readonly flushId: string;
  /** Changes up to this number. */
  readonly upTo: number;
}

export class Outbox {
  readonly #homes = new Map<NodeId, Home>();
  #batches = 0;
  #changes = 0;
  /** Numbers of changes that are not delivered, in order; `hold` tells the op. */
  readonly #undelivered = new Map<number, "hold" | "drop">();
  readonly #undeliveredHolds = new Set<number>();
  #lastHold: number | null = null;
  #flushes: Flush[] = [];

  /** The number of the latest hold that is not counted at its home, or null: drops may go at once. */
  get lastUndeliveredHold(): number | null {
    return this.#undeliveredHolds.size === 0 ? null : this.#lastHold;
  }

  add(home: NodeId, change: NodeChange): void {
    const number = ++this.#changes;
    let state = this.#homes.get(home);
    if (state === undefined) {
      state = { batchId: null, sent: [], gathered: [] };
      this.#homes.set(home, state);
    }
    state.gathered.push({ change, number });
    this.#undelivered.set(number, change.op);
    if (change.op === "hold") {
      this.#undeliveredHolds.add(number);
      this.#lastHold = number;
    }
  }

  /** Whether every hold up to this number has been counted. */
  deliveredUpTo(number: number): boolean {
    const first = this.#undeliveredHolds.values().next().value;
    return first === undefined || first > number;
  }

  /** Answered when all changes so far are delivered. */
  flush(flushId: string): void {
    this.#flushes.push({ flushId, upTo: this.#changes });
  }

  /** A batch arrived. Unknown ones are ignored: its home died meanwhile. */
  delivered(batchId: number): void {
    for (const state of this.#homes.values()) {
      if (state.batchId !== batchId) continue;
      this.#settle(state.sent);
      state.sent = [];
      state.batchId = null;
    }
  }

  /** Nothing can be counted at a dead home, so nothing waits for it. */
  homeDied(home: NodeId): void {
    const state = this.#homes.get(home);
    if (state === undefined) return;
    this.#settle(state.sent);
    this.#settle(state.gathered.map(({ number }) => number));
    this.#homes.delete(home);
  }

  /** Appends what is to be sent now, and flushes that are complete. */
  collect(effects: ReferencesEffect[]): void {
    for (const [home, state] of this.#homes) {
      if (state.batchId !== null) continue;
      if (state.gathered.length === 0) {
        this.#homes.delete(home);
        continue;
      }
      state.batchId = ++this.#batches;
      state.sent = state.gathered.map(({ number }) => number);
      const changes = state.gathered.map(({ change }) => change);
      state.gathered = [];
      effects.push({ type: "send", batchId: state.batchId, home, changes });
    }
    const oldest = this.#undelivered.keys().next().value ?? Infinity;
    this.#flushes = this.#flushes.filter(({ flushId, upTo }) => {
      if (oldest <= upTo) return true;
      effects.push({ type: "flushed", flushId });
      return false;
    });
  }

  #settle(numbers: readonly number[]): void {
    for (const number of numbers) {
      this.#undelivered.delete(number);
      this.#undeliveredHolds.delete(number);
    }
  }

  check(): void {
    let count = 0;
    for (const state of this.#homes.values()) {
      assert(state.batchId !== null || state.sent.length === 0, "only a batch has changes under way");
      assert(
        state.batchId !== null || state.gathered.length === 0,
        "gathered changes go when the way is free",
      );
      count += state.sent.length + state.gathered.length;
    }
    assert(count === this.#undelivered.size, "undelivered changes are under way or gathered");
  }
}
