/** A node's object store that is smaller than what it is given: real shared memory, real files. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ObjectLostError, OutOfDiskError } from "../../../runtime/common/errors.ts";
import { type NodeId, type ObjectId, type ProcessId, putId } from "../../../runtime/common/ids.ts";
import type { LocalStore } from "../../../runtime/io/store/local_store.ts";
import { ObjectReader } from "../../../runtime/io/store/object_reader.ts";
import { encodeObject } from "../../../runtime/protocol/object_layout.ts";
import { rejection } from "../../support/processes.ts";
import { testUnless } from "../../support/skip.ts";
import { waitFor } from "../../support/wait_for.ts";
import { FakeCluster, putBytes } from "./fake_cluster.ts";

const MB = 1024 * 1024;
const home = "n-a" as NodeId;
const driver = "d-1" as ProcessId;
const worker = "w-2" as ProcessId;
const ids = Array.from({ length: 40 }, (_, n) => putId(driver, n));

let cluster: FakeCluster;
let disk: string;
beforeEach(() => {
  cluster = new FakeCluster();
  disk = mkdtempSync(join(tmpdir(), "mobula-spill-"));
});
afterEach(() => {
  cluster.end();
  expect(readdirSync(disk)).toEqual([]);
  rmSync(disk, { recursive: true });
});

/** Files of spilled objects. */
function files(): string[] {
  return readdirSync(disk).flatMap((name) =>
    readdirSync(join(disk, name)).map((file) => join(disk, name, file))
  )
    .filter((path) => !path.endsWith("owner"));
}

let requests = 0;
/** What the object is filled with; throws when not every byte is. */
async function fillOf(store: LocalStore, id: ObjectId): Promise<number> {
  const { place } = await store.getObject(worker, { requestId: `${++requests}`, id, home, purpose: "get" });
  if (place.type !== "shm") throw new Error(`${id} is ${place.type}`);
  const { buffers } = new ObjectReader().read(place, () => store.unpin(worker, { id, count: 1 }));
  const bytes = new Uint8Array(buffers[0]!);
  const fill = bytes[0]!;
  if (!bytes.every((byte) => byte === fill)) throw new Error(`${id} is damaged`);
  store.unpin(worker, { id, count: 1 });
  return fill;
}

test("40 MB in a store of 8: every object comes back as it was, and its file goes with it", async () => {
  const a = await cluster.node("a", { objectStoreBytes: 8 * MB, spillDir: disk });
  for (const [n, id] of ids.entries()) await putBytes(a, driver, id, { home, bytes: MB, fill: n });
  expect(a.usage().spilled).toBeGreaterThan(30 * MB);
  for (const n of [0, 39, 7, 7, 20, 1, 33, 0]) expect(await fillOf(a, ids[n]!)).toBe(n);
  a.check();
  a.deleteObjects(ids);
  await waitFor("the files are gone", () => files().length === 0);
  expect(a.usage()).toMatchObject({ used: 0, spilled: 0, objects: 0 });
});

test("another node reads a spilled object from the disk, without bringing it back", async () => {
  const a = await cluster.node("a", { objectStoreBytes: 8 * MB, spillDir: disk });
  const b = await cluster.node("b", { objectStoreBytes: 8 * MB });
  for (const [n, id] of ids.slice(0, 12).entries()) {
    await putBytes(a, driver, id, { home, bytes: MB, fill: n });
  }
  const { objects } = a.usage();
  expect(await fillOf(b, ids[0]!)).toBe(0);
  expect(a.isLocal(ids[0]!)).toBe(false);
  expect(a.usage().objects).toBe(objects);
});

test("arguments that were spilled are back and pinned when they are said to be", async () => {
  const a = await cluster.node("a", { objectStoreBytes: 8 * MB, spillDir: disk });
  for (const [n, id] of ids.slice(0, 20).entries()) {
    await putBytes(a, driver, id, { home, bytes: MB, fill: n });
  }
  const args = ids.slice(0, 4).map((id) => ({ id, home, bytes: MB }));
  await a.pinArguments("lease", args);
  for (const { id } of args) expect(a.isLocal(id)).toBe(true);
  for (const [n, id] of ids.slice(20).entries()) {
    await putBytes(a, driver, id, { home, bytes: MB, fill: n + 20 });
  }
  for (const { id } of args) expect(a.isLocal(id)).toBe(true);
  a.releaseArguments("lease");
});

