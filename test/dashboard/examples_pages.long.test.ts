/**
 * Every page beside the examples: what it shows is what the programs themselves counted and printed.
 */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listJobs } from "mobula";
import { type Browser, chromium } from "playwright-core";
import { currentDriver } from "../../runtime/api/init.ts";
import { bytes } from "../../dashboard/app/models/format.ts";
import { MAPPABLE_ALIGNMENT } from "../../runtime/protocol/object_layout.ts";
import type { LocalCluster } from "../../runtime/process/local_cluster.ts";
import { endAttached, startAttached } from "../support/attach.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { longRunReason, testUnless } from "../support/skip.ts";
import { StartedProgram } from "../support/started_program.ts";
import { chromiumPath, skipReason } from "../support/toolchain.ts";
import { waitFor } from "../support/wait_for.ts";
import { PageReader } from "./page_reader.ts";

const reason = longRunReason() ?? skipReason("chromium");
const pageTest = testUnless(reason);
const TIMEOUT_MS = 120_000;
const MIB = 2 ** 20;

const leftovers = watchLeftovers();
let browser: Browser | null = null;
let page: PageReader;
let cluster: LocalCluster | undefined;
/** Jobs of examples that were run before. */
const known = new Set<string>();
const out = mkdtempSync(join(tmpdir(), "mobula-test-"));

/** A running example with what it has said of its work. */
interface Example {
  readonly program: StartedProgram;
  readonly jobId: string;
  /** All that it printed, on both streams, until it stays. */
  readonly said: string;
}

beforeAll(async () => {
  if (reason !== null) return;
  browser = await chromium.launch({
    executablePath: chromiumPath()!,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"],
  });
}, TIMEOUT_MS);
afterAll(async () => {
  await browser?.close();
  rmSync(out, { recursive: true, force: true });
  await leftovers.check();
}, TIMEOUT_MS);

/** A cluster of two nodes for one block of tests, and the page of its dashboard. */
function useCluster(numCpus: number): void {
  beforeAll(async () => {
    if (reason !== null) return;
    const node = { numCpus, objectStoreBytes: 128 * MIB };
    cluster = await startAttached({ ...node, dashboard: true, dashboardPort: 0 });
    await cluster.addAgent(node);
    const tab = await browser!.newPage({ viewport: { width: 1440, height: 900 } });
    page = new PageReader(tab);
    await tab.goto(currentDriver()!.dashboardUrl);
  }, TIMEOUT_MS);
  afterAll(async () => {
    for (const context of browser?.contexts() ?? []) await context.close();
    await endAttached(cluster);
    cluster = undefined;
  }, TIMEOUT_MS);
}

/** Starts an example in the cluster; resolves when its work is done and it stays, or has ended. */
async function run(file: string, ...args: readonly string[]): Promise<Example> {
  const isStaying = args.includes("--stay");
  const program = new StartedProgram("bun", `examples/${file}`, {
    args,
    env: { MOBULA_ADDRESS: "auto" },
    stdin: isStaying ? "pipe" : "ignore",
  });
  let printed = "";
  const reading = (async () => {
    for (;;) printed += `${await program.line()}\n`;
  })().catch(() => undefined);
  if (isStaying) {
    await waitFor(`${file} stays`, () => program.errors.includes("Enter ends"), TIMEOUT_MS / 2);
  } else await program.ended.then(() => reading);
  const job = (await listJobs({ filters: [`entrypoint~${file}`] })).find(({ jobId }) =>
    !known.has(String(jobId))
  );
  known.add(String(job!["jobId"]));
  return { program, jobId: String(job!["jobId"]), said: `${printed}\n${program.errors}` };
}

async function end({ program }: Example, exitCode = 0): Promise<void> {
  program.child.stdin!.write("\n");
  expect(await program.ended).toBe(exitCode);
}

/** The number before a word of what an example said: "36 ranges between them". */
function number({ said }: Example, what: string): number {
  const found = new RegExp(`(\\d+) ${what}`).exec(said);
  if (found === null) throw new Error(`It says nothing of ${what}: ${said}`);
  return Number(found[1]);
}

/** Bytes of so many stored objects that have so many 64-bit numbers in all: each begins where its numbers can be mapped. */
const stored = (objects: number, numbers: number): number => objects * MAPPABLE_ALIGNMENT + 8 * numbers;
const sum = (values: readonly (number | string)[]): number =>
  values.reduce<number>((all, each) => all + Number(each), 0);

