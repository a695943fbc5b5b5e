/**
 * A node's object store through the calls of its agent: real shared memory, several nodes in one process. Each test ends by
 * checking the machines' invariants.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { ObjectFreedError, ObjectLostError } from "../../../runtime/common/errors.ts";
import {
  type ActorId,
  type NodeId,
  type ObjectId,
  type ProcessId,
  putId,
} from "../../../runtime/common/ids.ts";
import type { LocalStore } from "../../../runtime/io/store/local_store.ts";
import { ObjectReader } from "../../../runtime/io/store/object_reader.ts";
import { decodeObject, encodeObject } from "../../../runtime/protocol/object_layout.ts";
import { FakeCluster, putBytes } from "./fake_cluster.ts";

const MB = 1024 * 1024;
const home = "n-a" as NodeId;
const other = "n-b" as NodeId;
const driver = "d-1" as ProcessId;
const worker = "w-2" as ProcessId;
const far = "w-3" as ProcessId;
const id = putId(driver, 1);
const second = putId(driver, 2);

let cluster: FakeCluster;
beforeEach(() => {
  cluster = new FakeCluster();
});
afterEach(() => cluster.end());

const get = { requestId: "1", id, home, purpose: "get" } as const;

test("an object is found by its node's processes once it is sealed, and its place is pinned", async () => {
  const a = await cluster.node("a");
  const waiting = a.getObject(worker, get);
  expect(cluster.openQuestions).toBe(1);
  await putBytes(a, driver, id, { home, bytes: MB });
  const { place, isError } = await waiting;
  expect(isError).toBe(false);
  expect(place.type).toBe("shm");
  if (place.type !== "shm") return;
  let released = 0;
  const { body, buffers } = new ObjectReader().read(place, () => released++);
  expect([...body]).toEqual([1, 2, 3]);
  expect(buffers.length).toBe(1);
  expect(new Uint8Array(buffers[0]!).every((byte) => byte === 7)).toBe(true);
  expect(a.usage().pinned).toBeGreaterThan(MB);
  expect(cluster.openQuestions).toBe(0);
  a.unpin(worker, { id, count: 1 });
  expect(a.usage().pinned).toBe(0);
});

test("the GCS is told where an object was made: as the asker knows, or its home", async () => {
  const a = await cluster.node("a");
  const asks = [
    a.getObject(worker, { ...get, at: other }),
    a.waitObject(worker, { requestId: "2", id: second, home, fetchLocal: false, at: other }),
  ];
  const third = putId(driver, 3);
  a.references(driver, { changes: [{ op: "own", id: third, home, at: other }] });
  asks.push(a.getObject(worker, { ...get, requestId: "3", id: third }));
  asks.push(a.pinArguments("l", [{ id: putId(driver, 4), home, bytes: 1, at: other }]) as never);
  const outcome = Promise.allSettled(asks);
  expect(cluster.asked).toEqual([`${id} n-b`, `${second} n-b`, `${third} n-b`, `${putId(driver, 4)} n-b`]);
  a.nodeDied(other);
  expect(cluster.stranded).toEqual([`${third} n-b`]);
  a.close();
  await outcome;
});

test("a small object travels inline and is never pinned", async () => {
  const a = await cluster.node("a");
  const bytes = encodeObject({ body: new Uint8Array(10).fill(5), buffers: [] });
  await a.putInline(driver, { id, home, owner: driver, isError: true, contains: [] }, bytes);
  bytes.fill(0);
  const got = await a.getObject(worker, get);
  expect(got.place).toEqual({ type: "inline" });
  expect(got.isError).toBe(true);
  expect([...decodeObject(got.bytes!).body]).toEqual(new Array(10).fill(5));
  expect(a.usage().pinned).toBe(0);
  expect(a.usage().used).toBe(34);
});

test("an object of another node is transferred once for all who wait, and reported as a secondary copy", async () => {
  const a = await cluster.node("a");
  const b = await cluster.node("b");
  const gets = [1, 2, 3].map((n) => b.getObject(far, { ...get, requestId: String(n) }));
  const waited = b.waitObject(far, { requestId: "w", id, home, fetchLocal: false });
  const fetched = b.waitObject(far, { requestId: "f", id, home, fetchLocal: true });
  await putBytes(a, driver, id, { home, bytes: 3 * MB, fill: 9 });
  const places = await Promise.all(gets);
  await waited;
  await fetched;
  expect(cluster.fetches).toEqual([`${id} n-a`]);
  expect(new Set(places.map(({ place }) => JSON.stringify(place))).size).toBe(1);
  const place = places[0]!.place;
  if (place.type !== "shm") throw new Error("expected shared memory");
  expect(new Uint8Array(new ObjectReader().read(place, () => {}).buffers[0]!)[2 * MB]).toBe(9);
  expect(cluster.reports.get(id)!.get(other)).toMatchObject({ primary: false, bytes: place.size });
  expect(cluster.steps.filter(({ node }) => node === other).map(({ name }) => name))
    .toEqual(["lookup", "callback", "pull", "wake"]);
  expect(b.pulls.bandwidth()[home]).toBeGreaterThan(0);
  expect(b.usage().pulls).toBe(0);
});

test("a transfer that breaks goes on from the next holder, where the last good byte was", async () => {
  const a = await cluster.node("a");
  const b = await cluster.node("b");
  await cluster.node("c");
  await putBytes(a, driver, id, { home, bytes: MB, fill: 3 });
  await b.getObject(far, get);
  const offsets: string[] = [];
  cluster.onPiece = (_id, from, offset) => {
    offsets.push(`${from} ${offset}`);
    if (from === home && offset >= 256 * 1024) {
      throw Object.assign(new Error("cut"), { code: "TransferError", offset });
    }
  };
  const c = cluster.stores.get("n-c" as NodeId)!;
  const { place } = await c.getObject(far, get);
  expect(offsets).toContain(`n-b ${256 * 1024}`);
  expect(offsets).not.toContain("n-b 0");
  if (place.type !== "shm") throw new Error("expected shared memory");
  expect(new Uint8Array(new ObjectReader().read(place, () => {}).buffers[0]!).every((byte) => byte === 3))
    .toBe(true);
});

/** A node that lacks 40 MB, which two others have. */
async function besideTwoHolders(): Promise<LocalStore> {
  const a = await cluster.node("a", { objectStoreBytes: 64 * MB });
  const b = await cluster.node("b", { objectStoreBytes: 64 * MB });
  await putBytes(a, driver, id, { home, bytes: 40 * MB, fill: 3 });
  await b.getObject(far, get);
  return await cluster.node("c", { objectStoreBytes: 64 * MB });
}

