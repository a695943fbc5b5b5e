/**
 * How much of a node's memory the arguments of its tasks may hold at a time: the rest is for what the tasks make. Else the
 * arguments of tasks that wait for a CPU would keep those that run from storing their results (as in Ray, which has the same
 * share).
 *
 * Arguments that are held may wait for what a task keeps while it waits for its children: a resource of the user's own. So
 * the children's arguments pass the share where nothing as deep as they are holds any: the deepest task can always go on.
 * Part of the pull manager.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { ObjectId } from "../../common/ids.ts";

/** Objects and their sizes. */
export type Sizes = ReadonlyMap<ObjectId, number>;

export class ArgumentQuota {
  readonly #quota: number;
  /** What each lease holds, and how deep its task is. */
  readonly #held = new Map<string, { readonly ids: readonly ObjectId[]; readonly depth: number }>();
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

  /** Whether these may be held as well; the first lease of a depth always may, however much it needs, if none is deeper. */
  fits(sizes: Sizes, depth: number): boolean {
    if (!this.#isHeldAt(depth)) return true;
    let bytes = this.#bytes;
    for (const [id, size] of sizes) if (!this.#objects.has(id)) bytes += size;
    return bytes <= this.#quota;
  }

  /** Whether a task of this depth, or a deeper one, holds any. */
  #isHeldAt(depth: number): boolean {
    for (const held of this.#held.values()) if (held.depth >= depth) return true;
    return false;
  }

  take(key: string, sizes: Sizes, depth: number): void {
    assert(!this.#held.has(key), `${key} holds no arguments yet`);
    this.#held.set(key, { ids: [...sizes.keys()], depth });
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
    for (const id of this.#held.get(key)?.ids ?? []) {
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
    for (const { ids } of this.#held.values()) holds -= ids.length;
    assert(holds === 0, "held arguments know their holders");
  }
}
