/**
 * `npm run bench:flatness`: how the cost of one operation depends on how much there is of everything: queued tasks, live
 * actors, node agents, simulated nodes. Each point comes from a fresh cluster; sizes take turns, round by round, so that
 * whatever else the machine does hits all of them alike. Costs are processor time of all processes, and by the clock. Ends
 * with code 1 when a mark is missed. It takes about seven minutes.
 *
 *   --rounds N     rounds; default 3, which fit ten minutes
 *   --dedicated N  also this many dedicated actors, once: 1,000 take 11 GB and half a processor while they idle
 *   --only TEXT    only curves and memory rows whose title contains TEXT
 *   --json FILE    also write all figures there
 *   --write        also write docs/performance/flatness.md and its pictures
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runCase } from "../case_process.ts";
import { curvesChart } from "./chart.ts";
import { type CaseName, type ChartName, CHARTS, type Curve, CURVES, MEMORY, SIMULATED } from "./curves.ts";
import { judge, pointOf } from "./growth.ts";
import { type HeadEvent, SimulatedHead } from "./head_events.ts";
import type { Figures } from "./case.ts";
import type { Cost } from "./meter.ts";
import { chartFile, markdown, type MemoryFigure, type Results } from "./report.ts";

const PROGRAM = new URL("./case.ts", import.meta.url);
const FOLDER = fileURLToPath(new URL("../../docs/performance/", import.meta.url));
const DENO = fileURLToPath(new URL("../../node_modules/.bin/deno", import.meta.url));
const CASE_TIMEOUT_MS = 120_000;
/** Of each event, at each number of nodes, in each round; of heartbeats, which are short, more, of groups fewer. */
const HEAD_OPERATIONS: Readonly<Record<HeadEvent, number>> = {
  heartbeat: 80_000,
  lease: 16_000,
  actor: 16_000,
  actorEnd: 16_000,
  group: 2_000,
  groupEnd: 4_000,
};
/** The machines run in this process: what they do is compiled and stays so. */
const HEAD_WARMUPS = 2;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    dedicated: { type: "string" },
    only: { type: "string", default: "" },
    json: { type: "string" },
    write: { type: "boolean", default: false },
  },
});
const rounds = wholeNumber("--rounds", flags.rounds);
const many = flags.dedicated === undefined ? null : wholeNumber("--dedicated", flags.dedicated);
const curves = CURVES.filter(({ title }) => title.includes(flags.only)).map(withMany);
const memoryRows = MEMORY.filter(({ title }) => title.includes(flags.only));
if (curves.length + memoryRows.length === 0) throw new RangeError(`--only ${flags.only} names no curve`);

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new RangeError(`${name} must be a whole number from 1 on, is ${text}`);
  }
  return value;
}

function withMany(curve: Curve): Curve {
  const isDedicated = "case" in curve.source && curve.source.case === "dedicated";
  return many === null || !isDedicated ? curve : { ...curve, sizes: [...curve.sizes, many] };
}

const missing: string[] = [];
/** Of each case and size, one a round. */
const measured = new Map<string, Figures[]>();
const costs = new Map<string, Cost[]>();
const keyOf = (name: string, size: number): string => `${name} ${size}`;

function add<V>(map: Map<string, V[]>, key: string, value: V): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [value]);
  else known.push(value);
}

async function measureCase(name: string, size: number): Promise<void> {
  process.stderr.write(`${name} ${size} ...\n`);
  const args = [name, String(size)];
  const { figures, missing: reason } = await runCase<Figures>(PROGRAM, args, { timeoutMs: CASE_TIMEOUT_MS });
  if (figures === null) missing.push(`${name} at ${size}: ${reason}`);
  else add(measured, keyOf(name, size), figures);
}

/** Cases of the curves, each with its sizes, once a round; every other round goes backwards. */
async function measureCurves(): Promise<void> {
  const wanted = new Map<CaseName, Set<number>>();
  for (const { source, sizes } of curves) {
    if (!("case" in source)) continue;
    const known = wanted.get(source.case) ?? new Set<number>();
    for (const size of sizes) known.add(size);
    wanted.set(source.case, known);
  }
  for (const [name, sizes] of wanted) {
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? [...sizes] : [...sizes].reverse();
      for (const size of order) {
        const isOnce = name === "dedicated" && size === many;
        if (!isOnce || round === 0) await measureCase(name, size);
      }
    }
  }
}