test("a large object comes from two holders at once; when one breaks, the other sends its rest", async () => {
  const c = await besideTwoHolders();
  const sent = new Map<string, number>();
  cluster.onPiece = (_id, from, offset) => {
    if (from === home && offset >= 5 * MB) throw Object.assign(new Error("cut"), { offset });
    sent.set(`${from} ${offset}`, (sent.get(`${from} ${offset}`) ?? 0) + 1);
  };
  const { place } = await c.getObject(far, get);
  // Each piece once: the second holder goes on where the first one broke.
  expect(new Set(sent.values())).toEqual(new Set([1]));
  expect([...sent.keys()].filter((key) => key.startsWith(home)).length).toBe(5 * MB / (64 * 1024));
  if (place.type !== "shm") throw new Error("expected shared memory");
  const [bytes] = new ObjectReader().read(place, () => {}).buffers;
  expect(new Uint8Array(bytes!).every((byte) => byte === 3)).toBe(true);
  expect(c.usage().pulls).toBe(0);
});

test("two holders whose last bytes come together complete the object once", async () => {
  const c = await besideTwoHolders();
  // Three parts: the first to end takes the third, and the ends of the other two are heard of when all have come.
  const ended: NodeId[] = [];
  const all = Promise.withResolvers<void>();
  cluster.onLast = (_id, from) => {
    ended.push(from);
    if (ended.length === 1) return;
    if (ended.length === 3) all.resolve();
    return all.promise;
  };
  await c.getObject(far, get);
  await new Promise((resolve) => setImmediate(resolve));
  expect(ended.length).toBe(3);
  expect(ended[1]).not.toBe(ended[2]!);
  expect(c.usage().pulls).toBe(0);
  expect(c.isLocal(id)).toBe(true);
});

