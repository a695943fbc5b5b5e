/** Agents and workers of all three runtimes in one cluster: they run tasks and actors for each other. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { get, type HandleOf, listObjects, type ObjectRef, release, remote } from "mobula";
import type { LocalCluster } from "../../runtime/process/local_cluster.ts";
import { endAttached, startAttached } from "../support/attach.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { type Runtime, RUNTIMES } from "../support/run_program.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
let cluster: LocalCluster | undefined;
const nodeIds: Record<string, string> = {};

beforeAll(async () => {
  cluster = await startAttached({ numCpus: 2, runtime: "bun", headRuntime: "node" });
  nodeIds.bun = cluster.agents[0]!.ready.nodeId;
  for (const runtime of ["deno", "node"] as const) {
    nodeIds[runtime] =
      (await cluster.addAgent({ numCpus: 2, runtime, objectStoreBytes: 64 << 20 })).ready.nodeId;
  }
});
afterAll(async () => {
  await endAttached(cluster);
  await leftovers.check();
});

const on = (runtime: Runtime) => ({ schedulingStrategy: { nodeId: nodeIds[runtime]! } });

const Store = remote(
  class Store {
    items = new Map<string, unknown>();
    put(key: string, value: unknown): string {
      this.items.set(key, value);
      return "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
    }
    get(key: string): unknown {
      return this.items.get(key);
    }
    fail(message: string): never {
      throw new RangeError(message);
    }
  },
);

/** What takes its own path through the serializer, and one that travels out of band and between nodes. */
const sample = remote((bytes: number) => ({
  big: Uint8Array.from({ length: bytes }, (_, i) => i % 251),
  map: new Map<unknown, unknown>([["a", 1n], [2, new Date(0)]]),
  set: new Set(["ä", -0, NaN]),
  nested: [{ floats: new Float64Array([0.5, -1]) }],
  error: new TypeError("kept", { cause: "why" }),
  pattern: /x+/giu,
}));
type Sample = { big: Uint8Array; map: Map<unknown, unknown>; error: Error };

/** Takes the sample from another node, looks into it, and hands it to an actor on a third one. */
const pass = remote(async (value: Sample, store: HandleOf<typeof Store>, key: string) => {
  const { get, runtimeContext } = await import("mobula");
  let sum = 0;
  for (const byte of value.big) sum += byte;
  const runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
  const storedBy = await get(store.put.remote(key, value));
  return {
    runtime,
    nodeId: runtimeContext().nodeId,
    storedBy,
    sum,
    one: value.map.get("a"),
    said: value.error.message,
  };
});

const BYTES = 300_000;
const SUM = Array.from({ length: BYTES }, (_, i) => i % 251).reduce((a, b) => a + b, 0);

describe("each runtime", () => {
  for (const from of RUNTIMES) {
    const via = RUNTIMES[(RUNTIMES.indexOf(from) + 1) % 3]!;
    const to = RUNTIMES[(RUNTIMES.indexOf(from) + 2) % 3]!;
    test(`a value made on ${from} is read on ${via} and kept by an actor on ${to}`, async () => {
      const store = Store.options(on(to)).remote();
      const value = sample.options(on(from)).remote(BYTES);
      const seen = pass.options(on(via)).remote(value as unknown as ObjectRef<Sample>, store, "key");
      expect(await get(seen)).toEqual({
        runtime: via,
        nodeId: nodeIds[via]!,
        storedBy: to,
        sum: SUM,
        one: 1n,
        said: "kept",
      });
      const kept = await get(store.get.remote("key")) as Sample & { error: Error };
      expect(kept).toEqual(await get(value) as typeof kept);
      expect(kept.error.cause).toBe("why");
      expect(kept.big.byteLength).toBe(BYTES);
      const error = await rejection(get(store.fail.remote("mine")));
      expect(error).toBeInstanceOf(RangeError);
      expect(error.message).toContain("mine");
      release(value);
      release(store);
    });
  }

  test("tasks of one runtime submit to the others, nested three deep", async () => {
    const nest = remote(async (self: unknown, nodes: string[]): Promise<string[]> => {
      const { get, runtimeContext } = await import("mobula");
      const mine = `${"Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node"}`;
      const [next, ...rest] = nodes;
      if (next === undefined) return [mine];
      // deno-lint-ignore no-explicit-any -- a remote function that takes itself
      const below = (self as any).options({ schedulingStrategy: { nodeId: next } }).remote(self, rest);
      const answer = await get<string[]>(below);
      return runtimeContext().taskName === "nest" ? [mine, ...answer] : [];
    });
    for (
      const order of [["bun", "deno", "node"], ["node", "bun", "deno"], ["deno", "node", "bun"]] as const
    ) {
      const [first, ...rest] = order;
      const result = nest.options(on(first)).remote(nest, rest.map((runtime) => nodeIds[runtime]!));
      expect(await get(result)).toEqual([...order]);
    }
  });

  test("objects end everywhere when the last ref goes", async () => {
    const make = remote(() => new Uint8Array(200_000));
    const read = remote((bytes: Uint8Array) => bytes.length);
    const refs = RUNTIMES.map((runtime) => make.options(on(runtime)).remote());
    const reads = refs.flatMap((ref) => RUNTIMES.map((runtime) => read.options(on(runtime)).remote(ref)));
    expect(new Set(await get(reads))).toEqual(new Set([200_000]));
    refs.forEach(release);
    await waitFor("no object is left", async () => {
      const left = await listObjects();
      return left.filter((row) => row.producer === "make").length === 0;
    });
  });
});
