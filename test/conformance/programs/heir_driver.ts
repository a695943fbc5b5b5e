/**
 * A driver of a running cluster (MOBULA_ADDRESS, MOBULA_TOKEN) that hands refs of large results, made at the node that has `far`,
 * to the detached actor "keeper" at the node of its first argument. Prints a line when all are stored, and then ends cleanly, or
 * with "stay" never.
 */
import { cancel, get, getActor, init, type ObjectRef, ready, remote, shutdown, wait } from "mobula";
import type { TallyHandle } from "../../support/actors.ts";

const [nodeId = "", how = "", runtime = "bun"] = process.argv.slice(2);
await init({ namespace: "heirs", runtimeEnv: { runtime: runtime as "bun" } });

const BYTES = 400_000;
const FAR = { resources: { far: 0.01 } };

const Keeper = remote(
  class Keeper {
    #refs: Record<string, ObjectRef<unknown>> = {};
    take(refs: Record<string, ObjectRef<unknown>>): void {
      this.letGo();
      this.#refs = refs;
    }
    /** Length and first byte of one of them, the value where it is small, or what it rejects with. */
    async look(name: string): Promise<unknown> {
      const { get } = await import("mobula");
      try {
        const value = await get(this.#refs[name]!, { timeoutMs: 30_000 });
        return value instanceof Uint8Array ? [value.length, value[0]] : value;
      } catch (error) {
        return [(error as { code?: string }).code ?? (error as Error).name, (error as Error).message];
      }
    }
    async throughTask(name: string): Promise<unknown> {
      const { get, remote } = await import("mobula");
      const firstOf = remote((data: Uint8Array) => data[0]!, { resources: { far: 0.01 } });
      return await get(firstOf.remote(this.#refs[name] as ObjectRef<Uint8Array>), { timeoutMs: 30_000 });
    }
    letGo(): void {
      for (const ref of Object.values(this.#refs)) ref.release();
      this.#refs = {};
    }
  },
  { numCpus: 0 },
);

const make = remote(async (tally: TallyHandle, what: string) => {
  const { get } = await import("mobula");
  const count = await get(tally.add.remote(what));
  return new Uint8Array(BYTES).fill(count);
}, FAR);
const next = remote(async (tally: TallyHandle, data: Uint8Array) => {
  const { get } = await import("mobula");
  await get(tally.add.remote("next"));
  return new Uint8Array(data.length).fill(data[0]! + 100);
}, FAR);
const items = remote(async function* (tally: TallyHandle) {
  const { get } = await import("mobula");
  await get(tally.add.remote("items"));
  for (let index = 0; index < 3; index++) yield new Uint8Array(BYTES).fill(index);
}, FAR);
/** Small when it is run again. */
const shrinks = remote(async (tally: TallyHandle): Promise<unknown> => {
  const { get } = await import("mobula");
  const count = await get(tally.add.remote("shrinks"));
  return count > 100 ? "small" : new Uint8Array(BYTES);
}, FAR);

const tally = await getActor("runs", { namespace: "heirs" }) as unknown as TallyHandle;
const keeper = Keeper.options({ name: "keeper", lifetime: "detached", schedulingStrategy: { nodeId } })
  .remote();
await ready(keeper);

const source = make.remote(tally, "source");
const chain = next.remote(tally, source);
const once = make.options({ maxRetries: 0 }).remote(tally, "once");
const early = make.remote(tally, "early");
const shrunk = shrinks.remote(tally);
const cancelled = make.remote(tally, "cancelled");
// This one's ref leaves before there is a result.
const taken = keeper.take.remote({ early, chain, once, shrunk, cancelled });
const stream: ObjectRef<Uint8Array>[] = [];
for await (const ref of items.remote(tally)) stream.push(ref);
await wait([chain, once, early, shrunk, cancelled], { numReturns: 5, fetchLocal: false });
await get(taken);
await cancel(cancelled);
await get(
  keeper.take.remote({ early, chain, once, shrunk, cancelled, item1: stream[1]!, item2: stream[2]! }),
);
source.release();
stream[0]!.release();
console.log("stored");
if (how === "stay") await new Promise(() => setInterval(() => {}, 1_000));
await shutdown();
