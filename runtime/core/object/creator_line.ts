/**
 * Who waits for room in the store, first come first served, and how long for. Part of the object table.
 * @module
 */
import { assert } from "../../common/assert.ts";
import { OBJECT_STORE_FULL_WAIT_MAX_MS } from "../../common/config.ts";
import type { ObjectId } from "../../common/ids.ts";
import type { Holder, TableEffect } from "./object_table_types.ts";

/** How often processes are asked to collect garbage while somebody waits for room. */
const COLLECTIONS_PER_GRACE = 4;

/** Creators that may wait at once; the next is refused. */
export const CREATORS_WAITING_MAX: number = 10_000;

export interface Waiting {
  readonly requestId: string;
  readonly holder: Holder;
  readonly id: ObjectId;
  readonly size: number;
  readonly inline: boolean;
  readonly sinceMs: number;
}

export class CreatorLine {
  /** How long a creator waits after the last progress. */
  readonly graceMs: number;
  /** In order of arrival. */
  readonly #waiting: Waiting[] = [];
  #freedMs = -Infinity;
  #collectedMs = -Infinity;
  #timerMs = Infinity;

  constructor(graceMs: number) {
    this.graceMs = graceMs;
  }

  get length(): number {
    return this.#waiting.length;
  }
  get first(): Waiting | undefined {
    return this.#waiting[0];
  }

  push(waiting: Waiting): void {
    this.#waiting.push(waiting);
  }
  shift(): void {
    this.#waiting.shift();
  }
  dropWhere(matches: (waiting: Waiting) => boolean): void {
    for (let index = this.#waiting.length - 1; index >= 0; index--) {
      if (matches(this.#waiting[index]!)) this.#waiting.splice(index, 1);
    }
  }

  /** There is more room than before. */
  freed(nowMs: number): void {
    this.#freedMs = nowMs;
  }
  timerFired(): void {
    this.#timerMs = Infinity;
  }

  deadlineMs({ sinceMs }: Waiting): number {
    return Math.min(
      Math.max(sinceMs, this.#freedMs) + this.graceMs,
      sinceMs + OBJECT_STORE_FULL_WAIT_MAX_MS,
    );
  }

  /** Somebody goes on waiting: processes collect garbage, and the timer is set. `retryMs`: when something else is due. */
  wait(nowMs: number, retryMs: number, effects: TableEffect[]): void {
    if (this.#waiting.length === 0) return;
    // A collection stops every process of the node for a moment, and one alone may leave some garbage behind.
    const collectEveryMs = this.graceMs / COLLECTIONS_PER_GRACE;
    if (nowMs - this.#collectedMs >= collectEveryMs) {
      this.#collectedMs = nowMs;
      effects.push({ type: "collectGarbage" });
    }
    // One that is overdue waits for what is under way, and looks again soon.
    const dueMs = Math.max(this.deadlineMs(this.#waiting[0]!), nowMs + 1);
    const atMs = Math.min(dueMs, this.#collectedMs + collectEveryMs, Math.max(retryMs, nowMs + 1));
    if (atMs >= this.#timerMs) return;
    this.#timerMs = atMs;
    effects.push({ type: "setTimer", atMs });
  }

  check(): void {
    assert(this.#waiting.length <= CREATORS_WAITING_MAX, "creators that wait are bounded");
    assert(this.#waiting.length === 0 || this.#timerMs < Infinity, "who waits has a timer");
  }
}
