/**
 * `npm run bench:flame`: where the microseconds of a task go, in the driver and in a worker, by phase, from profiles of both
 * taken while no-op tasks are in flight; recording and dashboard are on.
 *
 *   --seconds N      how long (3)
 *   --write          also write docs/performance/driver.svg and worker.svg (flame graphs), and the table into performance.md
 *                    (npm run format puts its columns in line)
 *   --profiles DIR   also keep driver.cpuprofile and worker.cpuprofile there
 * @module
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { get, init, shutdown } from "mobula";
import { treeCpuUs } from "../process_tree.ts";
import { flameGraph } from "./picture.ts";
import { type Phase, phasesOf, treeOf } from "./profile.ts";
import { batch, begin, beginThere, end, endThere, type Profiled } from "./work.ts";

const BEGIN = "<!-- phases: written by npm run bench:flame -- --write -->";
const END = "<!-- /phases -->";
const IN_FLIGHT = 1_000;
const WARMUPS = 150;
const PHASES: readonly (readonly [Phase, string])[] = [
  ["submit", "the call, its ref, the queue, the choice of a lease"],
  ["encode", "arguments, pushes and results into bytes"],
  ["socket", "writing, reading, waiting awake"],
  ["decode", "bytes into pushes, arguments, replies and values"],
  ["run", "the worker's queue, its context, the call itself"],
  ["reply", "what the worker says of its result"],
  ["settle", "the reply finds its task; the ref, the waiting get()"],
  ["record", "counts and rows for people, what the agent is told"],
  ["program", "the program that is measured"],
  ["runtime", "garbage collection, timers and what has no name"],
];

const { values: flags } = parseArgs({
  options: {
    seconds: { type: "string", default: "3" },
    write: { type: "boolean", default: false },
    profiles: { type: "string" },
  },
});
const seconds = Number(flags.seconds);
if (!(seconds > 0 && seconds <= 60)) {
  throw new RangeError(`--seconds must be from 0 to 60, is ${flags.seconds}`);
}

// Without a worker's bundle, whose one file would hide which module a function is of.
const cache = mkdtempSync(join(tmpdir(), "mobula-flame-"));
process.env["MOBULA_CACHE_DIR"] = cache;

interface Measured {
  readonly tasks: number;
  readonly driver: Profiled;
  readonly worker: Profiled;
  /** Microseconds of a task, in head, agent, telemetry and store process together. */
  readonly othersUs: number;
}

async function measure(): Promise<Measured> {
  await init({ numCpus: 1, logToDriver: false });
  try {
    for (let warmup = 0; warmup < WARMUPS; warmup++) await batch(IN_FLIGHT);
    await get(beginThere.remote());
    await begin();
    const beforeUs = treeCpuUs(process.pid);
    const startMs = performance.now();
    let tasks = 0;
    while (performance.now() - startMs < seconds * 1_000) {
      await batch(IN_FLIGHT);
      tasks += IN_FLIGHT;
    }
    const allUs = treeCpuUs(process.pid) - beforeUs;
    const driver = await end();
    const worker = JSON.parse(await get(endThere.remote())) as Profiled;
    return { tasks, driver, worker, othersUs: (allUs - driver.cpuUs - worker.cpuUs) / tasks };
  } finally {
    await shutdown();
    rmSync(cache, { recursive: true, force: true });
  }
}

/** What stands before and after a mark of the page. */
function split(text: string, mark: string): [before: string, after: string] {
  const at = text.indexOf(mark);
  if (at === -1) throw new Error(`docs/performance.md lacks ${mark}`);
  return [text.slice(0, at), text.slice(at + mark.length)];
}

const { tasks, driver, worker, othersUs } = await measure();
const sides = [["driver", driver], ["worker", worker]] as const;
const trees = sides.map(([, { profile }]) => treeOf(profile));
const totals = sides.map(([, { cpuUs }]) => cpuUs / tasks);
const us = (value: number): string => value < 0.0005 ? "" : value.toFixed(3);
const shares = trees.map((tree, side) => {
  const samples = phasesOf(tree);
  return (phase: Phase): number => totals[side]! * (samples.get(phase) ?? 0) / tree.total;
});
const lines = [
  "| phase | driver, us | worker, us | what it is |",
  "| --- | ---: | ---: | --- |",
  ...PHASES.map(([phase, what]) =>
    `| ${phase} | ${us(shares[0]!(phase))} | ${us(shares[1]!(phase))} | ${what} |`
  ),
  `| **together** | **${us(totals[0]!)}** | **${us(totals[1]!)}** | and ${
    us(othersUs)
  } in agent, head, telemetry and store |`,
  "",
  `${
    tasks.toLocaleString("en-US")
  } no-op tasks, 1,000 in flight, one worker, recording and dashboard on; processor time of each`,
  `process by its samples' phases; ${cpus().length} x ${cpus()[0]?.model ?? "unknown processor"}.`,
];
console.log(lines.join("\n"));
if (flags.profiles !== undefined) {
  mkdirSync(flags.profiles, { recursive: true });
  for (const [name, { profile }] of sides) {
    writeFileSync(join(flags.profiles, `${name}.cpuprofile`), JSON.stringify(profile));
  }
}
if (flags.write) {
  const folder = fileURLToPath(new URL("../../docs/performance/", import.meta.url));
  mkdirSync(folder, { recursive: true });
  for (const [index, [name]] of sides.entries()) {
    const title = `A no-op task in the ${name}: ${totals[index]!.toFixed(2)} us of processor time`;
    writeFileSync(join(folder, `${name}.svg`), flameGraph(trees[index]!, title, totals[index]!));
  }
  const page = join(folder, "../performance.md");
  const [before, rest] = split(readFileSync(page, "utf8"), BEGIN);
  writeFileSync(page, `${before}${BEGIN}\n\n${lines.join("\n")}\n\n${END}${split(rest, END)[1]}`);
}
process.exit(0);
