/**
 * D14: what failures look like when they are printed. Fifteen failures of a real cluster: at most 14 lines, the root cause in
 * the first two, none of mobula's frames. Ids and pids differ from run to run and stand here as ID and PID.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { cancel, get, init, type ObjectRef, ready, remote, shutdown, wait } from "mobula";
import { LocalCluster } from "../../runtime/process/local_cluster.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { runtimeCommand, RUNTIMES } from "../support/run_program.ts";
import { waitFor } from "../support/wait_for.ts";
import { addNode, type CaseNode, startCases } from "../conformance/cases.ts";

const leftovers = watchLeftovers();
const folder = mkdtempSync(join(tmpdir(), "mobula-test-"));
const memoryFile = join(folder, "memory");
let away: CaseNode;

beforeAll(async () => {
  process.env.MOBULA_TASK_OOM_RETRIES = "0";
  await startCases({ logToDriver: false });
  const memory = { TEST_MEMORY_FILE: memoryFile, MEMORY_USAGE_THRESHOLD: "0.65", MEMORY_MONITOR_MS: "50" };
  writeFileSync(memoryFile, "10 100");
  for (const [name, value] of Object.entries(memory)) process.env[`MOBULA_${name}`] = value;
  away = await addNode({ numCpus: 2, resources: { away: 8 } });
  for (const name of Object.keys(memory)) delete process.env[`MOBULA_${name}`];
}, 30_000);
afterAll(async () => {
  await shutdown();
  delete process.env.MOBULA_TASK_OOM_RETRIES;
  rmSync(folder, { recursive: true, force: true });
  await leftovers.check();
});

/** What is printed of it, without what differs from run to run. */
function printed(error: Error): string[] {
  const text = inspect(error);
  expect(text.split("\n").length).toBeLessThanOrEqual(14);
  expect(text).not.toMatch(/mobula:|\/runtime\/|node_modules|node:internal/);
  return shown(text);
}

