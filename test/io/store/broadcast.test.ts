/**
 * One object wanted by many nodes: real stores in one process, transfers that go piece by piece as the test lets them. The
 * source sends few copies, whatever goes wrong among the others; every node has the right bytes in the end.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { type NodeId, type ObjectId, type ProcessId, putId } from "../../../runtime/common/ids.ts";
import { Prng } from "../../../runtime/common/prng.ts";
import { FAN_OUT, RELAYED_BYTES_MIN } from "../../../runtime/core/object/fan_out.ts";
import { RANGE_BYTES } from "../../../runtime/core/object/pull_ranges.ts";
import type { LocalStore } from "../../../runtime/io/store/local_store.ts";
import { encodeObject } from "../../../runtime/protocol/object_layout.ts";
import { rejection } from "../../support/processes.ts";
import { waitFor } from "../../support/wait_for.ts";
import { FakeCluster } from "./fake_cluster.ts";

const MB = 1024 * 1024;
const RECEIVERS = 8;
const BYTES = RELAYED_BYTES_MIN + 3 * MB + 12_345;
const source = "n-source" as NodeId;
const driver = "d-1" as ProcessId;
const worker = "w-2" as ProcessId;

let cluster: FakeCluster;
let stores: Map<string, LocalStore>;
beforeEach(async () => {
  cluster = new FakeCluster();
  stores = new Map();
  for (const name of ["source", ...Array.from({ length: RECEIVERS }, (_, n) => `r${n}`)]) {
    stores.set(name, await cluster.node(name, { objectStoreBytes: 64 * MB }));
  }
});
afterEach(() => cluster.end());

/** Bytes that differ everywhere. */
function contents(seed: number): Uint8Array {
  const words = new Uint32Array(BYTES >> 2);
  for (let n = 0; n < words.length; n++) words[n] = (seed * 0x9e3779b9 + n * 2654435761) >>> 0;
  return encodeObject({ body: new Uint8Array([1]), buffers: [new Uint8Array(words.buffer)] });
}

async function put(id: ObjectId, bytes: Uint8Array): Promise<void> {
  const store = stores.get("source")!;
  await store.createObject(driver, { id, size: bytes.byteLength });
  store.writeObject(driver, { id, offset: 0 }, bytes);
  await store.sealObject(driver, { id, home: source, owner: driver, isError: false, contains: [] });
}

async function getAt(name: string, id: ObjectId): Promise<void> {
  const requestId = `get ${id}`;
  await stores.get(name)!.getObject(worker, { requestId, id, home: source, purpose: "get" });
}

function expectBytes(name: string, id: ObjectId, bytes: Uint8Array): void {
  const here = stores.get(name)!.readObject(worker, { id, offset: 0, length: bytes.byteLength });
  if (Buffer.compare(here, bytes) !== 0) throw new Error(`${name} has wrong bytes`);
}

const receivers = Array.from({ length: RECEIVERS }, (_, n) => `r${n}`);

test("a broadcast costs the source as many copies as it sends at once, and every node sends few", async () => {
  const id = putId(driver, 1);
  const bytes = contents(1);
  await put(id, bytes);
  // Nothing moves before all have asked and found their places.
  let isOpen = false;
  cluster.onPiece = async () => void await waitFor("all have asked", () => isOpen);
  const all = Promise.all(receivers.map((name) => getAt(name, id)));
  await waitFor("the source is busy", () => cluster.fetches.length >= RECEIVERS + (RECEIVERS - FAN_OUT));
  isOpen = true;
  await all;
  for (const name of receivers) expectBytes(name, id, bytes);
  const copies = (node: string): number => (cluster.sent.get(`n-${node}` as NodeId) ?? 0) / bytes.byteLength;
  expect(copies("source")).toBe(FAN_OUT);
  for (const name of receivers) expect(copies(name)).toBeLessThanOrEqual(FAN_OUT);
  expect(receivers.reduce((sum, name) => sum + copies(name), 0)).toBe(RECEIVERS - FAN_OUT);
});

test("a small object comes from its holder alone", async () => {
  const id = putId(driver, 2);
  const bytes = encodeObject({ body: new Uint8Array(1), buffers: [new Uint8Array(MB).fill(3)] });
  await put(id, bytes);
  let isOpen = false;
  cluster.onPiece = async () => void await waitFor("all have asked", () => isOpen);
  const all = Promise.all(receivers.map((name) => getAt(name, id)));
  expect(cluster.fetches.length).toBe(0);
  await waitFor("all have asked", () => cluster.fetches.length === RECEIVERS);
  isOpen = true;
  await all;
  expect([...cluster.sent.keys()]).toEqual([source]);
});

const sentBy = (name: string): number => cluster.sent.get(`n-${name}` as NodeId) ?? 0;

/** What happens to a transfer to r0 or r1 that has come so far. */
type Gate = "wait" | "go on" | "break once";

/** r0 and r1 are sent it by the source and stand still after `bytes`; r2 is sent by r0 what that has. */
async function chain(
  id: ObjectId,
  bytes: number,
): Promise<{ open: (name: "r0" | "r1", gate: Gate) => void; gets: Promise<void>[] }> {
  const gates = new Map<string, Gate>([["n-r0", "wait"], ["n-r1", "wait"]]);
  cluster.onPiece = async (_id, _from, offset, to) => {
    if (!gates.has(to) || offset < bytes) return;
    await waitFor("it goes on", () => gates.get(to) !== "wait");
    if (gates.get(to) !== "break once") return;
    gates.set(to, "go on");
    throw new Error("cut");
  };
  const gets = [getAt("r0", id), getAt("r1", id)];
  for (const got of gets) got.catch(() => undefined);
  await waitFor("both are under way", () => sentBy("source") === 2 * bytes);
  gets.push(getAt("r2", id));
  await waitFor("r0 has sent on what it has", () => sentBy("r0") === bytes);
  return { open: (name, gate) => void gates.set(`n-${name}`, gate), gets };
}

