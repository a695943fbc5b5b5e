/**
 * The store as the head uses it: real store processes on real files. What was acknowledged is there after any kill.
 * @module
 */
import { expect, test } from "bun:test";
import { createClient } from "@libsql/client";
import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { SCHEMA_VERSION } from "../../../runtime/io/storage/migrations.ts";
import type { StoreError } from "../../../runtime/io/storage/store_error.ts";
import { runProgram, runtimeCommand, RUNTIMES } from "../../support/run_program.ts";
import { actor, kv, open, task, temporaryFolder, until } from "./store_fixture.ts";

test("what was written is loaded again, removed rows are not, and each opening has a new epoch", async () => {
  using folder = temporaryFolder();
  const first = await open(folder.path);
  expect(first.loaded).toMatchObject({
    isNew: true,
    epoch: 1,
    clusterId: "c-test",
    schemaVersion: SCHEMA_VERSION,
    kv: [],
  });
  first.write(kv("stays", "value"));
  first.write(kv("goes", "value"));
  first.write({ table: "names", put: { namespace: "ns", name: "counter", actorId: "a-1" } });
  first.write({ table: "actors", put: actor("a-1", { name: "counter", namespace: "ns" }) });
  first.write({ table: "actorSpecs", put: { actorId: "a-1", spec: "{}", args: new Uint8Array([1, 2]) } });
  first.write({ table: "actors", put: actor("a-2", { state: "DEAD", endedMs: 5 }) });
  first.write({ table: "actorSpecs", put: { actorId: "a-2", spec: "{}", args: new Uint8Array(0) } });
  first.write({ table: "kv", remove: ["goes"] });
  await first.committed();
  await first.close();

  const second = await open(folder.path, { clusterId: "c-other" });
  expect(second.loaded).toMatchObject({ isNew: false, epoch: 2, clusterId: "c-test" });
  expect(second.loaded.kv.map((row) => [row.key, new TextDecoder().decode(row.value)])).toEqual([[
    "stays",
    "value",
  ]]);
  expect(second.loaded.names).toEqual([{ namespace: "ns", name: "counter", actorId: "a-1" }]);
  expect(second.loaded.actors.map((row) => `${row.actorId} ${row.state}`).sort()).toEqual([
    "a-1 ALIVE",
    "a-2 DEAD",
  ]);
  expect(second.loaded.actorSpecs.map((row) => [row.actorId, [...row.args]])).toEqual([["a-1", [1, 2]], [
    "a-2",
    [],
  ]]);
  await second.close();
});

test("after a clean end the file alone holds everything: it can be copied", async () => {
  using folder = temporaryFolder();
  const store = await open(folder.path);
  for (let i = 0; i < 100; i++) store.write(kv(`key-${i}`, "value"));
  await store.committed();
  await store.close();
  using other = temporaryFolder();
  copyFileSync(join(folder.path, "gcs.db"), join(other.path, "gcs.db"));
  const copy = await open(other.path);
  expect(copy.loaded.kv).toHaveLength(100);
  await copy.close();
});

test("a batch leaves each row as its last write said, whatever came before in the same batch", async () => {
  using folder = temporaryFolder();
  const store = await open(folder.path);
  const location = (objectId: string, nodeId: string) =>
    ({ table: "objectLocations", put: { objectId, nodeId, isPrimary: 1 } }) as const;
  store.write(kv("a", "1"));
  store.write({ table: "kv", remove: ["a"] });
  store.write(kv("a", "2"));
  store.write(kv("b", "1"));
  store.write({ table: "kv", remove: ["b"] });
  store.write(location("o-1", "n-1"));
  store.write(location("o-1", "n-2"));
  store.write(location("o-2", "n-1"));
  store.write({ table: "objectLocations", remove: ["o-1"] });
  store.write(location("o-1", "n-3"));
  store.write({ table: "objectLocations", remove: ["o-2", "n-1"] });
  await store.committed();
  const values = await store.query({ table: "kv" });
  expect(values.map((row) => [row.key, new TextDecoder().decode(row.value as Uint8Array)])).toEqual([[
    "a",
    "2",
  ]]);
  expect(await store.query({ table: "objectLocations" })).toEqual([{
    objectId: "o-1",
    nodeId: "n-3",
    isPrimary: 1,
  }]);
  await store.close();
});

