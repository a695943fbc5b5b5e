/**
 * The tasks and actors of Ray's microbenchmarks, as a user would write them. Names and shapes are those of Ray's own
 * (reference: ray_perf.py of Ray 2.58), whose functions return a small byte string.
 * @module
 */
import {
  type ActorHandle,
  get,
  type ObjectRef,
  put,
  release,
  remote,
  type RemoteClass,
  type RemoteFunction,
} from "mobula";

/** What Ray's functions return: b"ok". */
const SMALL: Uint8Array = new Uint8Array([111, 107]);

export const smallValue: RemoteFunction<() => Uint8Array> = remote((): Uint8Array => SMALL, {
  name: "small_value",
});

/** Wait for all, then let go of them, as Python does when its list of refs ends. */
export async function getAll(refs: readonly ObjectRef<unknown>[]): Promise<void> {
  await get(refs);
  for (const ref of refs) release(ref);
}

/** `count` times `call`, and all results. */
export async function batch(count: number, call: (index: number) => ObjectRef<unknown>): Promise<void> {
  await getAll(Array.from({ length: count }, (_, index) => call(index)));
}

class ActorClass {
  small_value(): Uint8Array {
    return SMALL;
  }
  small_value_arg(_value: unknown): Uint8Array {
    return SMALL;
  }
}

class AsyncActorClass {
  async small_value(): Promise<Uint8Array> {
    return await Promise.resolve(SMALL);
  }
  async small_value_with_arg(_value: unknown): Promise<Uint8Array> {
    return await Promise.resolve(SMALL);
  }
}

/** Ray's actors hold no CPU while they live. */
export const Actor: RemoteClass<typeof ActorClass> = remote(ActorClass, { numCpus: 0 });
/** Ray's async actors run up to 1,000 calls at once. */
export const AsyncActor: RemoteClass<typeof AsyncActorClass> = remote(AsyncActorClass, {
  numCpus: 0,
  maxConcurrency: 1_000,
});

/** Who serves the calls of another actor or task. */
export type Servers = readonly ActorHandle<ActorClass>[] | readonly ActorHandle<AsyncActorClass>[];

class ClientClass {
  readonly #servers: readonly ActorHandle<ActorClass>[];
  constructor(servers: Servers) {
    this.#servers = servers as readonly ActorHandle<ActorClass>[];
  }
  async small_value_batch(count: number): Promise<void> {
    for (const server of this.#servers) await batch(count, () => server.small_value.remote());
  }
  async small_value_batch_arg(count: number): Promise<void> {
    const ref = await put(0);
    for (const server of this.#servers) await batch(count, () => server.small_value_arg.remote(ref));
    release(ref);
  }
}

class SubmitterClass {
  async small_value_batch(count: number): Promise<void> {
    await batch(count, () => smallValue.remote());
  }
}

export const Client: RemoteClass<typeof ClientClass> = remote(ClientClass, { numCpus: 0 });
export const Submitter: RemoteClass<typeof SubmitterClass> = remote(SubmitterClass, { numCpus: 0 });

/** Calls to all actors in turn. */
export const work: RemoteFunction<(actors: Servers, count: number) => Promise<void>> = remote(
  async (actors: Servers, count: number): Promise<void> => {
    const servers = actors as readonly ActorHandle<ActorClass>[];
    await batch(count, (index) => servers[index % servers.length]!.small_value.remote());
  },
  { name: "work" },
);

export const putSmall: RemoteFunction<() => Promise<void>> = remote(async (): Promise<void> => {
  for (let index = 0; index < 100; index++) release(await put(0));
}, { name: "do_put_small" });

/** Words of random bytes, each page of them touched. xorshift32, four bytes a step, seeded with the length. */
export function randomWords(bytes: number): BigInt64Array {
  const words = new BigInt64Array(bytes / 8);
  const halves = new Int32Array(words.buffer);
  let state = bytes | 1;
  for (let index = 0; index < halves.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    halves[index] = state;
  }
  return words;
}

/** This worker's value, made once. */
const made: { large: BigInt64Array | null } = { large: null };

/** Ten values of 80 MiB, of random bytes. */
export const putLarge: RemoteFunction<() => Promise<void>> = remote(async (): Promise<void> => {
  made.large ??= randomWords(80 * 1024 * 1024);
  for (let index = 0; index < 10; index++) release(await put(made.large));
}, { name: "do_put" });

/** 10,000 refs in one value. */
export const manyRefs: RemoteFunction<() => Promise<ObjectRef<number>[]>> = remote(
  async (): Promise<ObjectRef<number>[]> => {
    return await Promise.all(Array.from({ length: 10_000 }, () => put(1)));
  },
  { name: "create_object_containing_refs" },
);
