/** Working directories end to end: packed by the driver, shipped once per node, on all runtimes, for tasks, actors and jobs. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { get, init, nodes, ready, remote, RuntimeEnvSetupError, shutdown, TaskError } from "mobula";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";

const leftovers = watchLeftovers();
const job = join(leftovers.folder, "job");
const other = join(leftovers.folder, "other");

beforeAll(async () => {
  write(job, "data/a.txt", "of the job");
  write(job, "helper.ts", "export const help = (x: number): number => x * 2;");
  write(job, "ignored.log");
  write(job, ".gitignore", "*.log");
  write(job, "node_modules/own/index.js");
  write(other, "data/a.txt", "of the task");
  await init({
    numCpus: 2,
    numNodes: 2,
    dashboard: false,
    runtimeEnv: { workingDir: job, env: { A: "a", B: "b" } },
  });
});
afterAll(async () => {
  await shutdown();
  rmSync(job, { recursive: true, force: true });
  rmSync(other, { recursive: true, force: true });
  await leftovers.check();
});

function write(folder: string, path: string, text: string = path): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

const look = remote(async () => {
  const { readdirSync, readFileSync } = await import("node:fs");
  const { A, B, C } = process.env;
  return {
    names: readdirSync(".").sort(),
    text: readFileSync("data/a.txt", "utf8"),
    env: [A, B, C],
    cwd: process.cwd(),
  };
});

test("a job's folder is the working directory of its workers on all runtimes, without what is ignored", async () => {
  const seen = await get(
    (["bun", "deno", "node"] as const).map((runtime) => look.options({ runtimeEnv: { runtime } }).remote()),
  );
  for (const { names, text, env } of seen) {
    expect({ names, text, env }).toEqual({
      names: [".gitignore", "data", "helper.ts"],
      text: "of the job",
      env: ["a", "b", undefined],
    });
  }
  expect(seen[0]!.cwd).not.toBe(process.cwd());
});

test("modules of the folder can be imported", async () => {
  const use = remote(async (module: string, x: number) => (await import(module)).help(x));
  expect(
    await get(
      (["bun", "deno", "node"] as const).map((runtime) =>
        use.options({ runtimeEnv: { runtime } }).remote("./helper.ts", 4)
      ),
    ),
  ).toEqual([8, 8, 8]);
});

test("JOB-13 a task's variables merge with the job's key by key, its folder replaces the job's", async () => {
  const seen = await get(
    look.options({ runtimeEnv: { workingDir: other, env: { B: "b2", C: "c" } } }).remote(),
  );
  expect([seen.names, seen.text, seen.env]).toEqual([["data"], "of the task", ["a", "b2", "c"]]);
});

test("JOB-13 tasks of tasks inherit the environment of their parent", async () => {
  const parent = remote(async () => {
    const { get, remote } = await import("mobula");
    const child = remote(async () => {
      const { readFileSync } = await import("node:fs");
      const { A, B, C } = process.env;
      return [readFileSync("data/a.txt", "utf8"), A, B, C, typeof (globalThis as { Deno?: object }).Deno];
    });
    return await get([child.remote(), child.options({ runtimeEnv: { env: { C: "c2" } } }).remote()]);
  });
  const env = { runtimeEnv: { runtime: "deno", workingDir: other, env: { B: "b2", C: "c" } } } as const;
  expect(await get(parent.options(env).remote())).toEqual([
    ["of the task", "a", "b2", "c", "object"],
    ["of the task", "a", "b2", "c2", "object"],
  ]);
});

test("actors have it too, and a remote function that travels takes its folder along", async () => {
  const Reader = remote(
    class {
      async read() {
        return (await import("node:fs")).readFileSync("data/a.txt", "utf8");
      }
    },
  );
  expect(await get(Reader.remote().read.remote())).toBe("of the job");
  expect(await get(Reader.options({ runtimeEnv: { workingDir: other } }).remote().read.remote())).toBe(
    "of the task",
  );
  write(join(leftovers.folder, "third"), "data/a.txt", "of the third");
  const far = look.options({ runtimeEnv: { workingDir: join(leftovers.folder, "third") } });
  const call = remote(async (fn: typeof far) => {
    const { get } = await import("mobula");
    return (await get(fn.remote())).text;
  });
  expect(await get(call.remote(far as never))).toBe("of the third");
  rmSync(join(leftovers.folder, "third"), { recursive: true });
});

test("a folder is unpacked once per node, and every node unpacks it for itself", async () => {
  const all = await nodes();
  const places = await get(
    all.flatMap(({ nodeId }) =>
      [1, 2, 3].map(() => look.options({ schedulingStrategy: { nodeId } }).remote())
    ),
  );
  const cwds = [...new Set(places.map(({ cwd }) => cwd))];
  expect(cwds.length).toBe(2);
  for (const cwd of cwds) {
    expect(readdirSync(dirname(cwd)).filter((name) => name.startsWith("part-"))).toEqual([]);
    expect(existsSync(join(cwd, "data/a.txt"))).toBe(true);
  }
});

test("a folder that is missing or cannot travel fails what needs it, and nothing else", async () => {
  const missing = { runtimeEnv: { workingDir: join(leftovers.folder, "nowhere") } };
  const error = await rejection(get(look.options(missing).remote()));
  expect(error).toBeInstanceOf(RuntimeEnvSetupError);
  expect(error).not.toBeInstanceOf(TaskError);
  expect(error.message).toBe(`workingDir ${leftovers.folder}/nowhere is missing`);
  const Actor = remote(
    class {
      value = 1;
    },
  );
  expect(await rejection(ready(Actor.options(missing).remote()))).toBeInstanceOf(RuntimeEnvSetupError);
  write(join(leftovers.folder, "nowhere"), "data/a.txt", "there now");
  expect((await get(look.options(missing).remote())).text).toBe("there now");
  rmSync(join(leftovers.folder, "nowhere"), { recursive: true });
});

test("an archive that nobody sent or that is bad is RuntimeEnvSetupError at once, also for an actor", async () => {
  const { currentCoreWorker } = await import("../../runtime/io/core_worker/current.ts");
  const { deflateSync } = await import("node:zlib");
  const { createHash } = await import("node:crypto");
  const text = '{"format":1,"entries":[["../evil","f",0]],"chunks":[]}';
  const hash = createHash("sha256").update(text).digest("hex");
  await currentCoreWorker()!.link.request("exportFunction", {
    hash: `folder-${hash}`,
    kind: "folder",
    name: "evil",
  }, [
    deflateSync(text),
  ]);
  const bad = { runtimeEnv: { workingDir: `mobula-folder:${hash}` } };
  const startMs = performance.now();
  const error = await rejection(get(look.options(bad).remote()));
  expect(error).toBeInstanceOf(RuntimeEnvSetupError);
  expect(error.message).toBe(
    'Cannot set up its runtime environment: The folder is refused: the path "../evil" does not stay in its folder',
  );
  expect(performance.now() - startMs).toBeLessThan(1_500);
  const Actor = remote(
    class {
      value = 1;
    },
  );
  expect(await rejection(ready(Actor.options(bad).remote()))).toBeInstanceOf(RuntimeEnvSetupError);
});

test("a worker that cannot start fails its tasks with the end of its log", async () => {
  const broken = { runtimeEnv: { runtime: "node", env: { NODE_OPTIONS: "--no-such-flag" } } } as const;
  const error = await rejection(get(look.options(broken).remote()));
  expect(error).toBeInstanceOf(RuntimeEnvSetupError);
  expect(error.message).toContain("its log ends: ");
  expect(error.message).toContain("--no-such-flag is not allowed in NODE_OPTIONS");
});
