/**
 * Pools in real shared memory, read and written by processes of all three runtimes.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ObjectPool } from "../../../runtime/io/store/object_pool.ts";
import { ObjectReader } from "../../../runtime/io/store/object_reader.ts";
import { ObjectWriter } from "../../../runtime/io/store/object_writer.ts";
import { defaultPoolDir, sweepPools } from "../../../runtime/io/store/pool_folder.ts";
import { Prng } from "../../../runtime/common/prng.ts";
import { encodeObject, layoutSize, MAPPABLE_ALIGNMENT } from "../../../runtime/protocol/object_layout.ts";
import { runProgram, type Runtime, runtimeCommand, RUNTIMES } from "../../support/run_program.ts";
import { testUnless } from "../../support/skip.ts";
import { makeParts, wrongParts } from "./programs/parts.ts";

const MB = 1024 * 1024;
const program = join(import.meta.dirname, "programs/pool_program.ts");
const size = layoutSize(makeParts(0));

let dir: string;
let pool: ObjectPool;
const warnings: string[] = [];
beforeEach(() => {
  warnings.length = 0;
  dir = mkdtempSync(join(defaultPoolDir(), "mobula-test-"));
  pool = new ObjectPool({ dir, capacity: 8 * MB, warn: (text) => warnings.push(text) });
});
afterEach(() => {
  pool.close();
  pool.close();
  expect(readdirSync(dir)).toEqual([]);
  rmSync(dir, { recursive: true });
});

async function run(runtime: Runtime, ...commands: (string | number)[]): Promise<unknown[]> {
  const out = await runProgram(runtime, program, { args: [pool.path, ...commands.map(String)] });
  return out.trim().split("\n").map((line) => JSON.parse(line));
}

test("what each runtime writes is read by the other two, and what a reader writes stays its own", async () => {
  for (const [index, runtime] of RUNTIMES.entries()) {
    expect(await run(runtime, "write", index * MB, index)).toEqual(["ok", { runtime }]);
  }
  const reads = RUNTIMES.flatMap((_, index) => ["read", index * MB, size, index]);
  for (const runtime of RUNTIMES) {
    // Twice: the second read follows the first one's writes into its own views.
    expect(await run(runtime, ...reads, ...reads)).toEqual(["ok", "ok", "ok", "ok", "ok", "ok", { runtime }]);
  }
});

test("a pool and what is in it belong to their user alone", () => {
  expect(statSync(join(pool.path, "..")).mode & 0o777).toBe(0o700);
  expect(statSync(pool.path).mode & 0o777).toBe(0o600);
  expect(pool.path).toMatch(/\/mobula-\d+-[0-9a-f]{16}\/pool$/);
});

for (const runtime of RUNTIMES) {
  test(`a view that lives on ${runtime} does not change when the rest of the pool is written again`, async () => {
    new ObjectWriter().write({ path: pool.path, offset: MB }, makeParts(1));
    const child = start(runtime, ["hold", MB, size, 1]);
    const lines = linesOf(child);
    expect(await lines()).toBe("held");
    // Its neighbours come and go, by the ways that writers have: pwrite, then populated pages.
    const writer = new ObjectWriter();
    for (let n = 0; n < 4; n++) {
      writer.write({ path: pool.path, offset: 0 }, makeParts(n));
      writer.write({ path: pool.path, offset: 2 * MB }, makeParts(n));
    }
    child.stdin!.write("\n");
    expect(await lines()).toBe("ok");
    await once(child, "close");
  });

  test(`buffers that nobody uses any more are released on ${runtime}`, async () => {
    new ObjectWriter().write({ path: pool.path, offset: 0 }, makeParts(1));
    expect(await run(runtime, "release", 0, size)).toEqual(["released", { runtime }]);
  });

  test(`writers on ${runtime} reuse ranges of any size`, async () => {
    const writes = [1, 2, 3, 4].flatMap((seed) => ["write", MB, seed, "write", MB + 16384, seed + 50]);
    expect((await run(runtime, ...writes, "read", MB + 16384, size, 54)).at(-2)).toBe("ok");
  });
}

test("an object is the same bytes whichever way it is written", () => {
  const parts = makeParts(9);
  const encoded = encodeObject(parts);
  const writer = new ObjectWriter();
  for (let n = 0; n < 3; n++) {
    pool.write(0, new Uint8Array(size).fill(99));
    writer.write({ path: pool.path, offset: 0 }, parts);
    expect(Buffer.compare(pool.read(0, size), encoded)).toBe(0);
  }
});

test("pieces of a transfer land where they belong, whatever the pages have been through", () => {
  const seed = Date.now() >>> 0;
  console.log(`pool.test seed ${seed}`);
  const prng = new Prng(seed);
  const expected = new Uint8Array(8 * MB);
  for (let round = 0; round < 40; round++) {
    // A range from one granule to several blocks, in pieces as they come from a stream.
    const start = prng.below(511) * MAPPABLE_ALIGNMENT;
    const length = prng.between(1, 8 * MB - start);
    for (let at = start; at < start + length;) {
      const bytes = new Uint8Array(Math.min(prng.between(1, 200_000), start + length - at)).fill(
        prng.below(256),
      );
      pool.write(at, bytes);
      expected.set(bytes, at);
      at += bytes.byteLength;
    }
    pool.noteWritten(start, length);
    expect(Buffer.compare(pool.read(0, expected.length), expected)).toBe(0);
    if (!prng.chance(30)) continue;
    const dropped = prng.below(511) * MAPPABLE_ALIGNMENT;
    const bytes = prng.between(1, 512 - dropped / MAPPABLE_ALIGNMENT) * MAPPABLE_ALIGNMENT;
    pool.dropPages(dropped, bytes);
    expected.fill(0, dropped, dropped + bytes);
  }
});

test("an object of very many small buffers is read with few calls and comes back whole", () => {
  const buffers = Array.from({ length: 3000 }, (_, n) => new Uint8Array(n % 700).fill(n));
  const parts = { body: new Uint8Array(20_000).fill(1), buffers };
  new ObjectWriter().write({ path: pool.path, offset: 0 }, parts);
  let released = 0;
  const stored = new ObjectReader().read(
    { path: pool.path, offset: 0, size: layoutSize(parts) },
    () => released++,
  );
  expect(released).toBe(1);
  expect(stored.body).toEqual(parts.body);
  expect(stored.buffers.map((buffer) => new Uint8Array(buffer))).toEqual(buffers);
});

test("bytes that are no object are refused, and released", () => {
  let released = 0;
  const place = { path: pool.path, offset: 0, size: 1000 };
  expect(() => new ObjectReader().read(place, () => released++)).toThrow("wrong magic number");
  new ObjectWriter().write({ path: pool.path, offset: 0 }, makeParts(1));
  expect(() => new ObjectReader().read(place, () => released++)).toThrow(
    `says ${size} bytes, but it has 1000`,
  );
  expect(released).toBe(2);
});

test("readers keep what they mapped when the pool is gone", () => {
  new ObjectWriter().write({ path: pool.path, offset: 0 }, makeParts(4));
  const reader = new ObjectReader();
  const stored = reader.read({ path: pool.path, offset: 0, size }, () => {});
  pool.close();
  reader.close();
  expect(wrongParts(stored, 4)).toBeNull();
});

test("a pool takes no more than the file system has, and says so", () => {
  const huge = new ObjectPool({ dir, capacity: 2 ** 50, warn: (text) => warnings.push(text) });
  expect(huge.capacity).toBeLessThan(2 ** 50);
  expect(warnings).toEqual([
    `The object store is ${huge.capacity} bytes instead of ${2 ** 50}: ${dir} has no more room`,
  ]);
  expect(statSync(huge.path).blocks).toBe(0);
  huge.close();
});

test("a capacity or a folder that cannot be is refused with what is wrong", () => {
  const warn = (): void => {};
  expect(() => new ObjectPool({ dir, capacity: -5, warn })).toThrow(
    "objectStoreBytes must be a positive whole number of bytes, not -5",
  );
  expect(() => new ObjectPool({ dir: "/nowhere", capacity: MB, warn })).toThrow(
    /Cannot make the object store in \/nowhere: .*; choose another folder \(--object-store-dir\)/,
  );
});

test("fresh pages are counted against the file system and the host's other default pools", () => {
  const first = new ObjectPool({ dir, capacity: null, warn: () => {} });
  const second = new ObjectPool({ dir, capacity: null, warn: () => {} });
  const before = second.allowedBytes(0);
  first.write(0, new Uint8Array(4 * MB));
  expect(second.allowedBytes(10)).toBe(before); // Known for a while.
  expect(before - second.allowedBytes(1000)).toBe(4 * MB);
  expect(first.capacity).toBe(second.capacity);
  first.close();
  second.close();
});

test("what a killed agent left is swept by the next one, and nothing else", async () => {
  const holder = join(import.meta.dirname, "programs/pool_holder.ts");
  const [binary, ...args] = runtimeCommand("bun", holder);
  const child = spawn(binary!, [...args, dir], { stdio: ["pipe", "pipe", "inherit"] });
  const left = JSON.parse((await once(createInterface({ input: child.stdout! }), "line"))[0]) as string;
  expect(existsSync(left)).toBe(true);
  expect(sweepPools(dir)).toEqual([]);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(existsSync(left)).toBe(true);
  // Names that are not ours, and links, are left alone.
  const others = [join(dir, "mobula-1-notours"), join(dir, "other")];
  for (const other of others) mkdirSync(other);
  const link = join(dir, "mobula-1-0123456789abcdef");
  symlinkSync(others[1]!, link);
  // A folder whose maker has not written its name yet is young.
  const young = join(dir, "mobula-1-fedcba9876543210");
  mkdirSync(young);
  writeFileSync(join(young, "pool"), "");
  expect(sweepPools(dir)).toEqual([join(left, "..")]);
  const kept = [...others, link, young];
  expect(kept.map((path) => existsSync(path))).toEqual([true, true, true, true]);
  for (const path of kept) rmSync(path, { recursive: true });
});

for (const runtime of RUNTIMES) {
  testUnless(mountReason())(
    `a file system that others fill is an error for the writer, never a crash, on ${runtime}`,
    () => {
      const mounted = join(dir, "small");
      mkdirSync(mounted);
      const [binary, ...args] = runtimeCommand(runtime, join(import.meta.dirname, "programs/small_space.ts"));
      const script = 'mount -t tmpfs -o size=4m,mode=700 none "$1" && shift && exec "$@"';
      const child = spawnSync("unshare", [
        "-rm",
        "sh",
        "-c",
        script,
        "sh",
        mounted,
        binary!,
        ...args,
        mounted,
      ], {
        encoding: "utf8",
      });
      rmSync(mounted, { recursive: true });
      expect(child.stderr).toBe("");
      const { results } = JSON.parse(child.stdout) as { results: string[] };
      expect(results[0]).toContain("bytes instead of 67108864");
      expect(results[0]).toContain("--shm-size");
      expect(results.slice(1)).toEqual([
        "o-1-p0",
        "ObjectStoreFullError",
        "o-1-p2",
        "ObjectStoreFullError",
        "o-1-p4",
        "o-1-p5",
        "o-1-p6",
      ]);
    },
  );
}

/** Why a test cannot mount a file system of its own here, or null. */
function mountReason(): string | null {
  const tried = spawnSync("unshare", ["-rm", "true"]);
  return tried.status === 0 ? null : "no permission to make a mount namespace";
}

function start(runtime: Runtime, commands: (string | number)[]): ChildProcess {
  const [binary, ...args] = runtimeCommand(runtime, program);
  return spawn(binary!, [...args, pool.path, ...commands.map(String)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
}

function linesOf(child: ChildProcess): () => Promise<unknown> {
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  return async () => JSON.parse((await lines.next()).value as string);
}
