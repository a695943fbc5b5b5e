/**
 * mobula as a peer: Ray's 23 microbenchmarks under Ray's names, by the public API, driver and workers on the runtime that
 * runs this file. The full system is on: recording, dashboard, token.
 *
 *   mobula_peer.ts [--plain]      --plain: without recording and dashboard
 * @module
 */
import { cpus } from "node:os";
import process from "node:process";
import {
  type ActorHandle,
  get,
  init,
  kill,
  type ObjectRef,
  placementGroup,
  put,
  ready,
  release,
  removePlacementGroup,
  shutdown,
  wait,
} from "mobula";
import * as work from "./mobula_work.ts";
import { serveWorkloads, type Workload, type Workloads } from "./workload.ts";

const STORE_BYTES = 4 * 1024 ** 3;
const CPUS = cpus().length;
/** As Ray's suite: half of the processors. */
const ACTORS = Math.max(1, Math.floor(CPUS / 2));
const DRIVERS = 4;

/** A workload that needs actors: made before its first run, killed at its end. */
function withActors<T extends readonly ActorHandle<unknown>[]>(
  make: () => T,
  run: (actors: T) => Promise<void>,
): Workload {
  let actors: T | null = null;
  return {
    open: async () => {
      actors = make();
      await Promise.all(actors.map((actor) => ready(actor)));
    },
    run: () => run(actors!),
    close: async () => {
      await Promise.all(actors!.map((actor) => kill(actor)));
    },
  };
}

const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

async function one(ref: ObjectRef<unknown>): Promise<void> {
  await get(ref);
  release(ref);
}

function objectWorkloads(): Workloads {
  let small: ObjectRef<number>;
  let refs: ObjectRef<ObjectRef<number>[]>;
  let large: BigInt64Array;
  return {
    "single client get calls (Plasma Store)": {
      open: async () => {
        small = await put(0);
      },
      run: async () => {
        await get(small);
      },
    },
    "single client put calls (Plasma Store)": { run: async () => release(await put(0)) },
    "multi client put calls (Plasma Store)": {
      run: () => work.batch(10, () => work.putSmall.remote()),
    },
    "single client put gigabytes": {
      open: async () => {
        large = new BigInt64Array(100 * 1024 * 1024).fill(0x0123456789abcdefn);
        await Promise.resolve();
      },
      run: async () => release(await put(large)),
      close: async () => {
        large = new BigInt64Array(0);
        await Promise.resolve();
      },
    },
    "multi client put gigabytes": {
      run: () => work.batch(10, () => work.putLarge.remote()),
    },
    "single client get object containing 10k refs": {
      open: async () => {
        refs = work.manyRefs.remote();
        await wait([refs]);
      },
      run: async () => {
        for (const ref of await get(refs)) release(ref);
      },
      close: async () => {
        release(refs);
        await Promise.resolve();
      },
    },
  };
}

function taskWorkloads(): Workloads {
  const thousand = (): Promise<void> => work.batch(1_000, () => work.smallValue.remote());
  return {
    "single client tasks and get batch": { run: thousand },
    "single client wait 1k refs": {
      run: async () => {
        let left = times(1_000, () => work.smallValue.remote());
        while (left.length > 0) {
          const [done, remaining] = await wait(left);
          left = remaining;
          for (const ref of done) release(ref);
        }
      },
    },
    "single client tasks sync": { run: () => one(work.smallValue.remote()) },
    "single client tasks async": { run: thousand },
    "multi client tasks async": withActors(
      () => times(DRIVERS, () => work.Submitter.remote()),
      (actors) => work.getAll(actors.map((actor) => actor.small_value_batch.remote(10_000))),
    ),
  };
}

