/**
 * `npm run bench:peers`: Ray's 23 microbenchmarks on mobula and on Ray, and the calls among them on what a TypeScript user
 * would take today, in one run and in turns, beside the machine's limits. Ray is installed once into a cache folder; a peer
 * that cannot be had is named as missing.
 *
 *   --only TEXT          workloads whose name contains TEXT
 *   --with A,B           of the peers only these: ray, deno, node, plain, piscina, tinypool, workerpool, poolifier, bullmq
 *   --rounds N --ms N    rounds (5) and milliseconds of a slice (700); the first round warms up and does not count
 *   --json FILE --markdown FILE --svg FILE      also write the figures, the table, a picture: the ratios to Ray, else the rates
 *   --baseline FILE      compare with the shares there (bench/baseline.json); --write-baseline: write them there
 * @module
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { RawPeer } from "../raw.ts";
import { percentile } from "../timing.ts";
import { compare, type Competitor, type Figure, figureFrom } from "./compare.ts";
import { COPY_WORKLOAD } from "./copies.ts";
import { againstBaseline, readBaseline, slower, writeBaseline } from "./baseline.ts";
import { memoryCopy, messageLimits } from "./limits.ts";
import { measureRecording } from "./recording.ts";
import { COPIES, MULTIPLIERS } from "../microbenchmarks/names.ts";
import { Peer, type PeerCommand } from "./peer.ts";
import { rayPython } from "./ray_install.ts";
import { rateChart, ratioChart } from "./chart.ts";
import { figureOf, markdown, type Row, times } from "./tables.ts";

const POOLS = ["piscina", "tinypool", "workerpool", "poolifier"];
const OVER_RAY = 10;
const OF_COPY = 0.8;
const OVER_POOLS_SINGLE = 1.2;
const OVER_POOLIFIER = 3;
const OF_BUN = 0.3;
const OF_PLAIN = 0.9;
/** Rows with a mark of their own over Ray. */
const OVER_RAY_OF: Readonly<Record<string, number>> = { "20 actors created and called": 12 };
const FIRST_RESULT_MS_MAX = 400;
const FIRST_RESULT = "init() to the first result";
const FIRST_RESULT_STARTS = 5;
const RECORDING = "recording and dashboard";
const [RECORDING_PAIRS, RECORDING_MS] = [30, 200];
const COLD = "single client put gigabytes, cold memory";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    with: { type: "string" },
    rounds: { type: "string", default: "5" },
    ms: { type: "string", default: "700" },
    json: { type: "string" },
    markdown: { type: "string" },
    svg: { type: "string" },
    baseline: { type: "string", default: fileURLToPath(new URL("../baseline.json", import.meta.url)) },
    "write-baseline": { type: "boolean", default: false },
  },
});
/** A flag's number; a wrong one ends the program. */
function numberOf(name: "rounds" | "ms"): number {
  const value = Number(flags[name]);
  if (value > 0 && Number.isFinite(value)) return value;
  console.error(`--${name} must be a number above 0, is ${JSON.stringify(flags[name])}`);
  process.exit(1);
}

const wanted = flags.with?.split(",");
const isWanted = (kind: string): boolean => wanted === undefined || wanted.includes(kind);
const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** Runs a program of this folder under a runtime. */
function under(runtime: "bun" | "deno" | "node", file: string, ...args: string[]): Omit<PeerCommand, "name"> {
  const command = process.env[`MOBULA_${runtime.toUpperCase()}`] ?? runtime;
  const before = runtime === "deno" ? ["run", "-A", "--quiet", "--no-lock"] : [];
  return { command, args: [...before, pathOf(file), ...args] };
}

async function peerCommands(missing: Map<string, string>): Promise<PeerCommand[]> {
  const commands: PeerCommand[] = [{ name: "mobula", ...under("bun", "./mobula_peer.ts") }];
  for (const runtime of ["deno", "node"] as const) {
    if (isWanted(runtime)) {
      commands.push({ name: `mobula on ${runtime}`, ...under(runtime, "./mobula_peer.ts") });
    }
  }
  if (isWanted("ray")) {
    const python = await rayPython().catch((error: Error) => {
      missing.set("Ray", error.message);
      return null;
    });
    if (python !== null) commands.push({ name: "Ray", command: python, args: [pathOf("./ray_peer.py")] });
  }
  for (const pool of POOLS.filter(isWanted)) {
    commands.push({ name: `${pool} on node`, ...under("node", "./pool_peer.ts", pool) });
    // On Bun, workerpool hangs.
    if (pool !== "workerpool") {
      commands.push({ name: `${pool} on bun`, ...under("bun", "./pool_peer.ts", pool) });
    }
  }
  if (isWanted("bullmq")) commands.push({ name: "bullmq", ...under("node", "./pool_peer.ts", "bullmq") });
  return commands;
}

