/**
 * Workers run mobula's modules from a bundle in the cache: on each runtime, with one instance of mobula for whatever imports
 * it, and from the modules themselves where there is no bundle to trust.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { get, init, put, remote, shutdown } from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import { WorkerBundles } from "../../runtime/process/worker_bundle.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { childOf } from "../support/processes.ts";
import { RUNTIMES } from "../support/run_program.ts";

const leftovers = watchLeftovers();
const folder = mkdtempSync(join(tmpdir(), "mobula-workers-"));
const previous = process.env.MOBULA_CACHE_DIR;
const theirModule = join(folder, "node_modules/user/user.js");
let caches = 0;

/** An empty cache, in which nothing has been made yet. */
function newCache(): string {
  const cache = join(folder, `cache${caches++}`);
  process.env.MOBULA_CACHE_DIR = cache;
  return cache;
}

const start = () => init({ numCpus: 1, dashboard: false, objectStoreBytes: 16 << 20, logToDriver: false });

/** What the head, its store process and the agent run, by the module that each is. */
function started(): [module: string, file: string][] {
  const { head, agents } = currentDriver()!.local!;
  const store = readFileSync(`/proc/${childOf(head.process.pid!, "store_process")}/cmdline`, "utf8");
  const commands = [head.process.spawnargs, agents[0]!.process.spawnargs, store.split("\0").slice(0, -1)];
  return commands.map((command) => {
    const module = command.at(-1)!;
    return [module, command.find((part) => part.endsWith("cluster.js")) ?? module];
  });
}

const program = remote(() => [process.pid, process.argv[1]!] as const);

beforeAll(() => {
  // A package that imports mobula by itself, as one that is installed does.
  const user = join(folder, "node_modules/user");
  mkdirSync(user, { recursive: true });
  symlinkSync(join(import.meta.dirname, "../.."), join(folder, "node_modules/mobula"));
  writeFileSync(
    join(user, "package.json"),
    `{ "name": "user", "version": "1.0.0", "type": "module", "exports": "./user.js" }`,
  );
  writeFileSync(theirModule, `export { get, put, TaskError } from "mobula";`);
});
afterEach(() => shutdown());
afterAll(async () => {
  if (previous === undefined) delete process.env.MOBULA_CACHE_DIR;
  else process.env.MOBULA_CACHE_DIR = previous;
  rmSync(folder, { recursive: true });
  await leftovers.check();
});

describe("a bundle", () => {
  for (const runtime of RUNTIMES) {
    test(`is what a worker on ${runtime} runs once it is made, with one mobula in it`, async () => {
      const cache = newCache();
      await new WorkerBundles((line) => expect(line).toBe("")).settled(runtime);
      await start();
      const env = { runtime };
      const [, path] = await get(program.options({ runtimeEnv: env }).remote());
      expect(path).toStartWith(join(cache, "workers", `${runtime}-`));
      // The others of the cluster run on Bun here, from their own bundle where it is made.
      const own = runtime === "bun" ? path.replace("worker.js", "cluster.js") : null;
      for (const [module, file] of started()) expect(file).toBe(own ?? module);
      const inside = remote(async (value: unknown, user: string) => {
        const own = await import("mobula");
        const theirs = await import(user) as typeof own;
        const failing = own.remote(() => {
          throw new RangeError("too far");
        });
        const error = await theirs.get(failing.remote()).catch((thrown: unknown) => thrown);
        return {
          same: own.put === theirs.put && own.TaskError === theirs.TaskError,
          fetched: await theirs.get(await own.put(value)),
          isTaskError: error instanceof theirs.TaskError,
        };
      });
      expect(await get(inside.options({ runtimeEnv: env }).remote(await put("value"), theirModule))).toEqual({
        same: true,
        fetched: "value",
        isTaskError: true,
      });
    });
  }

  test("that is not made yet keeps nobody waiting, and is there for later workers", async () => {
    const cache = newCache();
    await start();
    const [first, path] = await get(program.remote());
    expect(path).toEndWith("runtime/process/worker_main.ts");
    await new WorkerBundles((line) => expect(line).toBe("")).settled("bun");
    await shutdown();
    await start();
    const [second, later] = await get(program.remote());
    expect(second).not.toBe(first);
    expect(later).toStartWith(join(cache, "workers", "bun-"));
  });

  test("is not taken from a folder that others may write to", async () => {
    const cache = newCache();
    await new WorkerBundles((line) => expect(line).toBe("")).settled("bun");
    chmodSync(join(cache, "workers"), 0o777);
    const said: string[] = [];
    const bundles = new WorkerBundles((line) => said.push(line));
    await bundles.settled("bun");
    expect(bundles.entryFor("bun")).toBeNull();
    expect(said).toEqual([`workers start without a bundle: others may write to ${join(cache, "workers")}`]);
    await start();
    expect((await get(program.remote()))[1]).toEndWith("runtime/process/worker_main.ts");
  });

  test("that was deleted is not started", async () => {
    const cache = newCache();
    await new WorkerBundles((line) => expect(line).toBe("")).settled("bun");
    const bundles = new WorkerBundles((line) => expect(line).toBe(""));
    expect(bundles.entryFor("bun")).toStartWith(cache);
    rmSync(cache, { recursive: true });
    expect(bundles.entryFor("bun")).toBeNull();
  });
});