/** The head's machines, in this process. */
function measureHead(): void {
  const events = curves.flatMap(({ source }) => "event" in source ? [source.event] : []);
  if (events.length === 0) return;
  process.stderr.write("simulated nodes ...\n");
  const heads = SIMULATED.map((nodes) => [nodes, new SimulatedHead(nodes)] as const);
  for (const event of events) {
    for (let round = -HEAD_WARMUPS; round < Math.max(rounds, 5); round++) {
      for (const [nodes, head] of round % 2 === 0 ? heads : [...heads].reverse()) {
        const cost = head.measure(event, HEAD_OPERATIONS[event]);
        if (round >= 0) add(costs, keyOf(event, nodes), cost);
      }
    }
  }
}

async function measureMemory(): Promise<MemoryFigure[]> {
  const rows: MemoryFigure[] = [];
  for (const row of memoryRows) {
    const key = keyOf(row.case, row.size);
    if (!measured.has(key)) await measureCase(row.case, row.size);
    const values = (measured.get(key) ?? []).map((figures) => figures[row.figure]!).sort((a, b) => a - b);
    rows.push({ title: row.title, bytes: values[Math.floor(values.length / 2)] ?? NaN });
  }
  return rows;
}

function costsOf({ source, figures }: Curve, size: number): Cost[] {
  if ("event" in source) return costs.get(keyOf(source.event satisfies HeadEvent, size)) ?? [];
  return (measured.get(keyOf(source.case, size)) ?? []).flatMap((values) => {
    const [wallUs, cpuUs] = [values[figures.wallUs], values[figures.cpuUs]];
    // JSON has no NaN: a cost of which nothing can be said came as null.
    return typeof wallUs === "number" && typeof cpuUs === "number" ? [{ wallUs, cpuUs }] : [];
  });
}

function idleShares(): Results["idle"] {
  const titles: readonly (readonly [CaseName, string])[] = [
    ["dedicated", "dedicated actors"],
    ["light", "light actors"],
    ["nodes", "nodes with a worker each"],
  ];
  return titles.flatMap(([name, what]) =>
    [...measured].filter(([key, values]) =>
      key.startsWith(`${name} `) && values[0]!["idleShare"] !== undefined
    )
      .map(([key, values]) => {
        const shares = values.map((figures) => figures["idleShare"]!).sort((a, b) => a - b);
        return {
          title: `${key.slice(name.length + 1)} ${what}`,
          share: shares[Math.floor(shares.length / 2)]!,
        };
      })
  );
}

function describeMachine(): string {
  const runtime = process.versions["bun"] !== undefined
    ? `Bun ${process.versions["bun"]}`
    : `Node ${process.version}`;
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  const model = cpus()[0]?.model ?? "unknown processor";
  return `${cpus().length} × ${model}, ${gigabytes} GB, ${runtime}, load before ${loadavg()[0]!.toFixed(1)}`;
}

const machine = describeMachine();
const startMs = performance.now();
measureHead();
await measureCurves();
const memory = await measureMemory();
const results: Results = {
  machine,
  rounds,
  curves: curves.map((curve) => judge(curve, curve.sizes.map((size) => pointOf(size, costsOf(curve, size))))),
  memory,
  idle: idleShares(),
  missing,
};
const text = markdown(results);
console.log(`${text}\n${((performance.now() - startMs) / 1_000).toFixed(0)} s`);
if (flags.json !== undefined) writeFileSync(flags.json, JSON.stringify(results, null, 2) + "\n");
if (flags.write) {
  mkdirSync(FOLDER, { recursive: true });
  const files = [`${FOLDER}flatness.md`];
  writeFileSync(files[0]!, text);
  for (const chart of Object.keys(CHARTS) as ChartName[]) {
    const own = results.curves.filter(({ curve }) => curve.chart === chart);
    const picture = curvesChart(own, CHARTS[chart]);
    if (picture === null) continue;
    files.push(FOLDER + chartFile(chart));
    writeFileSync(files.at(-1)!, picture);
  }
  // As `npm run check` wants them.
  execFileSync(DENO, ["fmt", "--quiet", ...files]);
}
const missed = results.curves.filter(({ isFlat }) => isFlat === false);
for (const { curve, growth } of missed) {
  console.log(`MISSED: ${curve.title} grows ${growth.toFixed(2)}x, at most ${curve.growthMax}x`);
}
process.exit(missed.length === 0 && missing.length === 0 ? 0 : 1);
