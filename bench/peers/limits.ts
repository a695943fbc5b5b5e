/**
 * The machine's own limits as competitors: what no system on it can pass. Each workload has one of them beside it, its
 * yardstick; the ratio to it is what the baseline file keeps, because it says the same on a faster machine.
 * @module
 */
import { COPIES } from "../microbenchmarks/names.ts";
import type { Slice } from "../microbenchmarks/workload.ts";
import type { RawPeer } from "../raw.ts";
import type { Competitor } from "./compare.ts";
import { COPY_GIGABYTES, COPY_WORKLOAD } from "./copies.ts";
import type { Peer } from "./peer.ts";

const ROUND_TRIP = "unix-socket round trip";
const ECHO = "unix-socket echo, 1,000 in flight";
const COPY = "memory copy on bun";
const IN_FLIGHT = 1_000;
const ONE_BY_ONE: ReadonlySet<string> = new Set([
  "single client get calls (Plasma Store)",
  "single client put calls (Plasma Store)",
  "single client tasks sync",
  "1:1 actor calls sync",
  "1:1 async-actor calls sync",
]);

/** The limit that a workload is measured by. */
export function yardstickOf(workload: string): string {
  if (COPIES.has(workload)) return COPY;
  return ONE_BY_ONE.has(workload) ? ROUND_TRIP : ECHO;
}

/** Both limits of small messages; `workloads`: the names of all. */
export function messageLimits(raw: RawPeer, workloads: readonly string[]): Competitor[] {
  const beside = (name: string): ReadonlySet<string> =>
    new Set(workloads.filter((workload) => yardstickOf(workload) === name));
  const echo = raw.echo(IN_FLIGHT);
  return [
    {
      name: ROUND_TRIP,
      workloads: beside(ROUND_TRIP),
      countsOperations: true,
      slice: (_, ms) => timed(ms, (lap) => raw.roundTrip.slice(100, lap), 100),
    },
    {
      name: ECHO,
      workloads: beside(ECHO),
      countsOperations: true,
      slice: (_, ms) => timed(ms, () => echo.slice(IN_FLIGHT, () => undefined), IN_FLIGHT),
    },
  ];
}

/** Copying gigabytes in the very process of a peer on the runtime. */
export function memoryCopy(peer: Peer, runtime: string): Competitor {
  return {
    name: `memory copy on ${runtime}`,
    workloads: COPIES,
    countsOperations: true,
    slice: async (_, ms) => {
      const slice = await peer.slice(COPY_WORKLOAD, ms);
      return { ...slice, count: slice.count * COPY_GIGABYTES };
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
