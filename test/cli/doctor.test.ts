/** `mobula doctor` on a session folder without a cluster: what it finds, and what it says to do. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { createClient } from "@libsql/client";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Finding } from "../../runtime/cli/doctor_checks.ts";
import { CliSession } from "../support/cli.ts";

let session: CliSession;
beforeEach(() => {
  session = new CliSession();
  mkdirSync(join(session.sessionDir, "store"), { recursive: true });
  chmodSync(session.sessionDir, 0o700);
  writeFileSync(join(session.sessionDir, "token"), "secret", { mode: 0o600 });
});
afterEach(() => session.end());

async function doctor(
  env: Record<string, string> = {},
): Promise<{ code: number | null; by: Map<string, Finding> }> {
  const { code, out } = await session.mobula(["doctor", "--json"], { env });
  return { code, by: new Map((JSON.parse(out) as Finding[]).map((finding) => [finding.check, finding])) };
}

test("a good machine without a cluster: nothing is bad, and all that is looked at is told", async () => {
  const { code, by } = await doctor();
  expect([...by.values()].filter(({ state }) => state === "bad")).toEqual([]);
  expect(code).toBe(0);
  expect([...by.keys()]).toEqual([
    ...["bun", "deno", "node", "shared memory", "memory", "open files", "port 6380", "port 8265"],
    ...["session folder", "token", "store file", "cluster"],
  ]);
  expect(by.get("bun")!.found).toMatch(/^1\.\d+\.\d+ \(\//);
  expect((await session.mobula(["doctor"])).out).toMatch(/^session folder +ok +\S+ has mode 700$/m);
});

test("a token that others can read, a runtime that is none, a taken port: each with what to do", async () => {
  chmodSync(join(session.sessionDir, "token"), 0o644);
  const server = createServer();
  await new Promise<void>((resolve) =>
    server.once("error", () => resolve()).listen(8265, "127.0.0.1", resolve)
  );
  try {
    const { code, by } = await doctor({ MOBULA_DENO: "/bin/true" });
    expect(code).toBe(1);
    expect(by.get("token")).toMatchObject({ state: "bad", advice: expect.stringContaining("chmod 600") });
    expect(by.get("deno")).toMatchObject({
      state: "bad",
      advice: expect.stringContaining("install deno 2.9"),
    });
    expect(by.get("port 8265")).toMatchObject({
      state: "warn",
      advice: expect.stringContaining("next free one"),
    });
  } finally {
    server.close();
  }
});

test("a whole store file is whole, a damaged one is bad, and neither is changed", async () => {
  const file = join(session.sessionDir, "store", "gcs.db");
  const client = createClient({ url: `file:${file}` });
  await client.execute("CREATE TABLE t (x TEXT)");
  for (let i = 0; i < 20; i++) {
    await client.execute({ sql: "INSERT INTO t VALUES (?)", args: ["y".repeat(2_000)] });
  }
  client.close();
  expect((await doctor()).by.get("store file")).toMatchObject({
    state: "ok",
    found: expect.stringContaining("whole"),
  });
  const bytes = readFileSync(file);
  bytes.fill(0xab, 4_096, 12_000);
  writeFileSync(file, bytes);
  const { code, by } = await doctor();
  expect(code).toBe(1);
  expect(by.get("store file")).toMatchObject({
    state: "bad",
    advice: expect.stringContaining("another --store"),
  });
  expect(readFileSync(file).equals(bytes)).toBe(true);
  expect(statSync(file).size).toBe(bytes.length);
});

test("a cluster that was named and is not there is bad", async () => {
  const { out, code } = await session.mobula(["doctor", "--address", "127.0.0.1:1", "--json"]);
  expect(code).toBe(1);
  expect((JSON.parse(out) as Finding[]).at(-1)).toMatchObject({ check: "cluster", state: "bad" });
});
