/**
 * The store on a real libSQL server: durable there, readable at a replica, patient while the server is away.
 * @module
 */
import { expect, test } from "bun:test";
import { createClient } from "@libsql/client";
import type { StoreError } from "../../../runtime/io/storage/store_error.ts";
import { RUNTIMES } from "../../support/run_program.ts";
import { testUnless } from "../../support/skip.ts";
import { skipReason } from "../../support/toolchain.ts";
import { type Sqld, startSqld } from "./sqld_fixture.ts";
import { kv, open, task, temporaryFolder, until } from "./store_fixture.ts";

const testWithSqld = testUnless(skipReason("sqld"));

testWithSqld("a primary takes the writes, its replica serves them to readers", async () => {
  using folder = temporaryFolder();
  const servers: Sqld[] = [];
  try {
    const primary = await startSqld({ dir: folder.path, name: "primary" });
    servers.push(primary);
    const store = await open(folder.path, { url: primary.url });
    expect(store.loaded).toMatchObject({ isNew: true, epoch: 1 });
    store.write(kv("key", "value"));
    store.write({
      table: "functions",
      put: { hash: "h", kind: "function", name: "f", createdMs: 1, source: new Uint8Array([0, 255]) },
    });
    for (let index = 0; index < 700; index++) store.record(task(`t-${index}`));
    await store.committed();
    expect([...(await store.readFunction("h"))!.source]).toEqual([0, 255]);

    const replica = await startSqld({ dir: folder.path, name: "replica", primary });
    servers.push(replica);
    const reader = createClient({ url: replica.url });
    const count = async (table: string) =>
      Number((await reader.execute(`SELECT count(*) AS n FROM ${table}`)).rows[0]!.n);
    await until(async () => await count("tasks").catch(() => 0) === 700);
    expect(await count("kv")).toBe(1);
    reader.close();
    await store.close();
    // A head that knows of a replica reads history there; from the primary when the replica does not answer.
    for (const url of [replica.url, "http://127.0.0.1:9"]) {
      process.env.MOBULA_STORE_REPLICA_URL = url;
      const reading = await open(folder.path, { url: primary.url });
      const newest = await reading.query({ table: "tasks", limit: 3 });
      expect(newest.map((row) => row.taskId)).toEqual(["t-699", "t-698", "t-697"]);
      await reading.close();
    }
  } finally {
    delete process.env.MOBULA_STORE_REPLICA_URL;
    for (const server of servers) await server.kill();
  }
}, 30_000);

testWithSqld(
  "while the server is away writes wait and say why; when it is back they are there, in order",
  async () => {
    using folder = temporaryFolder();
    let server = await startSqld({ dir: folder.path, name: "primary" });
    try {
      const states: { waiting: boolean; message: string }[] = [];
      const store = await open(folder.path, { url: server.url, onState: (state) => states.push(state) });
      store.write(kv("before", "1"));
      await store.committed();
      await server.kill();
      for (let index = 0; index < 1_200; index++) store.write(kv("counter", String(index)));
      let done = false;
      const committed = store.committed().then(() => done = true);
      await until(() => states.length > 0);
      expect(states[0]).toMatchObject({ waiting: true });
      expect(store.waitingFor).toContain("does not answer");
      expect(done).toBe(false);
      server = await startSqld({ dir: folder.path, name: "primary", ports: server.ports });
      await committed;
      expect(store.waitingFor).toBeNull();
      await store.close();
      const again = await open(folder.path, { url: server.url });
      expect(again.loaded.epoch).toBe(2);
      expect(again.loaded.kv.map((row) => [row.key, new TextDecoder().decode(row.value)]))
        .toEqual([["before", "1"], ["counter", "1199"]]);
      await again.close();
    } finally {
      await server.kill();
    }
  },
  30_000,
);

for (const runtime of RUNTIMES) {
  testWithSqld(
    `a second head on one server takes over, and the first one's next commit fails (${runtime})`,
    async () => {
      using folder = temporaryFolder();
      const server = await startSqld({ dir: folder.path, name: "primary" });
      try {
        const fatal = Promise.withResolvers<StoreError>();
        const first = await open(folder.path, { url: server.url, runtime, onFatal: fatal.resolve });
        const second = await open(folder.path, { url: server.url, runtime });
        expect(second.loaded.epoch).toBe(2);
        first.write(kv("stale", "1"));
        expect(await first.committed().catch((error: StoreError) => error)).toMatchObject({
          code: "STORE_SUPERSEDED",
        });
        expect((await fatal.promise).code).toBe("STORE_SUPERSEDED");
        second.write(kv("fresh", "1"));
        await second.committed();
        expect((await second.query({ table: "kv" })).map((row) => row.key)).toEqual(["fresh"]);
        await second.close();
      } finally {
        await server.kill();
      }
    },
    30_000,
  );
}

test("a server that is not there is waited for, and closing gives up", async () => {
  using folder = temporaryFolder();
  const waiting = Promise.withResolvers<string>();
  const opening = open(folder.path, {
    url: "http://127.0.0.1:9",
    openTimeoutMs: 300,
    onState: (state) => waiting.resolve(state.message),
  });
  expect(await waiting.promise).toContain("http://127.0.0.1:9");
  await expect(opening).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
});