test("an object ends when owner and holders on all nodes have let go", async () => {
  const a = await cluster.node("a");
  const b = await cluster.node("b");
  await putBytes(a, driver, id, { home, bytes: MB });
  b.references(far, { changes: [{ op: "hold", id, home }] });
  await b.flushReferences(far);
  await b.getObject(far, get);
  a.references(driver, { changes: [{ op: "disown", id, home }] });
  expect(a.isLocal(id)).toBe(true);
  b.references(far, { changes: [{ op: "drop", id, home }] });
  await b.flushReferences(far);
  expect(a.isLocal(id)).toBe(false);
  await until(() => cluster.freed.length > 0);
  expect(cluster.freed).toEqual([id]);
  expect(b.isLocal(id)).toBe(false);
  // The reader there still sees its bytes.
  expect(b.usage().pinned).toBeGreaterThan(MB);
  b.processDied(far);
  expect(b.usage()).toMatchObject({ used: 0, pinned: 0, objects: 0 });
  expect(a.usage()).toMatchObject({ used: 0, pinned: 0, objects: 0 });
});

test("a range is not used again while a view of it lives", async () => {
  const a = await cluster.node("a", { graceMs: 20 });
  await putBytes(a, driver, id, { home, bytes: 10 * MB, fill: 4 });
  const { place } = await a.getObject(worker, get);
  if (place.type !== "shm") throw new Error("expected shared memory");
  const view = new Uint8Array(new ObjectReader().read(place, () => {}).buffers[0]!);
  a.references(driver, { changes: [{ op: "disown", id, home }] });
  expect(a.isLocal(id)).toBe(false);
  await putBytes(a, driver, second, { home, bytes: 5 * MB, fill: 5 });
  expect(await a.createObject(driver, { id: putId(driver, 3), size: 5 * MB }).catch((error) => error.code))
    .toBe("ObjectStoreFullError");
  expect(view.every((byte) => byte === 4)).toBe(true);
  a.unpin(worker, { id, count: 1 });
  expect((await a.createObject(driver, { id: putId(driver, 3), size: 5 * MB })).offset).toBe(0);
});

test("what an object contains lives as long as the object", async () => {
  const a = await cluster.node("a");
  const b = await cluster.node("b");
  await putBytes(a, driver, id, { home, bytes: MB });
  // A task on the other node returns an object of its own that contains the driver's.
  await putBytes(b, far, second, { home, bytes: MB, contains: [{ id, home }] });
  a.references(driver, { changes: [{ op: "disown", id, home }] });
  expect(a.isLocal(id)).toBe(true);
  a.references(driver, { changes: [{ op: "own", id: second, home, at: other }] });
  a.references(driver, { changes: [{ op: "disown", id: second, home }] });
  await until(() => cluster.freed.length === 2);
  expect(cluster.freed).toEqual([second, id]);
  expect(a.isLocal(id)).toBe(false);
});

test("objects of a dead process go unless somebody holds them; its unfinished ones go at once", async () => {
  const a = await cluster.node("a");
  await putBytes(a, driver, id, { home, bytes: MB });
  await putBytes(a, driver, second, { home, bytes: MB });
  a.references(worker, { changes: [{ op: "hold", id: second, home }] });
  await a.createObject(driver, { id: putId(driver, 3), size: MB });
  a.references(driver, { changes: [{ op: "own", id: "a-1" as ActorId, home, at: null }] });
  a.processDied(driver);
  expect(a.objects().map((report) => report.id)).toEqual([second]);
  expect(cluster.deadActors).toEqual(["a-1" as ActorId]);
  a.processDied(worker);
  expect(a.usage()).toMatchObject({ used: 0, objects: 0 });
});

test("a lost object fails its getters with the GCS's reason", async () => {
  const a = await cluster.node("a");
  const got = a.getObject(driver, get);
  cluster.lose(id, new ObjectFreedError(`${id} was freed`, { objectId: id }));
  await expect(got).rejects.toThrow(ObjectFreedError);
});

test("a cancelled get asks nobody any more", async () => {
  const a = await cluster.node("a");
  const got = a.getObject(driver, get);
  a.cancelGet(driver, { requestId: "1" });
  await expect(got).rejects.toThrow("the caller no longer waits");
  expect(cluster.openQuestions).toBe(0);
  expect(a.usage().pulls).toBe(0);
});