test("more rows than one batch holds are durable in order, and a waiter waits for all of its own", async () => {
  using folder = temporaryFolder();
  const store = await open(folder.path);
  for (let index = 0; index < 2_345; index++) store.write(kv(`key${index}`, String(index)));
  await store.committed();
  const client = createClient({ url: `file:${join(folder.path, "gcs.db")}` });
  const counted = await client.execute("SELECT count(*) AS n FROM kv");
  expect(Number(counted.rows[0]!.n)).toBe(2_345);
  client.close();
  await store.close();
});

test("rows that were acknowledged are there after kill -9 of the store process and of the head", async () => {
  using folder = temporaryFolder();
  const acknowledged = new Map<string, number>();
  for (const [round, victim] of (["store", "head", "store", "head"] as const).entries()) {
    acknowledged.set(
      `r${round}-`,
      await writeUntilKilled(folder.path, `r${round}-`, victim, 40 + round * 37),
    );
  }
  const store = await open(folder.path);
  const keys = new Set(store.loaded.kv.map((row) => row.key));
  for (const [prefix, last] of acknowledged) {
    expect(last).toBeGreaterThan(0);
    for (let index = 0; index <= last; index++) expect(keys.has(`${prefix}${index}`)).toBe(true);
  }
  await store.close();
}, 30_000);

/** Answers the number of the last row that was acknowledged before the kill. */
async function writeUntilKilled(
  dir: string,
  prefix: string,
  victim: "store" | "head",
  rows: number,
): Promise<number> {
  const [binary, ...args] = runtimeCommand("bun", join(import.meta.dirname, "writer_program.ts"));
  const child: ChildProcess = spawn(binary!, [...args, dir, "bun", prefix], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.on("close", (code) => resolve(code)));
  let storePid = 0;
  let last = -1;
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line.startsWith("pid ")) storePid = Number(line.slice(4));
    else last = Number(line);
    if (last === rows) process.kill(victim === "store" ? storePid : child.pid!, "SIGKILL");
  }
  const code = await ended;
  // A head whose store died exits at once, with the code that says so.
  if (victim === "store") expect(code).toBe(70);
  return last;
}

test("two heads never write one file: the second is refused while the first lives, and named so", async () => {
  using folder = temporaryFolder();
  const first = await open(folder.path);
  const refused = await open(folder.path, { lockWaitMs: 50 }).catch((error: StoreError) => error);
  expect(refused).toMatchObject({ code: "STORE_IN_USE" });
  expect((refused as StoreError).message).toContain(join(folder.path, "gcs.db"));
  first.write(kv("a", "1"));
  await first.committed();
  await first.close();
});

test("a head that was superseded fails for good at its next commit, and nothing of it is kept", async () => {
  using folder = temporaryFolder();
  const fatal = Promise.withResolvers<StoreError>();
  const store = await open(folder.path, { onFatal: fatal.resolve });
  // What another head does to a remote store; on a file the lock comes first.
  const other = createClient({ url: `file:${join(folder.path, "gcs.db")}` });
  await other.execute("UPDATE head SET epoch = epoch + 1");
  store.write(kv("late", "1"));
  const outcome = await store.committed().catch((error: StoreError) => error);
  expect(outcome).toMatchObject({ code: "STORE_SUPERSEDED" });
  expect(await fatal.promise).toMatchObject({ code: "STORE_SUPERSEDED" });
  expect(store.refusal).toMatchObject({ code: "STORE_SUPERSEDED" });
  expect((await other.execute("SELECT key FROM kv")).rows.length).toBe(0);
  other.close();
});

