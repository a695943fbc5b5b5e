/** Workers that do not come up: their environment's tasks fail with the cause, and nobody else's wait for them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { get, init, nodes, remote, RuntimeEnvSetupError, shutdown, type TaskError } from "mobula";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
const folder = mkdtempSync(join(tmpdir(), "mobula-starts-"));

beforeAll(async () => {
  // Ten times what a start takes; what hangs does so five times in a row.
  process.env.MOBULA_WORKER_START_TIMEOUT_MS = "2000";
  await init({ numCpus: 2, dashboard: false, objectStoreBytes: 16 << 20 });
  delete process.env.MOBULA_WORKER_START_TIMEOUT_MS;
});
afterAll(async () => {
  await shutdown();
  rmSync(folder, { recursive: true });
  await leftovers.check();
});

const one = remote(() => 1);

/** A task in an environment of this name: Node reads a file of the name first in every worker of it. */
function preloaded(name: string): typeof one {
  const NODE_OPTIONS = `--import=${preload(name)}`;
  return one.options({ runtimeEnv: { runtime: "node", env: { NODE_OPTIONS } } });
}

function preload(name: string): string {
  return join(folder, `${name}.mjs`);
}

test("workers that die at their start fail their tasks with the log's end; others go on", async () => {
  writeFileSync(preload("dies"), 'throw new Error("this machine lacks libquux");');
  const failing = preloaded("dies").remote();
  const outcome = rejection(get(failing));
  let others = 0;
  while (await Promise.race([outcome.then(() => false), get(one.remote()).then(() => true)])) others++;
  expect(others).toBeGreaterThan(10);
  const error = await outcome;
  expect(error).toBeInstanceOf(RuntimeEnvSetupError);
  expect(error.message).toContain("this machine lacks libquux");
  expect(error.message).toContain("5 failures in a row");
  // At once, while it is in quarantine.
  const startedMs = performance.now();
  expect((await rejection(get(preloaded("dies").remote()))).message).toContain("libquux");
  expect(performance.now() - startedMs).toBeLessThan(1_000);
  expect((await nodes()).every((node) => node.alive)).toBe(true);
  writeFileSync(preload("dies"), "");
}, 40_000);

test("starts that fail for a while cost a task nothing, also one that may not be retried", async () => {
  const starts = join(folder, "starts");
  writeFileSync(
    preload("recovers"),
    `import { appendFileSync, statSync } from "node:fs";
    appendFileSync(${JSON.stringify(starts)}, "x");
    if (statSync(${JSON.stringify(starts)}).size <= 2) throw new Error("out of processes");`,
  );
  const once = preloaded("recovers").options({ maxRetries: 0 });
  expect(await get(once.remote(), { timeoutMs: 30_000 })).toBe(1);
  // Two that failed, and the one that served it.
  expect(statSync(starts).size).toBeGreaterThan(2);
}, 40_000);

test("workers that hang at their start are killed, and hold nothing that others could use", async () => {
  writeFileSync(preload("hangs"), "await new Promise(() => setInterval(() => {}, 1_000));");
  // They would hold all CPUs.
  const hanging = Array.from({ length: 4 }, () => preloaded("hangs").remote());
  const outcomes = hanging.map((ref) => rejection(get(ref)));
  let others = 0;
  const all = Promise.race(outcomes).then(() => false);
  while (await Promise.race([all, get(one.options({ numCpus: 2 }).remote()).then(() => true)])) others++;
  expect(others).toBeGreaterThan(10);
  for (const error of await Promise.all(outcomes)) {
    expect(error).toBeInstanceOf(RuntimeEnvSetupError);
    expect(error.message).toContain("not ready within 2 s");
  }
}, 60_000);

// The last one: the quarantine passes while the others run.
test("an environment whose workers died is tried again", async () => {
  await waitFor("it is tried again", () => get(preloaded("dies").remote()).catch(() => null), 20_000);
}, 40_000);

test("a worker's environment is the user's: what makes its start fast is not in it, or is the user's word", async () => {
  const settings = remote(() => Object.entries(process.env).filter(([name]) => /^BUN_JSC_/.test(name)));
  expect(await get(settings.remote())).toEqual([]);
  const env = { BUN_JSC_thresholdForJITSoon: "200" };
  expect(await get(settings.options({ runtimeEnv: { env } }).remote())).toEqual(Object.entries(env));
});

test("what a package prints by a stream has its task's mark, though the task's own code names no stream", async () => {
  const path = join(folder, "printer.mjs");
  writeFileSync(path, "export const print = (line) => process.stdout.write(`${line}\\n`);\n");
  const printing = remote(async (module: string) => {
    const { print } = await import(module) as { print: (line: string) => void };
    print("from a package");
    throw new Error("after it");
  });
  // A worker that has run nothing else: its streams are as they were.
  const own = printing.options({ runtimeEnv: { env: { OWN_WORKER: "1" } }, maxRetries: 0 });
  expect((await rejection<TaskError>(get(own.remote(path)))).logLines).toEqual(["from a package"]);
});