function shown(text: string): string[] {
  return text
    .replace(/\b([toawnjd])-[0-9a-f]{6,}[0-9a-z.-]*[0-9a-z]/g, "$1-ID")
    .replace(/pid[= ]\d+/g, "pid PID")
    .replace(/:\d+:\d+/g, ":L:C")
    .replace(/\d+(\.\d+)? (ms|s|GiB|MiB|B)\b/g, "N $2")
    .replace(/#\d+/g, "#N")
    .replace(/(most memory here: ).*/, "$1…")
    .replace(/namespace "[^"]*"/, 'namespace "…"')
    // Who called it is a frame or none, as the engine has it.
    .replace(/(\n {4}at parsePage .*)\n {4}at .*fetchPage .*/, "$1")
    .replace(/(TypeError: args.*\n {4}at )[^]*/, "$1…")
    .split("\n");
}

const parsePage = (text: string): number => {
  throw new TypeError(`${text} has no title`);
};
const fetchPage = remote((name: string) => {
  console.log(`fetching ${name}`);
  console.error("the answer is empty");
  return parsePage(name);
}, { name: "fetchPage", maxRetries: 0 });
const crawl = remote(async (name: string, page: typeof fetchPage) => {
  const { get } = await import("mobula");
  return await get(page.remote(name));
}, { name: "crawl", maxRetries: 0 });
const count = remote((page: number) => page, { name: "count" });
const crash = remote(() => {
  console.log("so long");
  process.kill(process.pid, "SIGKILL");
  return new Promise(() => {});
}, { name: "crash", maxRetries: 0 });
const stay = remote(async (file: string) => {
  const { writeFileSync } = await import("node:fs");
  console.log("I stay");
  writeFileSync(file, "");
  return await new Promise(() => {});
}, { name: "stay", maxRetries: 0, numCpus: 0, resources: { away: 1 } });

const make = remote(() => new Uint8Array(1 << 20), {
  name: "make",
  maxRetries: 0,
  numCpus: 0,
  resources: { away: 1 },
});
const own = remote(async (): Promise<[ObjectRef<Uint8Array>]> => {
  const { put } = await import("mobula");
  return [await put(new Uint8Array(1 << 20))];
}, { name: "own", maxRetries: 0, numCpus: 0, resources: { away: 1 } });

const cases: Record<string, () => Promise<Error>> = {
  "the user's error": () => rejection(get(fetchPage.remote("home"))),
  "an error two levels down": () => rejection(get(crawl.remote("home", fetchPage))),
  "a dependency failed": () => rejection(get(count.remote(fetchPage.remote("home") as ObjectRef<number>))),
  "the worker crashed": () => rejection(get(crash.remote())),
  "out of memory": async () => {
    const file = join(folder, "oom");
    const ref = stay.remote(file);
    await waitFor("the task", () => existsSync(file));
    writeFileSync(memoryFile, "99 100");
    const error = await rejection(get(ref));
    writeFileSync(memoryFile, "10 100");
    return error;
  },
  unschedulable: async () => {
    const dead = { schedulingStrategy: { nodeId: "n-0000000000000000" } };
    return await rejection(get(count.options(dead).remote(1)));
  },
  "a value that cannot travel": () => {
    const socket = { conn: { socket: () => 1 } };
    return rejection((async () => await get(count.remote(socket as never)))());
  },
  "out of time": () => rejection(get(stay.remote(join(folder, "late")), { timeoutMs: 300 })),
  cancelled: async () => {
    const file = join(folder, "cancelled");
    const ref = stay.remote(file);
    await waitFor("the task", () => existsSync(file));
    await cancel(ref, { force: true });
    return await rejection(get(ref));
  },
  "an actor's constructor failed": () => {
    const Loader = remote(
      class Loader {
        constructor(path: string) {
          console.log(`loading ${path}`);
          throw new RangeError(`${path} has 0 rows`);
        }
        rows(): number {
          return 0;
        }
      },
    );
    return rejection(get(Loader.remote("a.csv").rows.remote()));
  },
  "a name is taken": async () => {
    const Named = remote(
      class Named {
        ping(): void {}
      },
    );
    await ready(Named.options({ name: "bank" }).remote());
    return await rejection(ready(Named.options({ name: "bank" }).remote()));
  },
};
/** These need the death of a node, all of one. */
const deadly: Record<string, () => Promise<() => Promise<Error>>> = {
  "the node is lost": async () => {
    const file = join(folder, "lost");
    const ref = stay.remote(file);
    await waitFor("the task", () => existsSync(file));
    return () => rejection(get(ref));
  },
  "the object is lost": async () => {
    const ref = make.remote();
    await wait([ref], { fetchLocal: false });
    return () => rejection(get(ref));
  },
  "the owner died": async () => {
    const [ref] = await get(own.remote());
    return () => rejection(get(ref));
  },
};
const SITE = "  submitted from test/e2e/error_reports.test.ts:L:C";
const NEXT = "  see: mobula show t-ID, mobula logs t-ID";
const PAGE = [
  "TaskError: fetchPage#N failed: TypeError: home has no title",
  "  attempt 1 on n-ID, pid PID",
  "    at parsePage (test/e2e/error_reports.test.ts:L:C)",
];
const WROTE = ["  it wrote last:", "    | fetching home", "    | the answer is empty"];
const DIED = "stay (t-ID) died or was killed while executing, after 1 execution:";
const LOST =
  "Cannot find object o-ID: node n-ID, which held its last copy, died: its connection closed and it did not " +
  "come back in N ms. It is not made again:";

/** What each of them prints. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  "the user's error": [...PAGE, SITE, ...WROTE, `${NEXT} (code TaskError)`],
  "an error two levels down": [
    ...PAGE,
    "  which failed crawl#N on n-ID",
    SITE,
    ...WROTE,
    `${NEXT} (code TaskError)`,
  ],
  "a dependency failed": [...PAGE, SITE, ...WROTE, `${NEXT} (code TaskError)`],
  "the worker crashed": [
    "WorkerCrashedError: crash (t-ID) died or was killed while executing, after 1 execution: The worker process w-ID " +
    "(pid PID) ended with signal SIGKILL.",
    SITE,
    "  it wrote last:",
    "    | so long",
    `${NEXT} (code WorkerCrashedError)`,
  ],
  "out of memory": [
    `OutOfMemoryError: ${DIED} node n-ID is low on memory (N MiB of N MiB in use, the threshold is N MiB), so that its ` +
    "worker w-ID (pid PID), which ran stay and used N MiB, was ended; most memory here: …",
    SITE,
    "  it wrote last:",
    "    | I stay",
    `${NEXT} (code OutOfMemoryError)`,
  ],
  unschedulable: [
    "TaskUnschedulableError: Cannot place count on node n-ID, which its schedulingStrategy demands (soft: false): it is " +
    "dead or unknown",
    "  see: mobula status (code TaskUnschedulableError)",
  ],
  "a value that cannot travel": [
    "TypeError: args[0].conn.socket is a function: functions do not travel as values, pass data or a remote function",
    "    at …",
  ],
  "out of time": [
    "GetTimeoutError: get timed out after N ms: 1 of 1 objects were not ready, such as o-ID of stay",
    "  see: mobula show o-ID, mobula why o-ID (code GetTimeoutError)",
  ],
  cancelled: ["TaskCancelledError: stay (t-ID) was cancelled", SITE, `${NEXT} (code TaskCancelledError)`],
  "an actor's constructor failed": [
    "ActorDiedError: Actor Loader (a-ID) could not be created: task new Loader failed: a.csv has 0 rows",
    "    at new Loader (test/e2e/error_reports.test.ts:L:C)",
    "  it wrote last:",
    "    | loading a.csv",
    "  see: mobula show a-ID, mobula logs a-ID (code ActorDiedError)",
  ],
  "a name is taken": [
    'NameTakenError: Cannot create actor Named with the name "bank" in namespace "…": a-ID (Named, ALIVE) has it',
    "  see: mobula show a-ID, mobula logs a-ID (code NameTakenError)",
  ],
  "the node is lost": [
    `NodeDiedError: ${DIED} Its node n-ID is gone or out of reach.`,
    SITE,
    `${NEXT} (code NodeDiedError)`,
  ],
  "the object is lost": [
    `ObjectLostError: ${LOST} what made it may not be run again (a task with maxRetries: 0, an actor's call with ` +
    "maxTaskRetries: 0)",
    "  see: mobula show o-ID, mobula why o-ID (code ObjectLostError)",
  ],
  "the owner died": [
    `OwnerDiedError: ${LOST} its owner died with node n-ID: Cannot reach n-ID: its connection closed and it did not come ` +
    "back in N ms",
    "  see: mobula show o-ID, mobula why o-ID (code OwnerDiedError)",
  ],
};

for (const [name, fail] of Object.entries(cases)) {
  test(`D14 ${name}`, async () => expect(printed(await fail())).toEqual([...EXPECTED[name]!]), 30_000);
}

test("D14 the node is lost, the object is lost, the owner died", async () => {
  const begun = Object.entries(deadly).map(async ([name, begin]) => [name, await begin()] as const);
  const failures = await Promise.all(begun);
  await away.kill();
  for (const [name, fail] of failures) expect(printed(await fail())).toEqual([...EXPECTED[name]!]);
}, 30_000);

test("D14 not let in", async () => {
  await shutdown();
  const cluster = await LocalCluster.start({ dashboard: false, objectStoreBytes: 32 << 20 });
  try {
    const error = await rejection(init({ address: cluster.address, token: "wrong" }));
    expect(printed(error)).toEqual([
      "AuthenticationError: wrong token: use the token of the cluster's session folder (file `token`)",
      "  see: mobula status (code AuthenticationError)",
    ]);
  } finally {
    await cluster.stop();
  }
}, 30_000);

for (const runtime of RUNTIMES) {
  test(
    `an error that nobody catches is printed once on ${runtime}, after the last lines, and ends the program`,
    () => {
      const [binary, ...args] = runtimeCommand(runtime, join(import.meta.dirname, "programs/uncaught.ts"));
      const env = { ...process.env, NODE_ENV: "production", NO_COLOR: "1" };
      const { status, stderr } = spawnSync(binary!, args, { encoding: "utf8", env });
      expect(status).toBe(1);
      const [line, ...report] = shown(stderr.trimEnd());
      expect(line).toBe("(fail#N pid PID n-ID) my last line");
      expect(report.filter((text) => !text.startsWith("    at "))).toEqual([
        "TaskError: fail#N failed: RangeError: home has no title",
        "  attempt 1 on n-ID, pid PID",
        "  submitted from test/e2e/programs/uncaught.ts:L:C",
        "  it wrote last:",
        "    | my last line",
        `${NEXT} (code TaskError)`,
      ]);
      expect(report.length).toBe(7);
    },
    30_000,
  );
}
