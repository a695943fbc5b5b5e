/**
 * Puts into memory that was not used before, beside copies into memory that is touched for the first time: the kernel has to
 * find, clear and map each page, which takes several times as long as the copy itself.
 * @module
 */
import { type ObjectRef, put, release } from "mobula";
import { randomWords } from "./work.ts";

/** Of one value. */
export const COLD_BYTES: number = 80 * 1024 * 1024;
/** As Ray counts: 1,000 MiB. */
const RAY_GIGABYTE = 1_000 * 1024 * 1024;

/** Gigabytes of 1,000 MiB a second, one figure a round; rounds alternate between the two. */
export interface ColdPuts {
  readonly puts: readonly number[];
  readonly copies: readonly number[];
}

/** `rounds` values of COLD_BYTES, and as many copies, are held at once, so that none reuses the memory of another. */
export async function coldPuts(rounds: number): Promise<ColdPuts> {
  const words = randomWords(COLD_BYTES);
  const held: ObjectRef<BigInt64Array>[] = [];
  const puts: number[] = [];
  const copies: number[] = [];
  const copied: BigInt64Array[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      copies.push(await rateOf(async () => void copied.push(words.slice())));
      puts.push(await rateOf(async () => void held.push(await put(words))));
    }
  } finally {
    for (const ref of held) release(ref);
  }
  return { puts, copies };
}

async function rateOf(act: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await act();
  return COLD_BYTES / RAY_GIGABYTE / ((performance.now() - startMs) / 1_000);
}