test("small objects are put into files together", async () => {
  const a = await cluster.node("a", { objectStoreBytes: 4 * MB, spillDir: disk });
  const small = (n: number) => encodeObject({ body: new Uint8Array(40_000).fill(n), buffers: [] });
  const many = Array.from({ length: 300 }, (_, n) => putId(driver, 1000 + n));
  for (const [n, id] of many.entries()) {
    await a.putInline(driver, { id, home, owner: driver, isError: false, contains: [] }, small(n % 250));
  }
  expect(files().length).toBeLessThan(30);
  for (const n of [0, 299, 150]) {
    const params = { requestId: `small ${n}`, id: many[n]!, home, purpose: "get" } as const;
    const { bytes } = await a.getObject(worker, params);
    expect([...bytes!]).toEqual([...small(n % 250)]);
  }
});

test("a file that changed on disk is never read as the object: it is lost, and says so", async () => {
  const a = await cluster.node("a", { objectStoreBytes: 8 * MB, spillDir: disk });
  for (const [n, id] of ids.slice(0, 20).entries()) {
    await putBytes(a, driver, id, { home, bytes: MB, fill: n });
  }
  const path = files()[0]!;
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1] = 255;
  writeFileSync(path, bytes);
  const broken = ids.slice(0, 20).filter((id) => !a.isLocal(id));
  const outcomes = broken.map((id) =>
    fillOf(a, id).then((fill) => fill === ids.indexOf(id) ? "right" : "wrong", (error: Error) => {
      expect(error).toBeInstanceOf(ObjectLostError);
      return "lost";
    })
  );
  await waitFor("the GCS is asked for the lost one", () => cluster.openQuestions > 0);
  for (const id of broken) cluster.lose(id, new ObjectLostError("nobody has it", { objectId: id }));
  const seen = await Promise.all(outcomes);
  expect(seen.filter((outcome) => outcome === "lost").length).toBe(1);
  expect(seen.filter((outcome) => outcome === "wrong").length).toBe(0);
  expect(cluster.warnings.join()).toContain("has changed");
});

/** Spilled files that this process has open, removed ones too. */
function openFiles(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(disk) ? [path] : [];
    } catch {
      return []; // The folder's own.
    }
  });
}

/** Resolves when the object begins to come in. */
function pullBegins(id: ObjectId): Promise<void> {
  return new Promise((resolve) => {
    cluster.onStep = (step) => {
      if (step.id === id && step.name === "pull") resolve();
    };
  });
}

const isLinux = existsSync("/proc/self/fd");

testUnless(isLinux ? null : "needs /proc")(
  "files that are read stay open, a few of them, and never longer than they exist",
  async () => {
    const a = await cluster.node("a", { objectStoreBytes: 8 * MB, spillDir: disk });
    for (const [n, id] of ids.entries()) await putBytes(a, driver, id, { home, bytes: MB, fill: n });
    for (const [n, id] of ids.entries()) expect(await fillOf(a, id)).toBe(n);
    expect(files().length).toBeGreaterThan(20);
    expect(openFiles().length).toBeGreaterThan(0);
    await waitFor("a few are left open", () => openFiles().length <= 8);
    a.deleteObjects(ids);
    await waitFor("what was removed is closed", () => openFiles().length === 0);
    for (const [n, id] of ids.entries()) await putBytes(a, driver, id, { home, bytes: MB, fill: n });
    expect(await fillOf(a, ids[0]!)).toBe(0);
    a.close();
    await waitFor("a closed store has no file open", () => openFiles().length === 0);
  },
);

test("a read from disk that is given up never writes into memory that others have got", async () => {
  const a = await cluster.node("a", { objectStoreBytes: 16 * MB, spillDir: disk });
  const large = ids.slice(0, 6);
  for (const [n, id] of large.entries()) await putBytes(a, driver, id, { home, bytes: 7 * MB, fill: n + 1 });
  let givenUp = 0;
  for (let round = 0; round < 24; round++) {
    const id = large.find((one) => !a.isLocal(one))!;
    const requestId = `given up ${round}`;
    const begun = pullBegins(id);
    const read = a.getObject(worker, { requestId, id, home, purpose: "get" }).then(
      () => a.unpin(worker, { id, count: 1 }),
      (error: Error) => {
        expect(error.message).toContain("cancelled");
        givenUp++;
      },
    );
    await begun;
    // Sooner or later: before the first piece, between two, after the last.
    for (let turn = round % 6; turn > 0; turn--) await new Promise(setImmediate);
    a.cancelGet(worker, { requestId });
    await read;
    const other = putId(driver, 100 + round);
    await putBytes(a, driver, other, { home, bytes: 7 * MB, fill: 200 });
    expect(await fillOf(a, other)).toBe(200);
    expect(await fillOf(a, id)).toBe(large.indexOf(id) + 1);
    a.deleteObjects([other]);
  }
  expect(givenUp).toBeGreaterThan(4);
  a.check();
});