test("a relay whose transfer is cancelled sends no more, and who was sent it goes on elsewhere", async () => {
  const id = putId(driver, 3);
  const bytes = contents(3);
  await put(id, bytes);
  const { open, gets } = await chain(id, 4 * MB);
  const before = cluster.fetches.length;
  stores.get("r0")!.cancelGet(worker, { requestId: `get ${id}` });
  expect((await rejection(gets[0]!)).message).toContain("cancelled");
  open("r1", "go on");
  await Promise.all([gets[1], gets[2]]);
  expectBytes("r1", id, bytes);
  expectBytes("r2", id, bytes);
  expect(sentBy("r0")).toBe(4 * MB);
  // The room of the cancelled one is free, and nothing is pinned for those it sent to.
  expect(stores.get("r0")!.usage().used).toBe(0);
  // It was told of both at first.
  expect(cluster.fetches.slice(before)).toEqual([`${id} n-r1`]);
  open("r0", "go on");
});

test("a relay that is killed is replaced, from the last good byte on", async () => {
  const id = putId(driver, 4);
  const bytes = contents(4);
  await put(id, bytes);
  const { open, gets } = await chain(id, 4 * MB);
  // Bun's `rejects` waits on the spot.
  const lost = rejection(gets[0]!);
  cluster.kill("r0");
  expect((await lost).message).toContain("closed");
  open("r1", "go on");
  await Promise.all([gets[1], gets[2]]);
  expectBytes("r2", id, bytes);
  // Three copies, but what r0 sent.
  expect(sentBy("source") + 4 * MB).toBeLessThanOrEqual(3 * bytes.byteLength);
  open("r0", "go on");
});

test("a relay that gets what it lacks from another source sends on all the while", async () => {
  const id = putId(driver, 5);
  const bytes = contents(5);
  await put(id, bytes);
  const { open, gets } = await chain(id, 4 * MB);
  // Its own transfer breaks; the source sends it the rest.
  open("r0", "break once");
  open("r1", "go on");
  await Promise.all(gets);
  for (const name of ["r0", "r1", "r2"]) expectBytes(name, id, bytes);
  expect(sentBy("r0")).toBe(bytes.byteLength);
});

test("over several connections, with random cuts: the right bytes, and those who are sent it on get them too", async () => {
  cluster.lanes = 3;
  const names = ["many0", "many1", "many2", "many3"];
  for (const name of ["many", ...names]) {
    stores.set(name, await cluster.node(name, { objectStoreBytes: 64 * MB }));
  }
  const id = putId(driver, 6);
  const bytes = new Uint8Array(2 * RANGE_BYTES + 5 * MB);
  new Float64Array(bytes.buffer).forEach((_, n, words) => words[n] = n);
  const many = stores.get("many")!;
  await many.createObject(driver, { id, size: bytes.byteLength });
  many.writeObject(driver, { id, offset: 0 }, bytes);
  await many.sealObject(driver, { id, home: source, owner: driver, isError: false, contains: [] });
  const prng = new Prng(Date.now() >>> 0);
  cluster.onPiece = async () => {
    if (prng.below(1_000) < 3) throw new Error("cut");
    if (prng.chance(20)) await new Promise((resolve) => setImmediate(resolve));
  };
  await Promise.all(names.map((name) => getAt(name, id)));
  for (const name of names) expectBytes(name, id, bytes);
  // Relays too are asked over several: they get parts side by side, and so can send them on as they come.
  const holders = new Set(cluster.extraLanes.map((text) => text.split(" ")[1]));
  expect(holders).toContain("n-many");
  expect(holders.size).toBeGreaterThan(1);
});

test("random cuts, cancels and kills among many: the right bytes, and nobody waits for ever", async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  console.log(`broadcast.test seed ${seed}`);
  const prng = new Prng(seed);
  for (let round = 0; round < 6; round++) {
    const id = putId(driver, 100 + round);
    const bytes = contents(100 + round);
    await put(id, bytes);
    cluster.onPiece = async () => {
      if (prng.below(1_000) < 4) throw new Error("cut");
      if (prng.chance(10)) await new Promise((resolve) => setImmediate(resolve));
    };
    const alive = receivers.filter((name) => stores.has(name));
    const victims = new Set(alive.filter(() => prng.chance(20)));
    await Promise.all(alive.map(async (name) => {
      const got = getAt(name, id);
      if (!victims.has(name)) return await got;
      await waitFor("it is under way", () => sentBy("source") > prng.below(bytes.byteLength));
      stores.get(name)!.cancelGet(worker, { requestId: `get ${id}` });
      await got.catch((error: Error) => expect(error.message).toContain("cancelled"));
    }));
    for (const name of alive.filter((name) => !victims.has(name))) expectBytes(name, id, bytes);
    cluster.onPiece = () => undefined;
    for (const name of ["source", ...alive]) {
      stores.get(name)!.processDied(worker);
      stores.get(name)!.deleteObjects([id]);
      expect(stores.get(name)!.usage()).toMatchObject({ used: 0, pulls: 0, pinned: 0 });
    }
    if (round === 3) {
      cluster.kill("r7");
      stores.delete("r7");
    }
  }
}, 60_000);
