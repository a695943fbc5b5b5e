/**
 * Ray's 23 microbenchmarks as workloads by Ray's names (ray_perf.py of Ray 2.58), by the public API. Large values are random
 * bytes, each of their pages touched: Ray puts the kernel's zero page, which no real value is.
 * @module
 */
import { get, kill, type ObjectRef, placementGroup, put, release, removePlacementGroup, wait } from "mobula";
import { actorWorkloads, asyncActorWorkloads, DRIVERS, times, withActors } from "./actor_suite.ts";
import * as work from "./work.ts";
import type { Workload, Workloads } from "./workload.ts";

/** Ray's gigabytes are 1,000 MiB; its large value has 0.8 of one. */
const LARGE_BYTES = 800 * 1024 * 1024;
/** The next value takes memory of its own while the last one is let go; then both are warm. */
const WARM_PUTS = 3;

/** What the cluster has. */
export interface SuiteOptions {
  /** Processors; half of them serve where many actors do, as in Ray's suite. */
  readonly cpus: number;
  /** What a bundle of the placement groups asks for: next to nothing of something that nobody else wants. */
  readonly bundle: Readonly<Record<string, number>>;
}

/** All 23, and starts of actors; in no order (names.ts has it). */
export function microbenchmarks({ cpus, bundle }: SuiteOptions): Workloads {
  const actors = Math.max(1, Math.floor(cpus / 2));
  return {
    ...smallObjects(),
    ...largeObjects(),
    ...taskWorkloads(),
    ...actorWorkloads(actors),
    ...asyncActorWorkloads(actors),
    "placement group create/removal": placementGroups(bundle),
    "20 actors created and called": {
      multiplier: 20,
      run: () => startActors(20),
    },
  };
}

function smallObjects(): Workloads {
  let small: ObjectRef<number>;
  let refs: ObjectRef<ObjectRef<number>[]>;
  return {
    "single client get calls (Plasma Store)": {
      multiplier: 1,
      open: async () => {
        small = await put(0);
      },
      run: async () => {
        await get(small);
      },
      close: async () => await Promise.resolve(release(small)),
    },
    "single client put calls (Plasma Store)": { multiplier: 1, run: async () => release(await put(0)) },
    "multi client put calls (Plasma Store)": {
      multiplier: 1_000,
      run: () => work.batch(10, () => work.putSmall.remote()),
    },
    "single client get object containing 10k refs": {
      multiplier: 1,
      open: async () => {
        refs = work.manyRefs.remote();
        await wait([refs]);
      },
      run: async () => {
        for (const ref of await get(refs)) release(ref);
      },
      close: async () => await Promise.resolve(release(refs)),
    },
  };
}

function largeObjects(): Workloads {
  let large: BigInt64Array | null = null;
  return {
    "single client put gigabytes": {
      multiplier: 8 * 0.1,
      open: async () => {
        large = work.randomWords(LARGE_BYTES);
        // Into memory that the store has used before: cold memory has a row of its own (cold_puts.ts).
        for (let time = 0; time < WARM_PUTS; time++) release(await put(large));
      },
      run: async () => release(await put(large!)),
      close: async () => {
        large = await Promise.resolve(null);
      },
    },
    "multi client put gigabytes": {
      multiplier: 10 * 8 * 0.1,
      run: () => work.batch(10, () => work.putLarge.remote()),
    },
  };
}

function taskWorkloads(): Workloads {
  const thousand = (): Promise<void> => work.batch(1_000, () => work.smallValue.remote());
  return {
    "single client tasks and get batch": { multiplier: 1, run: thousand },
    "single client wait 1k refs": {
      multiplier: 1,
      run: async () => {
        let left = times(1_000, () => work.smallValue.remote());
        while (left.length > 0) {
          const [done, remaining] = await wait(left);
          left = remaining;
          for (const ref of done) release(ref);
        }
      },
    },
    "single client tasks sync": { multiplier: 1, run: () => work.getAll([work.smallValue.remote()]) },
    "single client tasks async": { multiplier: 1_000, run: thousand },
    "multi client tasks async": withActors(
      DRIVERS * 10_000,
      () => times(DRIVERS, () => work.Submitter.remote()),
      (actors) => work.getAll(actors.map((actor) => actor.small_value_batch.remote(10_000))),
    ),
  };
}

function placementGroups(bundle: Readonly<Record<string, number>>): Workload {
  return {
    multiplier: 100,
    run: async () => {
      const made = await Promise.all(times(100, () => placementGroup([{ ...bundle }])));
      await Promise.all(made.map((group) => group.wait(30_000)));
      await Promise.all(made.map((group) => removePlacementGroup(group)));
    },
  };
}

async function startActors(count: number): Promise<void> {
  const actors = times(count, () => work.Actor.remote());
  await work.getAll(actors.map((actor) => actor.small_value.remote()));
  await Promise.all(actors.map((actor) => kill(actor)));
}