describe("sort.ts", () => {
  useCluster(1);
  let sort: Example;
  /** What it says that it ran, by function. */
  let tasks: readonly (readonly [name: string, tasks: number])[];
  let [total, chunks, numbers] = [0, 0, 0];
  beforeAll(async () => {
    if (reason !== null) return;
    sort = await run("sort.ts", "--mb", "24", "--chunk-mb", "4", "--stay");
    tasks = ["split", "gather", "check"].map((name) => [name, number(sort, name)]);
    total = sum(tasks.map(([, count]) => count));
    chunks = number(sort, "sorted chunks held");
    numbers = number(sort, "numbers");
    expect([total, chunks, numbers]).toEqual([18, 6, 3_000_000]);
  }, TIMEOUT_MS);
  /** A line a function, with what else its row says. */
  const byFunction = (line: (name: string, count: number) => string): string[] =>
    tasks.map(([name, count]) => line(name, count)).sort();

  /** What its gather tasks wrote, as the page of logs has it. */
  const written = async (): Promise<string[]> => {
    await page.open(`#/logs?job=${sort.jobId}&q=sorts`);
    return await page.texts(".log-text");
  };

  pageTest("Now, Jobs and Job count its tasks by function", async () => {
    await page.shows("#/", () => page.text("#figure-finished .value"), `${total}`);
    expect(await page.text("#figure-failed .value")).toBe("0");
    expect(await page.text("#figure-running .value")).toBe("0");
    expect(await page.text("#figure-nodes-alive .value")).toBe("2");
    await page.sees(
      () => page.rows("#functions", "Function", "Finished", "Failed"),
      byFunction((name, count) => `ƒ${name} | ${count} | 0`),
    );
    await page.shows("#/jobs", () => page.text(`#jobs tr[data-key="${sort.jobId}"] td .state`), "running");
    await page.shows(
      `#/jobs/${sort.jobId}`,
      () => page.rows("#functions", "Function", "Running", "Finished", "Failed"),
      byFunction((name, count) => `ƒ${name} | 0 | ${count} | 0`),
    );
    expect(await page.text("#progress [data-state=finished] b")).toBe(`${total}`);
    expect(await page.text("#progress .note")).toBe(`${total} of ${total} attempts ended`);
  }, TIMEOUT_MS);

  pageTest("Tasks, Task and Worker know each attempt, its arguments and its results", async () => {
    const ofJob = `#/tasks?filter=jobId%3D${sort.jobId}`;
    await page.shows(ofJob, () => page.text("#tasks .showing"), `${total} attempts`);
    await page.shows(`${ofJob}+name%3Dgather`, () => page.text("#tasks .showing"), `${chunks} attempts`);
    await page.click("#tasks tbody a.clip");
    await page.sees(() => page.text("#head h2"), "gather");
    expect(await page.text("#head .state")).toBe("finished");
    // A range of each map task, and one chunk of sorted numbers.
    await page.sees(async () => (await page.texts("#data ul:first-of-type li")).length, chunks);
    await page.sees(async () => (await page.texts("#data ul:last-of-type li")).length, 1);
    let ran = 0;
    for (const worker of await workersOfNodes()) {
      await page.open(`#/workers/${worker}`);
      ran += parseInt(await page.text("#tasks .showing") ?? "0");
    }
    expect(ran).toBe(total);
  }, TIMEOUT_MS);

  pageTest(
    "Graph and Timeline know its functions, the bytes between them, and each task as a bar",
    async () => {
      await page.shows(
        `#/graph?job=${sort.jobId}`,
        () => page.rows("#graph", "Group", "Finished", "Running", "Failed"),
        byFunction((name, count) => `${name} | ${count} | 0 | 0`),
      );
      expect(await page.text("#graph-note")).toBe(`${tasks.length} groups`);
      // All numbers go from split to gather in ranges, and from gather to check in chunks.
      const flow = (to: string, times: number): string =>
        `${to} ${bytes(stored(times, numbers))} · ${times}×`;
      await page.click("#graph tbody button:has-text('gather')");
      await page.sees(() => page.texts(".graph-panel .flows li"), [
        flow("split", number(sort, "ranges between them")),
        flow("check", chunks),
      ]);
      await page.shows(
        `#/timeline?job=${sort.jobId}`,
        () => page.rows("#aggregate", "Function", "Bars", "Failed"),
        byFunction((name, count) => `${name} | ${count} | 0`),
      );
      expect(await page.text("#timeline-total")).toStartWith(`${total} bars in `);
    },
    TIMEOUT_MS,
  );

  pageTest("Objects and Object hold its sorted chunks and nothing else", async () => {
    await page.shows("#/objects", () => page.rows("#objects", "Made by", "Bytes"), [
      `gather | ${bytes(stored(chunks, numbers))}`,
    ]);
    await page.sees(() => page.text("#stores .note"), `${chunks} objects, ${bytes(stored(chunks, numbers))}`);
    const copies = sum(await page.texts("#stores tbody td:last-child"));
    expect(await page.text("#objects tr[data-key=gather] td.num")).toBe(`${chunks} ${copies} copies`);
    await page.shows(
      "#/objects?group=gather",
      () => page.text("#group-objects .showing"),
      `${chunks} objects`,
    );
    const ids = await page.attributes("#group-objects tbody tr", "data-key");
    // Each task wrote how many numbers its chunk has.
    const sizes = (await written()).map((line) => bytes(stored(1, Number(/(\d+) numbers/.exec(line)![1]!))));
    await page.shows("#/objects?group=gather", () => page.rows("#group-objects", "Bytes"), sizes.sort());
    for (const id of ids) {
      await page.open(`#/objects/${id}`);
      await page.sees(() => page.text("#object [data-fact='Made by'] a"), "gather");
      await page.sees(async () => (await page.texts("#kept-by tbody tr")).length, 1);
    }
  }, TIMEOUT_MS);

  pageTest("Nodes and Node share its objects out, and Logs has what its tasks wrote", async () => {
    await page.shows("#/nodes", () => page.text("#nodes .note"), "2 nodes");
    let held = 0;
    for (const node of await page.attributes("#nodes tbody tr", "data-key")) {
      await page.shows(
        `#/nodes/${node}`,
        () => page.text("#node [data-meter=CPU] span:last-child"),
        "0 of 1 CPU",
      );
      held += Number(await page.figure("Objects"));
    }
    expect(held).toBeGreaterThanOrEqual(chunks);
    const lines = await written();
    expect(lines.length).toBe(chunks);
    expect(sum(lines.map((line) => /(\d+) numbers/.exec(line)![1]!))).toBe(numbers);
    expect(sum(lines.map((line) => /(\d+) ranges/.exec(line)![1]!))).toBe(
      number(sort, "ranges between them"),
    );
  }, TIMEOUT_MS);

  pageTest("when it is over, History, Compare and SQL know it beside a run of half the size", async () => {
    await end(sort);
    const half = await run("sort.ts", "--mb", "12", "--chunk-mb", "4", "--seed", "2");
    const halves = number(half, "gather");
    expect(halves).toBe(3);
    for (const [id, count] of [[sort.jobId, total], [half.jobId, 3 * halves]] as const) {
      const cells = (): Promise<string[]> =>
        page.texts(`#history tr[data-key="${id}"] td.num:not(.optional)`);
      await page.shows("#/history", async () => (await cells()).slice(1), [`${count}`, "0"]);
      await page.shows(`#/jobs/${id}`, () => page.text("#head .state"), "succeeded");
      expect(await page.text("#progress [data-state=finished] b")).toBe(`${count}`);
    }
    await page.shows(
      `#/history/compare?a=${sort.jobId}&b=${half.jobId}`,
      () => page.rows("#compare-functions", "Function", "Tasks A / B"),
      byFunction((name, count) => `${name} | ${count} / ${halves}`),
    );
    const finished = "#compare-totals tr[data-key='Tasks finished'] td";
    expect((await page.texts(finished)).slice(0, 2)).toEqual([`${total}`, `${3 * halves}`]);
    await page.shows(
      "#/objects",
      async () => (await page.text("#objects .empty"))?.slice(0, 17),
      "No stored object.",
    );
    await page.open("#/sql");
    await page.fill(
      ".sql-editor",
      "SELECT name, sum(finished) AS finished FROM function_counts GROUP BY name",
    );
    await page.click("#sql button[type=submit]");
    await page.sees(
      () => page.rows("#sql-result", "name", "finished"),
      byFunction((name, count) => `${name} | ${count + halves}`),
    );
    expect(page.complaints).toEqual([]);
  }, TIMEOUT_MS);
});