test("a newer, a foreign and a corrupt store are refused with what was found and what is needed", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "gcs.db");
  await (await open(folder.path)).close();
  const client = createClient({ url: `file:${path}` });
  await client.execute("INSERT INTO schema_migrations (version, name, applied_ms) VALUES (99, 'future', 1)");
  client.close();
  const newer = await open(folder.path).catch((error: StoreError) => error) as StoreError;
  expect(newer.code).toBe("STORE_NEWER");
  expect(newer.message).toContain("schema version 99");
  expect(newer.message).toContain(`needs ${SCHEMA_VERSION} or older`);

  const foreignUrl = `file:${join(folder.path, "foreign.db")}`;
  const foreign = createClient({ url: foreignUrl });
  await foreign.execute("CREATE TABLE recipes (id INTEGER)");
  foreign.close();
  expect(await open(folder.path, { url: foreignUrl }).catch((error: StoreError) => error))
    .toMatchObject({ code: "STORE_FOREIGN", message: expect.stringContaining("recipes") });

  const garbageUrl = `file:${join(folder.path, "garbage.db")}`;
  writeFileSync(
    join(folder.path, "garbage.db"),
    "this is no database, but it is long enough to be read as one\n".repeat(200),
  );
  const corrupt = await open(folder.path, { url: garbageUrl }).catch((error: StoreError) =>
    error
  ) as StoreError;
  expect(corrupt.code).toBe("STORE_CORRUPT");
  expect(corrupt.message).toContain(garbageUrl);
  expect(corrupt.message).toContain(`schema version ${SCHEMA_VERSION}`);
});

test("a URL that names no store is refused before anything is started, without repeating a password", async () => {
  using folder = temporaryFolder();
  for (const url of ["mysql://host/db", "file:", "nonsense", "file://host/x.db"]) {
    const error = await open(folder.path, { url }).catch((thrown: StoreError) => thrown) as StoreError;
    expect([url, error.code]).toEqual([url, "STORE_URL"]);
    expect(error.message).toContain("--store");
  }
  const secret = await open(folder.path, { url: "https://me:hunter2@host" }).catch((error: StoreError) =>
    error
  );
  expect(secret).toMatchObject({ code: "STORE_URL" });
  expect((secret as StoreError).message).not.toContain("hunter2");
});

test(
  "a full disk makes writes wait with a clear reason, loses nothing, and goes on when history has made room",
  async () => {
    using folder = temporaryFolder();
    const states: { waiting: boolean; message: string }[] = [];
    const fileBytesMax = 1024 * 1024;
    const store = await open(folder.path, { fileBytesMax, onState: (state) => states.push(state) });
    // History first, so that there is something that may give way.
    for (let index = 0; index < 2_000; index++) store.record(task(`t-${index}`));
    await until(() => store.counts.historyQueued === 0);
    for (let index = 0; index < 130; index++) store.write(kv(`key${index}`, "x".repeat(6_000)));
    await store.committed();
    expect(states[0]).toMatchObject({ waiting: true });
    expect(states[0]!.message).toContain("disk is full");
    expect(states.at(-1)).toMatchObject({ waiting: false });
    expect(statSync(join(folder.path, "gcs.db")).size).toBeLessThanOrEqual(fileBytesMax);
    await store.close();
    const again = await open(folder.path);
    expect(again.loaded.kv.length).toBe(130);
    await again.close();
  },
  20_000,
);

test("history is bounded in number and age, newest rows stay, and rows can be filtered", async () => {
  using folder = temporaryFolder();
  const limits = { taskRowsMax: 300, ageMs: 60_000 };
  const store = await open(folder.path, { limits });
  const nowMs = Date.now();
  for (let index = 0; index < 50; index++) store.record(task(`t-old-${index}`, "FINISHED", nowMs - 120_000));
  for (let index = 0; index < 1_000; index++) {
    store.record(task(`t-${index}`, index === 999 ? "FAILED" : "FINISHED"));
  }
  await until(() => store.counts.historyQueued === 0);
  // Pruning comes after a number of commits; make them.
  for (let index = 0; index < 520; index++) {
    store.write(kv("tick", String(index)));
    await store.committed();
  }
  const left = (await store.query({ table: "tasks", limit: 1_000 })).map((row) => row.taskId as string);
  expect(left.length).toBe(300);
  expect(left[0]).toBe("t-999");
  expect(left.some((id) => id.startsWith("t-old"))).toBe(false);
  const failed = await store.query({
    table: "tasks",
    filters: [{ property: "state", operator: "=", value: "FAILED" }, {
      property: "name",
      operator: "~",
      value: "AD",
    }],
  });
  expect(failed.map((row) => [row.taskId, row.errorType])).toEqual([["t-999", "TypeError"]]);
  const unknown = store.query({
    table: "tasks",
    filters: [{ property: "x; DROP", operator: "=", value: 1 }],
  });
  await expect(unknown).rejects.toThrow(RangeError);
  await store.close();
}, 20_000);

