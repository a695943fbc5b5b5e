/**
 * Objects whose last copy was lost, and which of them were made again: exact counts, and the newest one by one.
 * @module
 */
import type { LossDto } from "../../../dashboard/api/entities.ts";

/** Losses that are remembered one by one. */
const LOSSES_MAX = 1_000;
const REASON_LENGTH_MAX = 300;

/** See the module's header. */
export class ObjectLosses {
  lost = 0;
  rebuilt = 0;
  /** By object, the newest last. */
  readonly #losses = new Map<string, LossDto>();

  add(atMs: number, objectId: string, producer: string, reason: string): void {
    this.lost++;
    this.#losses.delete(objectId);
    this.#losses.set(objectId, {
      atMs,
      objectId,
      producer,
      reason: reason.slice(0, REASON_LENGTH_MAX),
      isRebuilt: false,
    });
    if (this.#losses.size > LOSSES_MAX) this.#losses.delete(this.#losses.keys().next().value!);
  }

  /** The object has a copy again. Of others nothing is to be noted. */
  stored(objectId: string): void {
    const loss = this.#losses.get(objectId);
    if (loss === undefined || loss.isRebuilt) return;
    this.rebuilt++;
    this.#losses.set(objectId, { ...loss, isRebuilt: true });
  }

  of(objectId: string): LossDto | null {
    return this.#losses.get(objectId) ?? null;
  }

  /** The newest first. */
  newest(limit: number): LossDto[] {
    return [...this.#losses.values()].slice(-limit).reverse();
  }
}
