/** Objects that do not fit into memory, against real agents with small stores: behaviour cases OBJ and the store's part of WAIT. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { get, listObjects, type ObjectRef, put, release, remote, shutdown } from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import { Prng } from "../../runtime/common/prng.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { waitFor } from "../support/wait_for.ts";
import { addNode, startCases } from "./cases.ts";

const leftovers = watchLeftovers();
const MB = 1 << 20;

beforeAll(async () => {
  await startCases({ objectStoreBytes: 75 * MB });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});
afterEach(async () => {
  await waitFor("no object is left", async () => (await listObjects()).length === 0);
  await waitFor("no spilled file is left", () => spillFiles().length === 0);
});

/** Files of spilled objects of all nodes. */
function spillFiles(): string[] {
  const folder = join(currentDriver()!.local!.sessionDir, "spill");
  return readdirSync(folder).flatMap((name) => readdirSync(join(folder, name))).filter((file) =>
    file !== "owner"
  );
}

/** Words that differ from object to object and within one. */
function words(seed: number, bytes: number): Float64Array {
  const array = new Float64Array(bytes / 8);
  for (let n = 0; n < array.length; n++) array[n] = seed * 1e9 + n;
  return array;
}

function expectWords(array: Float64Array, seed: number): void {
  expect(array.length).toBeGreaterThan(0);
  if (!array.every((word, n) => word === seed * 1e9 + n)) throw new Error(`object ${seed} is damaged`);
}

test("OBJ-14 100 objects of 8 to 24 MB in a store of 75: all are what was put, in any order", async () => {
  const prng = new Prng(14);
  const refs: ObjectRef<Float64Array>[] = [];
  for (let n = 0; n < 100; n++) refs.push(await put(words(n, prng.between(8, 24) * MB)));
  expect(spillFiles().length).toBeGreaterThan(0);
  for (let n = 0; n < 100; n++) {
    const index = prng.below(refs.length);
    expectWords(await get(refs[index]!, { timeoutMs: 30_000 }), index);
  }
  for (const ref of refs) release(ref);
}, 120_000);

test("OBJ-16 dropping the refs of 640 MB of spilled objects empties the folder", async () => {
  const refs: ObjectRef<Float64Array>[] = [];
  for (let n = 0; n < 80; n++) refs.push(await put(words(n, 8 * MB)));
  expect(spillFiles().length).toBeGreaterThan(10);
  for (const ref of refs) release(ref);
});

test("results of tasks spill where they were made, and are read there by other tasks", async () => {
  const make = remote((seed: number, bytes: number) => {
    const array = new Float64Array(bytes / 8);
    for (let n = 0; n < array.length; n++) array[n] = seed * 1e9 + n;
    return array;
  });
  const check = remote((array: Float64Array, seed: number) =>
    array.every((word, n) => word === seed * 1e9 + n)
  );
  const made = Array.from({ length: 30 }, (_, n) => make.remote(n, 8 * MB));
  expect(await get(made.map((ref, n) => check.remote(ref, n)))).toEqual(made.map(() => true));
  for (const ref of made) release(ref);
});

test("OBJ-22 ten tasks whose arguments fill the store of their node all finish", async () => {
  const node = await addNode({ numCpus: 4, objectStoreBytes: 75 * MB, resources: { far: 10 } });
  const refs = await Promise.all(Array.from({ length: 20 }, (_, n) => put(words(n, 16 * MB))));
  const sum = remote((a: Float64Array, b: Float64Array, c: Float64Array) => a[0]! + b[0]! + c[0]!, {
    resources: { far: 1 },
  });
  const tasks = Array.from({ length: 10 }, (_, n) => sum.remote(refs[n]!, refs[n + 5]!, refs[n + 10]!));
  expect(await get(tasks, { timeoutMs: 60_000 })).toEqual(tasks.map((_, n) => (3 * n + 15) * 1e9));
  for (const ref of refs) release(ref);
  await node.kill();
  await waitFor("its death is known", node.isDead, 20_000);
}, 120_000);

test("OBJ-23 what a running task gets goes before the arguments of queued tasks: no deadlock", async () => {
  const node = await addNode({ numCpus: 4, objectStoreBytes: 75 * MB, resources: { far: 10 } });
  const refs = await Promise.all(Array.from({ length: 20 }, (_, n) => put(words(n, 6 * MB))));
  const read = remote(async (wanted: ObjectRef<Float64Array>[]) => {
    const { get, release } = await import("mobula");
    let sum = 0;
    for (const ref of wanted) {
      sum += (await get(ref))[0]!;
      release(ref);
    }
    return sum / 1e9;
  }, { resources: { far: 1 } });
  const add = remote((...arrays: Float64Array[]) => arrays.reduce((sum, array) => sum + array[0]!, 0) / 1e9, {
    resources: { far: 1 },
  });
  const reads = Array.from({ length: 2 }, () => read.remote(refs.slice(0, 10)));
  const sums = Array.from({ length: 6 }, () => add.remote(...refs.slice(10, 18)));
  expect(await get(reads, { timeoutMs: 60_000 })).toEqual([45, 45]);
  expect(await get(sums, { timeoutMs: 60_000 })).toEqual(sums.map(() => 108));
  for (const ref of [...refs, ...reads, ...sums]) release(ref);
  await node.kill();
  await waitFor("its death is known", node.isDead, 20_000);
}, 150_000);

test("OBJ-17 spilled objects of an actor go when it is killed, from the disk too", async () => {
  const Owner = remote(
    class Owner {
      kept: ObjectRef<Float64Array>[] = [];
      async fill(count: number, bytes: number): Promise<number> {
        const { put } = await import("mobula");
        for (let n = 0; n < count; n++) this.kept.push(await put(new Float64Array(bytes / 8)));
        return process.pid;
      }
    },
  );
  const owner = Owner.remote();
  const pid = await get(owner.fill.remote(20, 8 * MB));
  expect(spillFiles().length).toBeGreaterThan(0);
  process.kill(pid, "SIGKILL");
  await waitFor(
    "nothing of it is left",
    async () => spillFiles().length === 0 && (await listObjects()).length === 0,
  );
  release(owner);
}, 60_000);