test("a creator in a full store waits for room, and fails with a table of who holds what", async () => {
  const a = await cluster.node("a", { graceMs: 50 });
  await putBytes(a, driver, id, { home, bytes: 10 * MB });
  const failed = await a.createObject(worker, { id: second, size: 8 * MB }).catch((error) => error);
  expect(failed.code).toBe("ObjectStoreFullError");
  expect(failed.message).toContain("Owners: d-1 1 object 10502144 bytes. Read by: nobody.");
  expect(cluster.collections).toBeGreaterThan(1); // Several in a grace: one may leave some behind.
  const waiting = a.createObject(worker, { id: second, size: 8 * MB });
  a.references(driver, { changes: [{ op: "disown", id, home }] });
  expect((await waiting).offset).toBe(0);
  const tooLarge = await a.createObject(worker, { id: putId(worker, 9), size: 17 * MB }).catch((error) =>
    error
  );
  expect(tooLarge.code).toBe("ObjectStoreFullError");
  expect(tooLarge.message).toContain("has 16777216 bytes in all");
});

test("copies of other nodes' objects are evicted for new ones, but not while they are read", async () => {
  const a = await cluster.node("a", { objectStoreBytes: 64 * MB });
  const b = await cluster.node("b", { graceMs: 30 });
  await putBytes(a, driver, id, { home, bytes: 7 * MB });
  await putBytes(a, driver, second, { home, bytes: 7 * MB });
  await b.getObject(far, get);
  await b.getObject(far, { ...get, requestId: "2", id: second });
  expect(await b.createObject(far, { id: putId(far, 1), size: 7 * MB }).catch((error) => error.code))
    .toBe("ObjectStoreFullError");
  b.unpin(far, { id, count: 1 });
  await b.createObject(far, { id: putId(far, 1), size: 7 * MB });
  expect(b.isLocal(id)).toBe(false);
  expect(b.isLocal(second)).toBe(true);
  expect(cluster.reports.get(id)!.has(other)).toBe(false);
});

test("a lease's arguments arrive together and stay until it ends", async () => {
  const a = await cluster.node("a", { objectStoreBytes: 64 * MB });
  const b = await cluster.node("b");
  for (const [index, object] of [id, second, putId(driver, 3), putId(driver, 4)].entries()) {
    await putBytes(a, driver, object, { home, bytes: 6 * MB, fill: index });
  }
  const refs = (ids: ObjectId[]) => ids.map((object) => ({ id: object, home, bytes: 6 * MB }));
  await b.pinArguments("lease-1", refs([id, second, id]));
  let secondReady = false;
  const later = b.pinArguments("lease-2", refs([putId(driver, 3), putId(driver, 4)])).then(() =>
    secondReady = true
  );
  await new Promise((resolve) => setImmediate(resolve));
  expect(secondReady).toBe(false);
  expect(b.isLocal(id) && b.isLocal(second)).toBe(true);
  b.releaseArguments("lease-1");
  await later;
  expect(b.isLocal(putId(driver, 3)) && b.isLocal(putId(driver, 4))).toBe(true);
  b.releaseArguments("lease-2");
  b.releaseArguments("lease-2");
  expect(b.usage().pinned).toBe(0);
});

test("a copy whose source died is the one to keep", async () => {
  const a = await cluster.node("a");
  const b = await cluster.node("b");
  await putBytes(a, driver, id, { home, bytes: MB });
  await b.getObject(far, get);
  cluster.kill("a");
  expect(b.objects()[0]).toMatchObject({ id, primary: true });
});

test("remote drivers write and read by messages, within the object's bounds", async () => {
  const a = await cluster.node("a");
  await putBytes(a, driver, id, { home, bytes: MB });
  const { place } = await a.getObject(driver, get, { remote: true });
  expect(place).toEqual({ type: "remote", size: MB + 16384 });
  expect([...a.readObject(driver, { id, offset: 16384, length: 3 })]).toEqual([7, 7, 7]);
  expect(() => a.readObject(driver, { id, offset: MB, length: MB })).toThrow(RangeError);
  expect(() => a.writeObject(driver, { id, offset: 0 }, new Uint8Array(1))).toThrow(ObjectLostError);
  await a.createObject(driver, { id: second, size: 100 });
  expect(() => a.writeObject(driver, { id: second, offset: 99 }, new Uint8Array(2))).toThrow(RangeError);
  await expect(a.createObject(driver, { id: "x" as ObjectId, size: 100 })).rejects.toThrow(
    "x is not an object id",
  );
  await expect(a.createObject(driver, { id: second, size: 1.5 })).rejects.toThrow("1.5 is not the size");
  expect(
    a.putInline(
      driver,
      { id: second, home, owner: driver, isError: false, contains: [] },
      new Uint8Array(50),
    ),
  )
    .rejects.toThrow("wrong magic number");
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}
