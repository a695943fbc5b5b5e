/**
 * The part of Ray's microbenchmarks that calls actors. Each workload makes its own, and kills them when another one begins.
 * @module
 */
import { type ActorHandle, kill, ready } from "mobula";
import * as work from "./work.ts";
import type { Workload, Workloads } from "./workload.ts";

/** Who submits, where several do. */
export const DRIVERS = 4;

/** A workload that needs actors: made before its first run, killed at its end. */
export function withActors<T extends readonly ActorHandle<unknown>[]>(
  multiplier: number,
  make: () => T,
  run: (actors: T) => Promise<void>,
): Workload {
  let actors: T | null = null;
  return {
    multiplier,
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

/** `count` of what `make` gives. */
export function times<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make);
}

type ActorClass = typeof work.Actor | typeof work.AsyncActor;
type ClientHandle = ReturnType<typeof work.Client.remote>;

/** `actors`: how many serve where many do; Ray's suite takes half of the processors. */
export function actorWorkloads(actors: number): Workloads {
  const sync = (multiplier: number, run: (actor: ReturnType<typeof work.Actor.remote>) => Promise<void>) =>
    withActors(multiplier, () => [work.Actor.remote()] as const, ([only]) => run(only));
  return {
    "1:1 actor calls sync": sync(1, (only) => work.getAll([only.small_value.remote()])),
    "1:1 actor calls async": sync(1_000, (only) => work.batch(1_000, () => only.small_value.remote())),
    "1:1 actor calls concurrent": withActors(
      1_000,
      () => [work.Actor.options({ maxConcurrency: 16 }).remote()] as const,
      ([only]) => work.batch(1_000, () => only.small_value.remote()),
    ),
    "1:n actor calls async": oneClient(work.Actor, actors),
    "n:n actor calls async": manyCallers(work.Actor, actors),
    "n:n actor calls with arg async": withClients(1_000 * actors, () => {
      const servers = times(actors, () => work.Actor.remote());
      return [servers.map((server) => work.Client.remote([server])), servers];
    }, (clients) => work.getAll(clients.map((client) => client.small_value_batch_arg.remote(1_000)))),
  };
}

/** The same on actors whose methods are asynchronous. */
export function asyncActorWorkloads(actors: number): Workloads {
  const asynchronous = (
    multiplier: number,
    run: (actor: ReturnType<typeof work.AsyncActor.remote>) => Promise<void>,
  ) => withActors(multiplier, () => [work.AsyncActor.remote()] as const, ([only]) => run(only));
  return {
    "1:1 async-actor calls sync": asynchronous(1, (only) => work.getAll([only.small_value.remote()])),
    "1:1 async-actor calls async": asynchronous(
      1_000,
      (only) => work.batch(1_000, () => only.small_value.remote()),
    ),
    "1:1 async-actor calls with args async": asynchronous(
      1_000,
      (only) => work.batch(1_000, (index) => only.small_value_with_arg.remote(index)),
    ),
    "1:n async-actor calls async": oneClient(work.AsyncActor, actors),
    "n:n async-actor calls async": manyCallers(work.AsyncActor, actors),
  };
}

/** One actor calls all of the others, 5,000 times each. */
function oneClient(kind: ActorClass, actors: number): Workload {
  return withClients(5_000 * actors, () => {
    const servers = times(actors, () => kind.remote());
    return [[work.Client.remote(servers as work.Servers)], servers];
  }, (clients) => work.getAll(clients.map((client) => client.small_value_batch.remote(5_000))));
}

/** Tasks that call all actors in turn. */
function manyCallers(kind: ActorClass, actors: number): Workload {
  return withActors(
    DRIVERS * 5_000,
    () => times(actors, () => kind.remote()),
    (servers) => work.batch(DRIVERS, () => work.work.remote(servers as work.Servers, 5_000)),
  );
}

/** Actors that call other actors; `make` gives the clients and then who serves them. */
function withClients(
  multiplier: number,
  make: () => [clients: ClientHandle[], servers: ActorHandle<unknown>[]],
  run: (clients: readonly ClientHandle[]) => Promise<void>,
): Workload {
  let clients: ClientHandle[] = [];
  return withActors(multiplier, () => {
    const [made, servers] = make();
    clients = made;
    return [...made, ...servers];
  }, () => run(clients));
}
