/**
 * The head's function and key-value tables, on a real store.
 * @module
 */
import { expect, test } from "bun:test";
import type { GcsStore } from "../../runtime/io/storage/store_client.ts";
import { FunctionTable } from "../../runtime/process/head_functions.ts";
import { KeyValueTable, KV_KEY_LENGTH_MAX, KV_VALUE_BYTES_MAX } from "../../runtime/process/head_kv.ts";
import { open, temporaryFolder } from "../io/storage/store_fixture.ts";

async function withStore(run: (store: GcsStore, dir: string) => Promise<void>): Promise<void> {
  using folder = temporaryFolder();
  const store = await open(folder.path);
  try {
    await run(store, folder.path);
  } finally {
    await store.close();
  }
}

async function failure(promise: Promise<unknown>): Promise<Error> {
  return await promise.then(() => new Error("it did not fail"), (error) => error as Error);
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("who asks for a function whose export is under way waits for it; a bounded time for one that never comes", () =>
  withStore(async (store) => {
    const table = new FunctionTable(store, store.loaded, () => 1, 30);
    const waiting = table.fetch("h");
    await table.export("h", "function", "add", [bytes("source")]);
    expect(await waiting).toMatchObject({ kind: "function", name: "add", sections: [bytes("source")] });
    expect((await failure(table.fetch("other"))).message).toContain("never exported");
    expect(await failure(table.export("x", "module" as never, "x", [bytes("y")]))).toBeInstanceOf(TypeError);
    expect(await failure(table.export("x", "class", "x", [new Uint8Array(0)]))).toBeInstanceOf(TypeError);
  }));

test("a function that is not in memory any more is read from the store", async () => {
  using folder = temporaryFolder();
  const first = await open(folder.path);
  await new FunctionTable(first, first.loaded, () => 1).export("h", "class", "Counter", [
    bytes("class {}"),
    bytes("captured"),
  ]);
  await first.close();
  const second = await open(folder.path);
  const table = new FunctionTable(second, second.loaded, () => 1);
  expect(await table.fetch("h")).toMatchObject({ kind: "class", name: "Counter" });
  expect((await table.fetch("h")).sections).toEqual([bytes("class {}"), bytes("captured")]);
  await second.close();
});

test("keys are put, kept, listed in order and removed; each answer says whether the key was there", () =>
  withStore(async (store) => {
    const kv = new KeyValueTable(store, store.loaded);
    expect(await kv.put("b", bytes("1"), false)).toBe(false);
    expect(await kv.put("a", bytes("2"), false)).toBe(false);
    expect(await kv.put("a", bytes("3"), false)).toBe(true);
    expect(await kv.get("a")).toEqual(bytes("2"));
    expect(await kv.put("a", bytes("4"), true)).toBe(true);
    expect(await kv.get("a")).toEqual(bytes("4"));
    expect(await kv.list("")).toEqual(["a", "b"]);
    expect(await kv.list("b")).toEqual(["b"]);
    expect(await kv.delete("b")).toBe(true);
    expect(await kv.delete("b")).toBe(false);
    expect(await kv.get("b")).toBeNull();
  }));

test("a key or value beyond its limit is refused and changes nothing", () =>
  withStore(async (store) => {
    const kv = new KeyValueTable(store, store.loaded);
    const huge = new Uint8Array(KV_VALUE_BYTES_MAX + 1);
    expect(await failure(kv.put("k", huge, true))).toBeInstanceOf(RangeError);
    expect(await failure(kv.put("k".repeat(KV_KEY_LENGTH_MAX + 1), bytes("x"), true))).toBeInstanceOf(
      RangeError,
    );
    for (const key of ["", "a\0b"]) {
      expect(await failure(kv.put(key, bytes("x"), true))).toBeInstanceOf(TypeError);
    }
    expect(await kv.list("")).toEqual([]);
  }));

test("values belong to the table: what the caller does with its bytes afterwards changes nothing", () =>
  withStore(async (store) => {
    const kv = new KeyValueTable(store, store.loaded);
    const own = bytes("one");
    const put = kv.put("k", own, true);
    own.fill(0);
    await put;
    expect(await kv.get("k")).toEqual(bytes("one"));
  }));