test("what an ended process left open has failed, and nothing else has", async () => {
  using folder = temporaryFolder();
  const store = await open(folder.path);
  for (
    const [id, state] of [["a-1", "RUNNING"], ["a-2", "PENDING_ARGS_AVAIL"], ["ab-1", "RUNNING"]] as const
  ) {
    store.record(task(`t-${id}`, state));
  }
  store.record(task("t-a-3", "RUNNING"));
  store.record(task("t-a-3", "FINISHED"));
  store.record({ table: "tasks", orphaned: { owner: "a", endMs: 77, message: "it ended" } });
  await until(() => store.counts.historyQueued === 0);
  // In the order of commits: a query sees what was committed before.
  store.write(kv("tick", "1"));
  await store.committed();
  const rows = await store.query({ table: "tasks" });
  const shown = rows.map((
    row,
  ) => [row.taskId, row.state, row.errorType === null ? null : row.errorMessage, row.endMs]);
  expect(shown.filter(([, , message]) => message === "it ended").sort()).toEqual([
    ["t-a-1", "FAILED", "it ended", 77],
    ["t-a-2", "FAILED", "it ended", 77],
  ]);
  const stateOf = (id: string) => rows.find((row) => row.taskId === id)!.state;
  expect([stateOf("t-ab-1"), stateOf("t-a-3")]).toEqual(["RUNNING", "FINISHED"]);
  await store.close();
});

test("a value that no frame can carry is refused at the call, and the store goes on", async () => {
  using folder = temporaryFolder();
  const store = await open(folder.path);
  const huge = new Uint8Array(33 * 1024 * 1024);
  expect(() => store.write({ table: "kv", put: { key: "huge", value: huge } })).toThrow(RangeError);
  store.write({ table: "kv", put: { key: "large", value: huge.subarray(0, 20 * 1024 * 1024) } });
  await store.committed();
  await store.close();
  const again = await open(folder.path);
  expect(again.loaded.kv.map((row) => [row.key, row.value.length])).toEqual([["large", 20 * 1024 * 1024]]);
  await again.close();
});

test(
  "Bun, Deno and Node open, write and read one store, each with a store process of its own kind",
  async () => {
    using folder = temporaryFolder();
    const program = join(import.meta.dirname, "three_runtimes_program.ts");
    const seen: string[] = [];
    for (const [index, runtime] of RUNTIMES.entries()) {
      const output = JSON.parse(await runProgram(runtime, program, { args: [folder.path] }));
      expect(output).toEqual({ epoch: index + 1, clusterId: "c-three", seen: [...seen].sort(), same: true });
      seen.push(`${runtime}=0.255.${index + 1}`);
    }
  },
  30_000,
);

test("whatever texts and numbers rows hold come back as they were", async () => {
  using folder = temporaryFolder();
  const texts = [
    "",
    "'; DROP TABLE kv; --",
    "zero\0inside",
    "größe 🐟 \u2028",
    '"\\%_?1',
    "x".repeat(100_000),
  ];
  const numbers = [0, -1, 1, 2 ** 31, 2 ** 53 - 1, -(2 ** 53 - 1)];
  const store = await open(folder.path);
  for (const [index, text] of texts.entries()) {
    store.write({ table: "names", put: { namespace: text, name: `name ${index}`, actorId: text } });
    store.write({
      table: "objectLocations",
      put: { objectId: `o-${index}`, nodeId: text, isPrimary: numbers[index]! },
    });
  }
  await store.committed();
  await store.close();
  const again = await open(folder.path);
  const byName = [...again.loaded.names].sort((a, b) => a.name < b.name ? -1 : 1);
  // The binding would cut a text at a NUL.
  const kept = texts.map((text) => text.replace("\0", "\ufffd"));
  expect(byName.map((row) => row.namespace)).toEqual(kept);
  expect(byName.map((row) => row.actorId)).toEqual(kept);
  expect(again.loaded.objectLocations.map((row) => row.isPrimary)).toEqual(numbers);
  for (const [index, text] of texts.entries()) {
    again.write({ table: "names", remove: [text, `name ${index}`] });
  }
  await again.committed();
  expect(await again.query({ table: "names" })).toEqual([]);
  await again.close();
});