function marksOf(workload: string, figures: readonly Figure[]): Row["marks"] {
  const row: Row = { workload, figures, marks: [] };
  const own = figureOf(row, "mobula");
  if (own === null) return [{ text: "mobula was not measured", isReached: false }];
  const marks: { text: string; isReached: boolean }[] = [];
  const over = (name: string, least: number, from: Figure | null = own): void => {
    const other = figureOf(row, name);
    if (other === null || from === null) return;
    const ratio = from.perSecond / other.perSecond;
    marks.push({ text: `${times(ratio)} ${name} (${times(least)})`, isReached: ratio >= least });
  };
  const fastest = (names: readonly string[]): string =>
    names.map((name) => figureOf(row, name)).filter((figure) => figure !== null)
      .sort((a, b) => b.perSecond - a.perSecond)[0]?.competitor ?? "";
  over("Ray", OVER_RAY_OF[workload] ?? OVER_RAY);
  const copy = figureOf(row, "memory copy on bun");
  if (COPIES.has(workload) && copy !== null && marks[0]?.isReached !== true) {
    marks.splice(0, marks.length);
    over("memory copy on bun", OF_COPY);
  }
  const pools = figures.map(({ competitor }) => competitor).filter((name) =>
    POOLS.some((pool) => name.startsWith(pool))
  );
  if (workload.endsWith("sync") && !workload.endsWith("async")) over(fastest(pools), OVER_POOLS_SINGLE);
  else over(fastest(pools.filter((name) => name.startsWith("poolifier"))), OVER_POOLIFIER);
  for (const runtime of ["deno", "node"]) {
    const there = figureOf(row, `mobula on ${runtime}`);
    if (COPIES.has(workload)) over(`memory copy on ${runtime}`, OF_COPY, there);
    else over("mobula", OF_BUN, there);
  }
  return marks;
}

function describeMachine(): string {
  const model = cpus()[0]?.model ?? "unknown processor";
  return `${cpus().length} x ${model}, ${Math.round(totalmem() / 2 ** 30)} GB, load before ${
    loadavg()[0]!.toFixed(1)
  }`;
}

/** On Bun, in processes of their own, one after the other. */
async function firstResultRow(): Promise<Row> {
  const { command, args } = under("bun", "./first_result.ts");
  const times: number[] = [];
  for (let start = 0; start < FIRST_RESULT_STARTS; start++) {
    times.push(Number((await promisify(execFile)(command, args)).stdout));
  }
  const [ms, low, high] = [0.5, 0, 1].map((share) => percentile(times, share).toFixed(0));
  const text = `${ms} ms (${FIRST_RESULT_MS_MAX} ms; ${low} to ${high} in ${times.length} starts)`;
  return {
    workload: FIRST_RESULT,
    figures: [],
    marks: [{ text, isReached: Number(ms) <= FIRST_RESULT_MS_MAX }],
  };
}

/** The pair with and without recording and the page, in processes of their own. */
async function recordingRow(): Promise<Row> {
  const [full, plain] = await Promise.all([
    Peer.start({ name: "recorded", ...under("bun", "./mobula_peer.ts", "--tasks") }),
    Peer.start({ name: "plain", ...under("bun", "./mobula_peer.ts", "--tasks", "--plain") }),
  ]);
  try {
    const { share, middle, pairs, cpuUs } = await measureRecording(
      full,
      plain,
      RECORDING_PAIRS,
      RECORDING_MS,
    );
    const [low, high] = middle.map((value) => value.toFixed(2));
    const text = `${share.toFixed(2)}x of the throughput without (${OF_PLAIN}x; ${low} to ${high} in the ` +
      `middle half of ${pairs} pairs); processor time a task ${cpuUs.full.toFixed(2)} us, without ` +
      `${cpuUs.plain.toFixed(2)} us`;
    return { workload: RECORDING, figures: [], marks: [{ text, isReached: share >= OF_PLAIN }] };
  } finally {
    await Promise.all([full.stop(), plain.stop()]);
  }
}

interface ColdFact {
  readonly puts: readonly number[];
  readonly copies: readonly number[];
}

/** Puts into memory that nobody used before, which each peer measured when it began. */
function coldRow(): Row {
  const figures: Figure[] = [];
  for (const { name, facts } of peers) {
    const cold = facts["cold"] as ColdFact | undefined;
    if (cold === undefined) continue;
    figures.push(figureFrom(name, COLD, cold.puts));
    if (name === "mobula") figures.push(figureFrom("memory copy, first touch", COLD, cold.copies));
  }
  const row: Row = { workload: COLD, figures, marks: [] };
  const [own, copy, ray] = ["mobula", "memory copy, first touch", "Ray"].map((name) => figureOf(row, name));
  if (own == null || copy == null) return row;
  const overRay = ray == null ? 0 : own.perSecond / ray.perSecond;
  const overCopy = own.perSecond / copy.perSecond;
  const mark = overRay >= OVER_RAY
    ? { text: `${times(overRay)} Ray (${times(OVER_RAY)})`, isReached: true }
    : { text: `${times(overCopy)} ${copy.competitor} (${times(OF_COPY)})`, isReached: overCopy >= OF_COPY };
  return { ...row, marks: [mark] };
}