function actorWorkloads(): Workloads {
  const actor = (run: (actor: ReturnType<typeof work.Actor.remote>) => Promise<void>) =>
    withActors(() => [work.Actor.remote()] as const, ([only]) => run(only));
  return {
    "1:1 actor calls sync": actor((only) => one(only.small_value.remote())),
    "1:1 actor calls async": actor((only) => work.batch(1_000, () => only.small_value.remote())),
    "1:1 actor calls concurrent": withActors(
      () => [work.Actor.options({ maxConcurrency: 16 }).remote()] as const,
      ([only]) => work.batch(1_000, () => only.small_value.remote()),
    ),
    "1:n actor calls async": withClients(() => {
      const servers = times(ACTORS, () => work.Actor.remote());
      return [[work.Client.remote(servers)], servers];
    }, (clients) => work.getAll(clients.map((client) => client.small_value_batch.remote(5_000)))),
    "n:n actor calls async": withActors(
      () => times(ACTORS, () => work.Actor.remote()),
      (actors) => work.batch(DRIVERS, () => work.work.remote(actors, 5_000)),
    ),
    "n:n actor calls with arg async": withClients(() => {
      const servers = times(ACTORS, () => work.Actor.remote());
      return [servers.map((server) => work.Client.remote([server])), servers];
    }, (clients) => work.getAll(clients.map((client) => client.small_value_batch_arg.remote(1_000)))),
  };
}

function asyncActorWorkloads(): Workloads {
  type Only = ReturnType<typeof work.AsyncActor.remote>;
  const actor = (run: (actor: Only) => Promise<void>) =>
    withActors(() => [work.AsyncActor.remote()] as const, ([only]) => run(only));
  return {
    "1:1 async-actor calls sync": actor((only) => one(only.small_value.remote())),
    "1:1 async-actor calls async": actor((only) => work.batch(1_000, () => only.small_value.remote())),
    "1:1 async-actor calls with args async": actor(
      (only) => work.batch(1_000, (index) => only.small_value_with_arg.remote(index)),
    ),
    "1:n async-actor calls async": withClients(() => {
      const servers = times(ACTORS, () => work.AsyncActor.remote());
      return [[work.Client.remote(servers)], servers];
    }, (clients) => work.getAll(clients.map((client) => client.small_value_batch.remote(5_000)))),
    "n:n async-actor calls async": withActors(
      () => times(ACTORS, () => work.AsyncActor.remote()),
      (actors) => work.batch(DRIVERS, () => work.work.remote(actors, 5_000)),
    ),
  };
}

type ClientHandle = ReturnType<typeof work.Client.remote>;

/** Actors that call other actors; `make` gives the clients and then who serves them. */
function withClients(
  make: () => [clients: ClientHandle[], servers: ActorHandle<unknown>[]],
  run: (clients: readonly ClientHandle[]) => Promise<void>,
): Workload {
  let clients: ClientHandle[] = [];
  return withActors(() => {
    const [made, servers] = make();
    clients = made;
    return [...made, ...servers];
  }, () => run(clients));
}

const groups: Workloads = {
  "placement group create/removal": {
    run: async () => {
      const made = await Promise.all(times(100, () => placementGroup([{ custom: 0.001 }])));
      await Promise.all(made.map((group) => group.wait(30_000)));
      await Promise.all(made.map((group) => removePlacementGroup(group)));
    },
  },
};

const starts: Workloads = {
  "20 actors created and called": {
    run: async () => {
      const actors = times(20, () => work.Actor.remote());
      await work.getAll(actors.map((actor) => actor.small_value.remote()));
      await Promise.all(actors.map((actor) => kill(actor)));
    },
  },
};

const isPlain = process.argv.includes("--plain");
if (isPlain) process.env["MOBULA_RECORD_TASKS"] = "0";
const beganMs = performance.now();
await init({
  numCpus: CPUS,
  resources: { custom: 100 },
  objectStoreBytes: STORE_BYTES,
  dashboard: !isPlain,
  logToDriver: false,
});
await one(work.smallValue.remote());
const firstResultMs = performance.now() - beganMs;
await serveWorkloads(
  {
    ...starts,
    ...objectWorkloads(),
    ...taskWorkloads(),
    ...actorWorkloads(),
    ...asyncActorWorkloads(),
    ...groups,
  },
  shutdown,
  { firstResultMs },
);
process.exit(0);