describe("rl_controller.ts", () => {
  useCluster(2);
  let rl: Example;
  /** What it says that it called, by method. */
  let calls: readonly (readonly [method: string, calls: number])[];
  let [called, actors] = [0, 0];
  beforeAll(async () => {
    if (reason !== null) return;
    rl = await run("rl_controller.ts", "--letters", "3", "--steps", "60", "--out", out, "--stay");
    calls = [
      ["RolloutWorker.generate", number(rl, "generate")],
      ["RolloutWorker.answer", number(rl, "answer")],
      ["RewardWorker.score", number(rl, "score")],
      ["Trainer.gradient", number(rl, "gradient")],
      ["Trainer.update", number(rl, "update")],
      ["Trainer.weights", number(rl, "weights")],
    ];
    called = sum(calls.map(([, count]) => count));
    actors = sum(CLASSES.map(([name]) => number(rl, name)));
  }, TIMEOUT_MS);
  /** The classes of its actors, and how it calls their groups. */
  const CLASSES = [["rollout", "RolloutWorker"], ["reward", "RewardWorker"], [
    "trainers",
    "Trainer",
  ]] as const;
  /** Constructors are tasks, too. */
  const rows = (line: (name: string, count: number) => string): string[] =>
    [...calls, ...CLASSES.map(([name, of]) => [`new ${of}`, number(rl, name)] as const)]
      .map(([name, count]) => line(name, count)).sort();
  const sign = (name: string): string => name.startsWith("new") ? "✦" : "⬡";

  pageTest("Now and Job count the calls of each method; who runs holds the CPUs", async () => {
    await page.shows(
      "#/",
      () => page.text("#figure-finished .value"),
      (called + actors).toLocaleString("en-US"),
    );
    await page.sees(() => page.text("#figure-actors-alive .value"), `${actors}`);
    await page.sees(() => page.text("#figure-cpu .value"), `${actors * 0.4}`);
    await page.sees(async () => (await page.texts("#slots .slot.actor")).length, actors);
    await page.shows(
      `#/jobs/${rl.jobId}`,
      () => page.rows("#functions", "Function", "Running", "Finished", "Failed"),
      rows((name, count) => `${sign(name)}${name} | 0 | ${count} | 0`),
    );
  }, TIMEOUT_MS);

  pageTest("Actors and Actor: who they are, and how many calls each has answered", async () => {
    await page.shows(
      "#/actors",
      () => page.rows("#actor-classes", "Class", "Actors", "Alive", "Dead", "Restarts"),
      CLASSES.map(([name, of]) => `${of} | ${number(rl, name)} | ${number(rl, name)} | 0 | 0`).sort(),
    );
    const ids = await page.attributes("#actors tbody tr", "data-key");
    expect(ids.length).toBe(actors);
    let answered: Record<string, number> = {};
    await waitFor("all calls are told of", async () => {
      answered = {};
      for (const id of ids) {
        await page.open(`#/actors/${id}`);
        const name = (await page.text("#actor h2"))!;
        answered[name] = (answered[name] ?? 0) + Number((await page.figure("Answered"))!.replace(",", ""));
      }
      return sum(Object.values(answered)) >= called;
    }).catch(() => undefined);
    for (const [, of] of CLASSES) {
      expect([of, answered[of]]).toEqual([
        of,
        sum(calls.filter(([name]) => name.startsWith(`${of}.`)).map(([, count]) => count)),
      ]);
    }
  }, TIMEOUT_MS);

  pageTest(
    "Placement groups and Group: a group for each kind of actor, a bundle for each actor",
    async () => {
      await page.shows("#/groups", () => page.text("#groups .showing"), `${CLASSES.length} groups`);
      const seen: string[] = [];
      for (const id of await page.attributes("#groups tbody tr", "data-key")) {
        await page.open(`#/groups/${id}`);
        const inside = new Set(await page.rows("#actors", "Actor", "State"));
        const count = (await page.texts("#actors tbody tr")).length;
        expect(await page.figure("Placed")).toBe(`${count} of ${count}`);
        expect(await page.figure("State")).toBe("created");
        seen.push(`${await page.figure("Strategy")} ${count} of ${[...inside]}`);
      }
      const group = (strategy: string, [name, of]: typeof CLASSES[number]): string =>
        `${strategy} ${number(rl, name)} of ${of} | alive`;
      expect(seen.sort()).toEqual([
        group("SPREAD", CLASSES[0]),
        group("PACK", CLASSES[1]),
        group("PACK", CLASSES[2]),
      ].sort());
    },
    TIMEOUT_MS,
  );

  pageTest("Graph, Timeline, Worker and Nodes: a lane and a worker for each actor", async () => {
    await page.shows(
      `#/timeline?job=${rl.jobId}`,
      () => page.rows("#aggregate", "Function", "Bars", "Failed"),
      rows((name, count) => `${name} | ${count} | 0`),
    );
    await page.sees(
      () => page.text("#timeline-total"),
      `${(called + actors).toLocaleString("en-US")} bars in ${actors} lanes`,
    );
    await page.open(`#/graph?job=${rl.jobId}`);
    await page.sees(async () => {
      const groups = await page.rows("#graph", "Group", "Finished", "Failed");
      return groups.filter((row) => !row.startsWith("put"));
    }, rows((name, count) => `${name} | ${count} | 0`));
    const ran: number[] = [];
    for (const worker of await workersOfNodes()) {
      await page.open(`#/workers/${worker}`);
      const shown = await page.text("#tasks .showing");
      // Others wait for work.
      if (shown !== null) ran.push(Number(/([\d,]+) attempts$/.exec(shown)![1]!.replace(",", "")));
    }
    expect([ran.length, sum(ran)]).toEqual([actors, called + actors]);
  }, TIMEOUT_MS);

  pageTest("Errors, Task and Actor: what the tour says that fails, and who dies", async () => {
    // So few steps teach it little, and it says so.
    await end(rl, 1);
    const tour = await run("quickstart.ts");
    const failure = (attempt: number): string => `task flaky failed: attempt ${attempt} fails`;
    const attempts = Number(/succeeded on attempt (\d)/.exec(tour.said)![1]);
    await page.shows(
      `#/errors?job=${tour.jobId}`,
      () => page.rows("#errors", "In", "Times"),
      // "after kill: ActorDiedError"
      ["Counter.read | 1", `flaky | ${attempts - 1}`],
    );
    await page.click("#errors tr:has-text('flaky') button");
    // What comes after the message is the user's frame.
    await page.sees(
      async () => (await page.text(".error-sample"))?.replace(/:\d+:\d+\)$/, ")") ?? null,
      `TaskError(Error): ${failure(attempts - 1)} at <anonymous> (examples/quickstart.ts)`,
    );
    await page.shows(`#/jobs/${tour.jobId}`, () => page.text("#figure-retries dd"), `${attempts - 1}`);
    await page.shows(
      `#/tasks?filter=jobId%3D${tour.jobId}+name%3Dflaky`,
      () => page.rows("#tasks", "State"),
      [...[1, 2].map((attempt) => `failed TaskError(Error) ${failure(attempt)}`), "finished"],
    );
    await page.click("#tasks tbody a.clip");
    await page.sees(async () => (await page.texts("#attempts tbody tr")).length, attempts);
    await page.open(`#/actors?filter=jobId%3D${tour.jobId}`);
    await page.sees(async () => (await page.texts("#actors tbody a.clip")).sort(), ["Attempts", "Counter"]);
    await page.click("#actors tbody a.clip:has-text('Counter')");
    await page.sees(() => page.figure("State"), "dead");
    expect(await page.text("#life tr[data-state=DEAD] strong")).toBe("KILLED");
  }, TIMEOUT_MS);

  pageTest("Actors, Actor and Logs: the worker that training kills, and how it came back", async () => {
    const training = await run("parameter_server.ts", "--steps", "600", "--workers", "2", "--out", out);
    const killed = /one worker killed: .* by worker: (.*);/.exec(training.said)![1]!;
    const restarts = killed.split("after its restart").length - 1;
    expect(restarts).toBe(1);
    await page.shows(
      `#/actors?filter=jobId%3D${training.jobId}&filter=className%3DGradientWorker`,
      () => page.rows("#actors", "Restarts"),
      ["0 of 1", "0 of 1", "0 of 1", `${restarts} of 1`],
    );
    await page.click("#actors tbody tr:has-text('1 of 1') a.clip");
    await page.sees(() => page.figure("Restarts"), `${restarts} of 1`);
    expect(await page.attributes(".machine [data-state=RESTARTING]", "data-visits")).toEqual([`${restarts}`]);
    await page.open(`#/logs?job=${training.jobId}&q=is+back`);
    expect(await page.texts(".log-text")).toEqual(
      Array.from({ length: restarts }, () => "a worker is back, and goes on"),
    );
    expect(page.complaints).toEqual([]);
  }, TIMEOUT_MS);
});

/** All workers that the pages of nodes list. */
async function workersOfNodes(): Promise<ReadonlySet<string>> {
  const workers = new Set<string>();
  await page.open("#/nodes");
  for (const node of await page.attributes("#nodes tbody tr", "data-key")) {
    await page.open(`#/nodes/${node}`);
    for (const worker of await page.attributes("#workers tbody tr", "data-key")) workers.add(worker);
  }
  return workers;
}
