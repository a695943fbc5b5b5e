/**
 * What leaves a gate, when, and in which order.
 * @module
 */
import { expect, test } from "bun:test";
import { StoreError } from "../../runtime/io/storage/store_error.ts";
import { CommitGate } from "../../runtime/process/commit_gate.ts";

/** Commits that happen when the test says so. */
function commits(): { committed(): Promise<void>; next(error?: Error): Promise<void> } {
  const waiting: PromiseWithResolvers<void>[] = [];
  return {
    committed() {
      const waiter = Promise.withResolvers<void>();
      waiting.push(waiter);
      return waiter.promise;
    },
    async next(error) {
      const waiter = waiting.shift()!;
      if (error === undefined) waiter.resolve();
      else waiter.reject(error);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test("what waits for nothing leaves at once; behind something that waits it keeps its place", async () => {
  const store = commits();
  const gate = new CommitGate(store);
  const left: string[] = [];
  gate.pass(false, () => void left.push("free"));
  expect(left).toEqual(["free"]);
  gate.pass(true, () => void left.push("first"));
  gate.pass(false, () => void left.push("behind first"));
  gate.pass(true, () => void left.push("second"));
  expect(left).toEqual(["free"]);
  await store.next();
  expect(left).toEqual(["free", "first", "behind first"]);
  await store.next();
  expect(left).toEqual(["free", "first", "behind first", "second"]);
  expect(gate.length).toBe(0);
});

test("answers that one commit covers leave together; what is behind them waits until they are written", async () => {
  const store = commits();
  const gate = new CommitGate(store);
  const left: string[] = [];
  const answer = (name: string) => gate.pass(true, () => void left.push(name), true);
  answer("one");
  answer("two");
  gate.pass(false, () => void left.push("order"));
  answer("late");
  const written = store.next();
  void store.next();
  // Within the turn of the commit, and not yet what is behind.
  for (let n = 0; n < 10; n++) await null;
  expect(left).toEqual(["one", "two"]);
  await written;
  await new Promise((resolve) => setImmediate(resolve));
  expect(left).toEqual(["one", "two", "order"]);
  // Nobody overtakes an answer that is being written.
  void store.next();
  for (let n = 0; n < 10; n++) await null;
  gate.pass(false, () => void left.push("next"));
  expect(left).toEqual(["one", "two", "order", "late"]);
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  expect(left).toEqual(["one", "two", "order", "late", "next"]);
  expect(gate.length).toBe(0);
});

test("nothing leaves when the store failed for good", async () => {
  const store = commits();
  const gate = new CommitGate(store);
  const left: string[] = [];
  gate.pass(true, () => void left.push("promise"));
  gate.pass(false, () => void left.push("behind"));
  await store.next(new StoreError("STORE_IO", "disk gone"));
  expect(left).toEqual([]);
});
