/**
 * The machine's own limits as competitors: what no system on it can pass.
 * @module
 */
import { RawPeer } from "../raw.ts";
import type { Competitor } from "./compare.ts";
import type { Slice } from "../microbenchmarks/workload.ts";

/** Ray's gigabytes are 1,000 MiB. */
const PUT_BYTES = 800 * 1024 * 1024;

/** A unix-socket round trip beside calls one at a time. */
export function roundTrip(raw: RawPeer): Competitor {
  const workloads = new Set([
    "single client tasks sync",
    "1:1 actor calls sync",
    "1:1 async-actor calls sync",
  ]);
  return {
    name: "unix-socket round trip",
    workloads,
    slice: (_, ms) => timed(ms, (lap) => raw.roundTrip.slice(100, lap), 100),
  };
}

/** Copying the gigabytes into memory that is warm, and into memory that is touched for the first time. */
export function memoryCopy(isWarm: boolean): Competitor {
  const workloads = new Set(["single client put gigabytes", "multi client put gigabytes"]);
  let source: BigInt64Array | null = null;
  let target: BigInt64Array | null = null;
  const name = isWarm ? "memory copy, warm" : "memory copy, first touch";
  return {
    name,
    workloads,
    slice: (run, ms) => {
      source ??= new BigInt64Array(PUT_BYTES / 8).fill(0x0123456789abcdefn);
      // What one run of the workload moves.
      const copies = run === "multi client put gigabytes" ? 10 : 1;
      return timed(ms, (lap) => {
        for (let copy = 0; copy < copies; copy++) {
          target = isWarm && target !== null ? target : new BigInt64Array(source!.length);
          target.set(source!);
        }
        lap();
        return Promise.resolve();
      }, 1);
    },
  };
}

async function timed(
  ms: number,
  run: (lap: () => void) => Promise<void>,
  operations: number,
): Promise<Slice> {
  const laps: number[] = [];
  const startMs = performance.now();
  let count = 0;
  let lastMs = startMs;
  const lap = (): void => {
    const nowMs = performance.now();
    laps.push((nowMs - lastMs) * 1_000);
    lastMs = nowMs;
  };
  do {
    await run(lap);
    count += operations;
  } while (performance.now() - startMs < ms);
  return { count, ms: performance.now() - startMs, laps };
}
