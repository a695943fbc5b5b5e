/**
 * What others may be sent of an object on its way here: what is checked, from where something is coming, and an answer in
 * every other case.
 */
import { beforeEach, expect, test } from "bun:test";
import type { NodeId, ObjectId } from "../../../runtime/common/ids.ts";
import { IncomingObject, TAKEN_ON_MS } from "../../../runtime/io/store/incoming_object.ts";

const MB = 1024 * 1024;
const a = "n-a" as NodeId;
const b = "n-b" as NodeId;

let incoming: IncomingObject;
beforeEach(() => {
  incoming = new IncomingObject("o-x-1" as ObjectId, 64 * MB);
});

/** `node` sends these parts. */
function sends(node: NodeId, offset: number, length: number, to = incoming): void {
  to.transfers.set(node, { range: { offset, length }, abort: new AbortController() });
}

function stops(node: NodeId): void {
  incoming.transfers.delete(node);
  incoming.settle();
}

test("only checked bytes are here, across parts that are whole", () => {
  sends(a, 0, 16 * MB);
  expect(incoming.receive(0, 5 * MB)).toBe(true);
  sends(b, 16 * MB, 16 * MB);
  expect(incoming.goodFrom(0)).toBe(0);
  incoming.checked(0, 4 * MB);
  expect(incoming.goodFrom(MB)).toBe(4 * MB);
  expect(incoming.goodFrom(4 * MB)).toBe(4 * MB);
  incoming.checked(16 * MB, 20 * MB);
  expect(incoming.goodFrom(0)).toBe(4 * MB);
  incoming.checked(0, 16 * MB);
  expect(incoming.goodFrom(0)).toBe(20 * MB);
  expect(incoming.goodBytes({ offset: 16 * MB, length: 16 * MB })).toBe(4 * MB);
});

test("only the next bytes of a part are received, across the parts of one stream; unchecked ones come again", () => {
  expect(incoming.receive(0, 20 * MB)).toBe(true);
  expect(incoming.receive(0, MB)).toBe(false);
  expect(incoming.receive(21 * MB, MB)).toBe(false);
  expect(incoming.receive(48 * MB, MB)).toBe(true);
  expect(incoming.receive(60 * MB, 5 * MB)).toBe(false);
  expect(incoming.receive(64 * MB, 1)).toBe(false);
  incoming.checked(0, 18 * MB);
  incoming.forgetUnchecked(incoming.parts);
  expect(incoming.arrivedBytes).toBe(18 * MB);
  expect(incoming.receive(18 * MB, MB)).toBe(true);
  expect(incoming.isComplete).toBe(false);
  incoming.checked(18 * MB, 64 * MB);
  expect(incoming.isComplete).toBe(true);
});

test("who begins with a byte that is here is taken on at once; with one that is about to come, then", async () => {
  sends(a, 0, 64 * MB);
  incoming.checked(0, MB);
  expect(await incoming.reaches(0)).toBe(true);
  const next = incoming.reaches(MB);
  incoming.checked(0, 2 * MB);
  expect(await next).toBe(true);
});

test("who begins far ahead, where nothing comes, or behind the end is not taken on", async () => {
  expect(await incoming.reaches(0)).toBe(false);
  sends(a, 0, 32 * MB);
  expect(await incoming.reaches(20 * MB)).toBe(false);
  expect(await incoming.reaches(40 * MB)).toBe(false);
  expect(await incoming.reaches(64 * MB)).toBe(false);
});

test("two that lack the same byte do not wait for each other for ever", async () => {
  const other = new IncomingObject(incoming.id, incoming.bytes);
  sends(a, 0, 64 * MB);
  sends(b, 0, 64 * MB, other);
  const startMs = performance.now();
  expect(await Promise.all([incoming.reaches(0), other.reaches(0)])).toEqual([false, false]);
  expect(performance.now() - startMs).toBeGreaterThan(TAKEN_ON_MS - 10);
  expect(incoming.isAwaited || other.isAwaited).toBe(false);
});

test("who waits for bytes hears when they come, and when nobody sends them any more", async () => {
  sends(a, 0, 64 * MB);
  incoming.checked(0, MB);
  const first = incoming.arrival(0, 2 * MB);
  const later = incoming.arrival(0, 8 * MB);
  incoming.checked(0, 2 * MB);
  expect(await first).toBe(true);
  stops(a);
  expect(await later).toBe(false);
  expect(await incoming.arrival(0, 8 * MB)).toBe(false);
});

test("it ends for all who wait: with the object, or without", async () => {
  sends(a, 0, 64 * MB);
  const waits = incoming.arrival(0, MB);
  incoming.end("sealed");
  expect(await waits).toBe(true);
  const dropped = new IncomingObject(incoming.id, MB);
  sends(a, 0, MB, dropped);
  const waiting = [dropped.arrival(0, MB), dropped.reaches(0)];
  dropped.end("dropped");
  expect(await Promise.all(waiting)).toEqual([false, false]);
  expect(await dropped.reaches(0)).toBe(false);
});
