/**
 * Random numbers that a seed gives again: the same sequence on every runtime.
 * @module
 */

/** Numbers from 0 to below 1 (mulberry32 by Tommy Ettinger). Several seeds together make one. */
export function seededRandom(...seeds: readonly number[]): () => number {
  let state = 0;
  for (const seed of seeds) state = Math.imul(state ^ seed, 0x9e3779b1) ^ state >>> 15;
  return () => {
    state = state + 0x6d2b79f5 | 0;
    let bits = Math.imul(state ^ state >>> 15, state | 1);
    bits ^= bits + Math.imul(bits ^ bits >>> 7, bits | 61);
    return ((bits ^ bits >>> 14) >>> 0) / 2 ** 32;
  };
}

/** One of the normal distribution with mean 0 and deviation 1 (Box and Muller). */
export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** An index, each as likely as its share says; the shares' sum is 1. */
export function pick(shares: Float32Array, random: () => number): number {
  let left = random();
  for (let i = 0; i < shares.length - 1; i++) {
    left -= shares[i]!;
    if (left < 0) return i;
  }
  return shares.length - 1;
}
