/**
 * A seeded pseudo-random generator (sfc32) of 32-bit integer arithmetic only, so that one seed gives one sequence on
 * every JavaScript engine. For decisions and simulations; never for tokens, ids or anything secret.
 * @module
 */

/** One stream of numbers. Equal seeds give equal streams. */
export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #counter: number = 1;

  /** `seed`: any integer; its low 32 bits count. */
  constructor(seed: number) {
    this.#a = 0x9e3779b9;
    this.#b = 0x243f6a88;
    this.#c = seed | 0;
    // The first outputs of close seeds resemble each other; fifteen rounds mix the state (as PractRand's author advises).
    for (let round = 0; round < 15; round++) this.uint32();
  }

  /** The next number: 0 to 2^32 - 1. */
  uint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** An integer from 0 to `limit` - 1; `limit` is 1 to 2^32. The bias is below limit / 2^32. */
  below(limit: number): number {
    return Math.floor((this.uint32() / 4294967296) * limit);
  }

  /** An integer from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True in `percent` of 100 cases. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  /** One of the items; there must be one. */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError("cannot pick from nothing");
    return items[this.below(items.length)]!;
  }

  /** A generator of its own, seeded from this one: what one part draws does not shift what another part sees. */
  fork(): Prng {
    return new Prng(this.uint32());
  }
}
