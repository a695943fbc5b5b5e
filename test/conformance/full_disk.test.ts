/** A disk that takes no more spilled objects: whoever needs room is told, nothing else fails, and it goes on when there is some. */
import { afterAll, beforeAll, expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { get, type ObjectRef, OutOfDiskError, put, release, remote, shutdown, TaskError } from "mobula";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { testUnless } from "../support/skip.ts";
import { waitFor } from "../support/wait_for.ts";
import { addNode, firstNodeId, startCases } from "./cases.ts";

const MB = 1 << 20;
const STORE = 32 * MB;
const DISK = 64 * MB;
/** Takes all of the disk but what is too little for an object. */
const BALLAST = 56 * MB;
const OBJECT = 6 * MB;

const leftovers = watchLeftovers();
const folder = mkdtempSync(join(tmpdir(), "mobula-disk-"));
const disk = join(folder, "small");
const mayMount = spawnSync("unshare", ["--mount", "true"]).status === 0;
const testOnDisk = testUnless(mayMount ? null : "a small file system cannot be mounted here");

beforeAll(async () => {
  if (!mayMount) return;
  mkdirSync(disk);
  expect(spawnSync("mount", ["-t", "tmpfs", "-o", `size=${DISK}`, "tmpfs", disk]).status).toBe(0);
  process.env.MOBULA_SPILL_DIR = disk;
  await startCases({ objectStoreBytes: STORE, numCpus: 2 });
});
afterAll(async () => {
  await shutdown();
  delete process.env.MOBULA_SPILL_DIR;
  if (mayMount) await waitFor("nothing is open there", () => spawnSync("umount", [disk]).status === 0);
  rmSync(folder, { recursive: true });
  await leftovers.check();
});

testOnDisk(
  "a full disk fails what needs room, with its folder and the bytes, and nothing else",
  async () => {
    delete process.env.MOBULA_SPILL_DIR;
    const other = await addNode({ numCpus: 1, objectStoreBytes: STORE, resources: { there: 1 } });
    const here = { schedulingStrategy: { nodeId: firstNodeId() } };
    const Counter = remote(
      class Counter {
        count = 0;
        add(): number {
          return ++this.count;
        }
        make(bytes: number): Uint8Array {
          return new Uint8Array(bytes);
        }
      },
      { numCpus: 0, ...here },
    );
    const counter = Counter.remote();
    expect(await get(counter.add.remote())).toBe(1);
    const sum = remote((bytes: Uint8Array) => bytes.reduce((x, y) => x + y, 0), here);
    const far = remote((bytes: number) => new Uint8Array(bytes).fill(9), { resources: { there: 1 } });

    const ballast = join(disk, "ballast");
    writeFileSync(ballast, new Uint8Array(BALLAST));
    const refs: ObjectRef<Uint8Array>[] = [];
    const error = await (async (): Promise<Error> => {
      for (;;) {
        try {
          refs.push(await put(new Uint8Array(OBJECT).fill(refs.length + 1)));
        } catch (error) {
          return error as Error;
        }
      }
    })();
    expect(error).toBeInstanceOf(OutOfDiskError);
    expect(error.message).toContain(disk);
    expect(error.message).toMatch(/cannot write \d+ bytes/);
    expect(refs.length).toBeGreaterThan(2);

    // Of a task and an actor it is the call that fails; the actor lives, with its state.
    const made = counter.make.remote(OBJECT);
    const failed = await rejection(get(made));
    expect(failed).toBeInstanceOf(TaskError);
    expect(failed).toBeInstanceOf(OutOfDiskError);
    expect(await get(counter.add.remote())).toBe(2);
    // What is stored is read, what needs no room runs, and other nodes store what they like.
    for (const [n, ref] of refs.entries()) {
      using task = sum.remote(ref);
      expect(await get(task)).toBe(OBJECT * (n + 1));
    }
    const elsewhere = far.remote(OBJECT);
    await waitFor("another node stores it", async () => {
      const { wait } = await import("mobula");
      return (await wait([elsewhere], { fetchLocal: false, timeoutMs: 1_000 }))[0].length === 1;
    });

    rmSync(ballast);
    const more: ObjectRef<Uint8Array>[] = [];
    for (let n = 0; n < 6; n++) {
      more.push(
        await waitFor(
          "there is room again",
          () => put(new Uint8Array(OBJECT).fill(100 + n)).catch(() => null),
          60_000,
        ),
      );
    }
    for (const [n, ref] of refs.entries()) {
      expect((await get(ref)).every((byte) => byte === n + 1)).toBe(true);
    }
    for (const [n, ref] of more.entries()) {
      expect((await get(ref)).every((byte) => byte === 100 + n)).toBe(true);
    }
    expect((await get(elsewhere))[0]).toBe(9);
    for (const ref of [...refs, ...more, made, elsewhere]) release(ref);
    release(counter);
    await other.kill();
  },
  120_000,
);
