/**
 * Resources of one node as tasks and actors meet them: GPU indices and the variable that says them, fractions, custom
 * resources and memory, what a waiting task lends, and that everything comes back.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { availableResources, get, kill, ready, release, remote, shutdown } from "mobula";
import { Signal, type SignalHandle } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { waitFor } from "../support/wait_for.ts";
import { startCases } from "./cases.ts";

const leftovers = watchLeftovers();
let inherited: string | undefined;

beforeAll(async () => {
  // This node's GPU 0 is the machine's fifth.
  inherited = process.env.CUDA_VISIBLE_DEVICES;
  process.env.CUDA_VISIBLE_DEVICES = "4,5,6,7,8,9,10,11,12,13";
  await startCases({ numCpus: 10, numGpus: 10, resources: { custom: 2 } });
});
afterAll(async () => {
  await shutdown();
  if (inherited === undefined) delete process.env.CUDA_VISIBLE_DEVICES;
  else process.env.CUDA_VISIBLE_DEVICES = inherited;
  await leftovers.check();
});

/** What its code sees: the indices and the variable. Holds its resources until the gate opens, if it is given one. */
const seen = remote(async (gate?: SignalHandle) => {
  const { get, runtimeContext } = await import("mobula");
  const before = process.env.CUDA_VISIBLE_DEVICES;
  if (gate !== undefined) await get(gate.wait.remote());
  const { gpuIds, assignedResources } = runtimeContext();
  return { gpuIds, before, after: process.env.CUDA_VISIBLE_DEVICES, assignedResources };
});

async function allFree(): Promise<void> {
  await waitFor("everything is free again", async () => {
    const { CPU, GPU, custom } = await availableResources();
    return CPU === 10 && GPU === 10 && custom === 2;
  });
}

test("each lease of a reused worker sees its own GPUs, in the node's numbering, and none without", async () => {
  const gate = Signal.remote();
  const held = Array.from({ length: 4 }, () => seen.options({ numGpus: 1 }).remote(gate));
  await waitFor("four hold a GPU each", async () => await get(gate.waiters.remote()) === 4);
  await get(gate.send.remote());
  const answers = await get(held);
  expect(answers.map(({ gpuIds }) => gpuIds[0]!).sort()).toEqual([0, 1, 2, 3]);
  for (const { gpuIds, before, after } of answers) {
    expect(gpuIds).toHaveLength(1);
    expect([before, after]).toEqual([String(gpuIds[0]! + 4), String(gpuIds[0]! + 4)]);
  }
  // The same workers, one after the other with other GPUs.
  for (let round = 0; round < 3; round++) {
    const [none, two] = await get([seen.remote(), seen.options({ numGpus: 2 }).remote()]);
    expect([none!.gpuIds, none!.before]).toEqual([[], ""]);
    expect(two!.gpuIds).toHaveLength(2);
    expect(two!.before).toBe(two!.gpuIds.map((index) => index + 4).join(","));
  }
  release(gate);
  await allFree();
});

test("fractions share an index, whole GPUs do not; a variable of the runtime environment stays", async () => {
  const gate = Signal.remote();
  const [half, other, whole] = [0.5, 0.5, 1].map((numGpus) => seen.options({ numGpus }).remote(gate));
  await waitFor("all three run", async () => await get(gate.waiters.remote()) === 3);
  await get(gate.send.remote());
  const [a, b, c] = await get([half!, other!, whole!]);
  expect(a!.gpuIds).toEqual(b!.gpuIds);
  expect(a!.assignedResources).toEqual({ CPU: 1, GPU: 0.5 });
  expect(c!.gpuIds).not.toEqual(a!.gpuIds);
  const runtimeEnv = { env: { CUDA_VISIBLE_DEVICES: "mine" } };
  expect((await get(seen.options({ numGpus: 1, runtimeEnv }).remote())).before).toBe("mine");
  release(gate);
  await allFree();
});

test("an actor keeps its GPU from its constructor to its end", async () => {
  const Model = remote(
    class Model {
      atStart = process.env.CUDA_VISIBLE_DEVICES;
      look(): (string | undefined)[] {
        return [this.atStart, process.env.CUDA_VISIBLE_DEVICES];
      }
    },
    { numGpus: 1 },
  );
  const models = [Model.remote(), Model.remote()];
  await ready(models[0]!);
  await ready(models[1]!);
  await get(seen.options({ numGpus: 2 }).remote());
  const looks = await get(models.map((model) => model.look.remote()));
  for (const [atStart, now] of looks) expect(now).toBe(atStart!);
  expect(new Set(looks.map(([, now]) => now)).size).toBe(2);
  for (const model of models) await kill(model);
  await allFree();
});

test("TASK-16 resources are held as declared, or as overridden; .options() leaves the function as it was", async () => {
  /** What is free while it runs, as soon as the cluster's figures have settled on what is expected. */
  const free = remote(async (expected: Record<string, number>) => {
    const { availableResources } = await import("mobula");
    const endMs = performance.now() + 10_000;
    for (;;) {
      const { CPU, GPU, custom } = await availableResources();
      const settled = CPU === expected.CPU && GPU === expected.GPU && custom === expected.custom;
      if (settled || performance.now() > endMs) return { CPU, GPU, custom };
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }, { numCpus: 2, numGpus: 3, resources: { custom: 1 } });
  const declared = { CPU: 8, GPU: 7, custom: 1 };
  const overridden = { CPU: 7, GPU: 6, custom: 1.5 };
  const other = free.options({ numCpus: 3, numGpus: 4, resources: { custom: 0.5 } });
  expect(await get(free.remote(declared))).toEqual(declared);
  await allFree();
  expect(await get(other.remote(overridden))).toEqual(overridden);
  await allFree();
  expect(await get(free.remote(declared))).toEqual(declared);
  await allFree();
});
