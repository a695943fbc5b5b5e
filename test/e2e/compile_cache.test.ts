/** Node workers find their code compiled: the cache is written though workers are killed, and the next worker reads it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { get, init, remote, shutdown } from "mobula";
import { WorkerBundles } from "../../runtime/process/worker_bundle.ts";
import { watchLeftovers } from "../support/leftovers.ts";

const leftovers = watchLeftovers();
const folder = mkdtempSync(join(tmpdir(), "mobula-cache-"));
const previous = process.env.MOBULA_CACHE_DIR;

beforeAll(async () => {
  process.env.MOBULA_CACHE_DIR = folder;
  // Else it would be made meanwhile, and the workers be of both kinds.
  await new WorkerBundles((line) => expect(line).toBe("")).settled("node");
  await init({ numCpus: 1, dashboard: false, objectStoreBytes: 16 << 20, runtimeEnv: { runtime: "node" } });
});
afterAll(async () => {
  await shutdown();
  if (previous === undefined) delete process.env.MOBULA_CACHE_DIR;
  else process.env.MOBULA_CACHE_DIR = previous;
  rmSync(folder, { recursive: true });
  await leftovers.check();
});

const compiled = join(folder, "node");
const kept = (): number => existsSync(compiled) ? readdirSync(compiled, { recursive: true }).length : 0;
const compiledAt = remote(async () => {
  const { getCompileCacheDir } = await import("node:module");
  return [process.pid, getCompileCacheDir()] as const;
});

test("a node worker keeps what it compiled before it runs anything, and one that is killed leaves it behind", async () => {
  expect(kept()).toBe(0);
  const [pid, used] = await get(compiledAt.remote());
  expect(used).toStartWith(compiled);
  process.kill(pid, "SIGKILL");
  const [second] = await get(compiledAt.remote());
  expect(second).not.toBe(pid);
  const modules = kept();
  expect(modules).toBeGreaterThan(0);
  // The second one found all of it.
  process.kill(second, "SIGKILL");
  await get(compiledAt.remote());
  expect(kept()).toBe(modules);
});

test("a user's own cache, or none, stays the user's", async () => {
  const other = join(folder, "own");
  const own = compiledAt.options({ runtimeEnv: { runtime: "node", env: { NODE_COMPILE_CACHE: other } } });
  expect((await get(own.remote()))[1]).toStartWith(other);
  const none = compiledAt.options({
    runtimeEnv: { runtime: "node", env: { NODE_DISABLE_COMPILE_CACHE: "1" } },
  });
  expect((await get(none.remote()))[1]).toBeUndefined();
});
