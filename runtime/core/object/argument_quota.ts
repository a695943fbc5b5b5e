/**
 * How much of a node's memory the arguments of its tasks may hold at a time: the rest is for what the tasks make. Else the
 * arguments of tasks that wait for a CPU would keep those that run from storing their results (as in Ray, which has the same
 * share). Part of the pull manager.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { ObjectId } from "../../common/ids.ts";

/** Objects and their sizes. */
export type Sizes = ReadonlyMap<ObjectId, number>;

export class ArgumentQuota {
  readonly #quota: number;
  /** What each lease holds. */
  readonly #held = new Map<string, readonly ObjectId[]>();
  /** All and only held objects; several leases may hold one, which takes its memory once. */
  readonly #objects = new Map<ObjectId, { readonly bytes: number; holders: number }>();
  #bytes = 0;

  constructor(quota: number) {
    this.#quota = quota;
  }

  /** Whether any arguments are held. */
  get isUsed(): boolean {
    return this.#held.size > 0;
  }

  /** Whether these may be held as well; one lease always may, however much it needs. */
  fits(sizes: Sizes): boolean {
    if (this.#held.size === 0) return true;
    let bytes = this.#bytes;
    for (const [id, size] of sizes) if (!this.#objects.has(id)) bytes += size;
    return bytes <= this.#quota;
  }

  take(key: string, sizes: Sizes): void {
    assert(!this.#held.has(key), `${key} holds no arguments yet`);
    this.#held.set(key, [...sizes.keys()]);
    for (const [id, bytes] of sizes) {
      const known = this.#objects.get(id);
      if (known !== undefined) known.holders++;
      else {
        this.#objects.set(id, { bytes, holders: 1 });
        this.#bytes += bytes;
      }
    }
  }

  /** Keys that hold nothing are ignored. */
  release(key: string): void {
    for (const id of this.#held.get(key) ?? []) {
      const object = this.#objects.get(id)!;
      if (--object.holders > 0) continue;
      this.#objects.delete(id);
      this.#bytes -= object.bytes;
    }
    this.#held.delete(key);
  }

  check(): void {
    let bytes = 0;
    let holds = 0;
    for (const object of this.#objects.values()) {
      bytes += object.bytes;
      holds += object.holders;
    }
    assert(bytes === this.#bytes, "bytes of held arguments add up");
    for (const ids of this.#held.values()) holds -= ids.length;
    assert(holds === 0, "held arguments know their holders");
  }
}