test("a store that is closed in the middle of a read from disk ends in peace", async () => {
  const a = await cluster.node("a", { objectStoreBytes: 16 * MB, spillDir: disk });
  for (const [n, id] of ids.slice(0, 4).entries()) {
    await putBytes(a, driver, id, { home, bytes: 7 * MB, fill: n });
  }
  const id = ids.find((one) => !a.isLocal(one))!;
  const begun = pullBegins(id);
  const given = rejection(a.getObject(worker, { requestId: "closed", id, home, purpose: "get" }));
  await begun;
  await Promise.resolve();
  a.close();
  expect((await given).message).toContain("closed");
});

const limits = spawnSync("prlimit", ["--version"]).status === 0;

testUnless(limits ? null : "needs prlimit")(
  "no file can be opened just now: nothing is lost, and the object comes a little later",
  async () => {
    const a = await cluster.node("a", { objectStoreBytes: 8 * MB, spillDir: disk });
    for (const [n, id] of ids.slice(0, 20).entries()) {
      await putBytes(a, driver, id, { home, bytes: MB, fill: n });
    }
    const id = ids.find((one) => !a.isLocal(one))!;
    // It cannot be started any more when this process may open nothing.
    const shell = spawn("sh", { stdio: ["pipe", "pipe", "inherit"] });
    const say = async (command: string): Promise<void> => {
      const answered = once(shell.stdout, "data");
      shell.stdin.write(`${command}; echo done\n`);
      await answered;
    };
    const [before] = /(?<=Max open files +)\d+/.exec(readFileSync("/proc/self/limits", "utf8"))!;
    try {
      await say(`prlimit --pid ${process.pid} --nofile=3:`);
      const read = fillOf(a, id);
      const tries = (): number => cluster.steps.filter((step) => step.name === "pull").length;
      await waitFor("it is tried once more", () => tries() > 1);
      await say(`prlimit --pid ${process.pid} --nofile=${before}:`);
      expect(await read).toBe(ids.indexOf(id));
    } finally {
      await say(`prlimit --pid ${process.pid} --nofile=${before}:`);
      shell.stdin.end();
    }
  },
);

const mayMount = spawnSync("unshare", ["--mount", "true"]).status === 0;
const reason = mayMount ? null : "a small file system cannot be mounted here";

testUnless(reason)(
  "a full disk is an OutOfDiskError that names path and bytes, until there is room",
  async () => {
    const small = join(disk, "small");
    mkdirSync(small);
    expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", small]).status).toBe(0);
    try {
      const a = await cluster.node("a", { objectStoreBytes: 8 * MB, spillDir: small, graceMs: 200 });
      writeFileSync(join(small, "ballast"), new Uint8Array(3 * MB));
      for (const [n, id] of ids.slice(0, 7).entries()) {
        await putBytes(a, driver, id, { home, bytes: MB, fill: n });
      }
      const full = await rejection(putBytes(a, driver, ids[8]!, { home, bytes: 3 * MB }));
      expect(full).toBeInstanceOf(OutOfDiskError);
      expect(full.message).toContain(small);
      expect(full.message).toMatch(/cannot write \d+ bytes/);
      const onDisk = readdirSync(small, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && /^\d+$/.test(entry.name))
        .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
      // Nothing is left of a file that could be written in part only.
      expect(onDisk).toBe(a.usage().spilled);
      for (const n of [0, 6]) expect(await fillOf(a, ids[n]!)).toBe(n);
      rmSync(join(small, "ballast"));
      await waitFor(
        "there is room again",
        () => putBytes(a, driver, ids[9]!, { home, bytes: 2 * MB, fill: 9 }).then(() => true, () => false),
      );
      expect(await fillOf(a, ids[9]!)).toBe(9);
      a.close();
    } finally {
      // A write that was under way at the end closes its file a little later.
      await waitFor("nothing is open there", () => spawnSync("umount", [small]).status === 0);
      rmSync(small, { recursive: true });
    }
  },
);