const plan = { rounds: numberOf("rounds"), sliceMs: numberOf("ms"), warmupMs: numberOf("ms") / 2 };
const machine = describeMachine();
const startMs = performance.now();
const folder = mkdtempSync(join(tmpdir(), "mobula-bench-"));
const missing = new Map<string, string>();
const peers: Peer[] = [];
const firstResults: string[] = [];
const rows: Row[] = [];
try {
  const raw = await RawPeer.start(folder, 1_000_000);
  for (const command of await peerCommands(missing)) {
    await Peer.start(command).then(
      (peer) => peers.push(peer),
      (error: Error) => missing.set(command.name, error.message),
    );
  }
  if (COLD.includes(flags.only)) rows.push(coldRow());
  const workloads = [...MULTIPLIERS(Math.max(1, Math.floor(cpus().length / 2)))];
  const limits = messageLimits(raw, workloads.map(([name]) => name));
  const copies = peers.filter(({ workloads }) => workloads.has(COPY_WORKLOAD)).map((peer) =>
    memoryCopy(peer, peer.name === "mobula" ? "bun" : peer.name.replace("mobula on ", ""))
  );
  const competitors: Competitor[] = [...peers, ...limits, ...copies];
  for (const [workload, multiplier] of workloads) {
    if (!workload.includes(flags.only)) continue;
    process.stderr.write(`${workload} ...\n`);
    const figures = await compare(workload, multiplier, competitors, plan);
    rows.push({ workload, figures, marks: marksOf(workload, figures) });
  }
  await raw.stop();
} finally {
  await Promise.all(peers.map((peer) => peer.stop()));
  rmSync(folder, { recursive: true, force: true });
}

for (const { name, facts } of peers) {
  const ms = facts["firstResultMs"];
  if (typeof ms === "number") firstResults.push(`${name} ${ms.toFixed(0)} ms`);
}
if (FIRST_RESULT.includes(flags.only)) rows.push(await firstResultRow());
if (isWanted("plain") && RECORDING.includes(flags.only)) {
  process.stderr.write(`${RECORDING} ...\n`);
  rows.push(await recordingRow());
}
if (rows.length === 0) {
  console.error(`Nothing is named like ${JSON.stringify(flags.only)}`);
  process.exit(1);
}
const baseline = readBaseline(flags.baseline);
const against = againstBaseline(rows, baseline);
const table = markdown(rows.filter(({ figures }) => figures.length > 0), against);
const missed = rows.flatMap(({ workload, marks }) =>
  marks.filter(({ isReached }) => !isReached).map(({ text }) => `${workload}: ${text}`)
);
const notes = [
  `${machine}, ${
    ((performance.now() - startMs) / 1_000).toFixed(0)
  } s; rates are medians of ${flags.rounds} slices of ${flags.ms} ms, in turns; in brackets how many times its rate mobula's is.`,
  `From init() to the first result, once each: ${firstResults.join(", ")}.`,
  ...rows.filter(({ figures }) => figures.length === 0).flatMap(({ workload, marks }) =>
    marks.map(({ text, isReached }) => `${isReached ? "Reached" : "Missed"}: ${workload}: ${text}.`)
  ),
  ...(baseline === null ? [] : [
    `Baseline (each as a share of the limit beside it): ${baseline.machine}, ${baseline.date}. Slower by a third or more: ${
      slower(against).join("; ") || "none"
    }.`,
  ]),
  ...[...missing].map(([name, why]) => `Missing: ${name} (${why})`),
];
const text = [table, "", ...notes].join("\n");
console.log(
  `${text}\n\n${missed.length === 0 ? "All marks reached." : `Marks missed:\n  ${missed.join("\n  ")}`}`,
);
if (flags.markdown !== undefined) writeFileSync(flags.markdown, `${text}\n`);
if (flags.json !== undefined) {
  writeFileSync(flags.json, `${JSON.stringify({ machine, rows, missing: [...missing] }, null, 2)}\n`);
}
if (flags.svg !== undefined) {
  const chart = peers.some(({ name }) => name === "Ray")
    ? ratioChart(rows, "Ray", `How many times Ray's rate mobula reaches (${cpus().length} processors)`)
    : rateChart(rows, `mobula, operations a second (${cpus().length} processors)`);
  writeFileSync(flags.svg, chart);
}
if (flags["write-baseline"]) writeBaseline(flags.baseline, machine, rows);
process.exit(0);
