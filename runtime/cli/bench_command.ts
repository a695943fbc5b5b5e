/**
 * `mobula bench`: Ray's 23 microbenchmarks by their names on the cluster that runs, as a driver of its own, beside what
 * copying memory gives in this process. A minute at most when nothing else runs there.
 * @module
 */
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runtimeName, spawnRuntime } from "#platform";
import type { RuntimeName } from "../common/task_spec.ts";
import { clusterResources, init, listNodes, shutdown } from "../mod.ts";
import { destinationOf } from "./head_client.ts";
import { COLD_BYTES, coldPuts } from "../../bench/microbenchmarks/cold_puts.ts";
import { measure, type Measured, summarize } from "../../bench/microbenchmarks/measure.ts";
import { COPIES, MULTIPLIERS } from "../../bench/microbenchmarks/names.ts";
import { microbenchmarks } from "../../bench/microbenchmarks/suite.ts";
import { print, printJson, table } from "./print.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments, UsageError } from "./usage.ts";

const COLD = "single client put gigabytes, cold memory";
const COLD_COPY = "memory copy, first touch";
const COLD_ROUNDS = 8;
/** What the rows of gigabytes need: a value of 800 MiB and the next one, while the first one is let go. */
const GIGABYTES_NEED = 2 * 800 * 1024 * 1024;
const RUNTIMES: readonly RuntimeName[] = ["bun", "deno", "node"];

/** A row; without a rate it says why. */
type Row = { readonly name: string } & (Measured | { readonly missing: string });

export const benchCommand: CommandDefinition = {
  name: "bench",
  summary: "measure the cluster: Ray's 23 microbenchmarks, in half a minute",
  flags: {
    ...COMMON_FLAGS,
    seconds: { type: "string", value: "N", help: "for each measurement; default 1" },
    only: { type: "string", value: "TEXT", help: "only measurements whose name contains TEXT" },
    markdown: { type: "boolean", help: "print a Markdown table" },
    runtime: {
      type: "string",
      value: "bun|deno|node",
      help: "what the measuring program runs on, and its workers; default: as the command line",
    },
  },
  examples: [
    ["mobula bench", "all of them on the cluster that runs here; other work there makes it slower"],
    ["mobula bench --only 'tasks async' --seconds 5", "some, for longer"],
    ["mobula bench --runtime node --json", "from a program on Node, for scripts"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const seconds = flags.number("seconds", 0.05) ?? 1;
  const names = namesOf(flags.text("only") ?? "");
  if (flags.isSet("json") && flags.isSet("markdown")) {
    throw new UsageError("bench: --json and --markdown exclude each other");
  }
  const other = runtimeOf(flags);
  if (other !== null) return await runUnder(other);
  const { address, token } = destinationOf(flags);
  await init({ address, token, dashboard: false, logToDriver: false });
  try {
    const rows = await rowsOf(names, seconds * 1_000, !flags.isSet("json"));
    if (flags.isSet("json")) printJson({ runtime: runtimeName, seconds, results: rows });
    else print(flags.isSet("markdown") ? markdown(rows) : table(HEADINGS, rows.map(cells)));
    return 0;
  } finally {
    await shutdown();
  }
}

function namesOf(text: string): readonly string[] {
  const all = [COLD, ...MULTIPLIERS(1).keys()];
  const names = all.filter((name) => name.includes(text));
  if (names.length > 0) return names;
  throw new UsageError(`bench: --only ${JSON.stringify(text)} is in no name; there are: ${all.join("; ")}`);
}

/** Null when it is this process's own. */
function runtimeOf(flags: ParsedArguments): RuntimeName | null {
  const text = flags.text("runtime");
  const found = RUNTIMES.find((name) => name === text);
  if (text !== null && found === undefined) {
    throw new UsageError(`bench: --runtime must be ${RUNTIMES.join(", ")}, is ${JSON.stringify(text)}`);
  }
  return found === undefined || found === runtimeName ? null : found;
}

/** The same command line in another runtime's process. */
async function runUnder(runtime: RuntimeName): Promise<number> {
  const entry = fileURLToPath(new URL("./main.ts", import.meta.url));
  const child = spawnRuntime(runtime, entry, { args: process.argv.slice(2), stdio: "inherit" });
  const [code] = await once(child, "exit") as [number | null];
  return code ?? 1;
}

async function rowsOf(names: readonly string[], ms: number, isWatched: boolean): Promise<Row[]> {
  const { CPU: cpus = 1 } = await clusterResources();
  const room = Math.min(...(await listNodes()).map((node) => Number(node["storeBytes"] ?? 0)));
  const workloads = microbenchmarks({ cpus, bundle: { CPU: 0.001 } });
  const rows: Row[] = [];
  for (const name of names) {
    if (isWatched && process.stderr.isTTY === true) process.stderr.write(`\r${name}\x1b[K`);
    if (name === COLD) rows.push(...await coldRows(room));
    else if (COPIES.has(name) && room < GIGABYTES_NEED) rows.push(tooSmall(name, GIGABYTES_NEED, room));
    else rows.push({ name, ...await measure(name, workloads[name]!, ms) });
  }
  if (isWatched && process.stderr.isTTY === true) process.stderr.write("\r\x1b[K");
  return rows;
}

async function coldRows(room: number): Promise<Row[]> {
  const rounds = Math.min(COLD_ROUNDS, Math.floor(room * 0.5 / COLD_BYTES));
  if (rounds < 2) return [tooSmall(COLD, 4 * COLD_BYTES, room)];
  const { puts, copies } = await coldPuts(rounds);
  return [{ name: COLD, ...summarize(puts, []) }, { name: COLD_COPY, ...summarize(copies, []) }];
}

function tooSmall(name: string, need: number, room: number): Row {
  const mb = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
  return { name, missing: `needs object stores of ${mb(need)}, the smallest has ${mb(room)}` };
}

const HEADINGS = ["WHAT", "PER SECOND", "P50", "P99", "SPREAD"];

function cells(row: Row): string[] {
  if ("missing" in row) return [row.name, row.missing];
  return [
    row.name,
    quantity(row.perSecond),
    duration(row.p50Us),
    duration(row.p99Us),
    row.spread.map((value) => value.toFixed(2)).join("-"),
  ];
}

function markdown(rows: readonly Row[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const headings = HEADINGS.map((heading) => heading.toLowerCase());
  return [headings, ["---", ...headings.slice(1).map(() => "---:")], ...rows.map(cells)].map(line).join("\n");
}

function quantity(perSecond: number): string {
  if (perSecond >= 100) return String(Math.round(perSecond));
  return String(Math.round(perSecond * 100) / 100);
}

function duration(us: number): string {
  if (Number.isNaN(us)) return "";
  if (us >= 1_000_000) return `${(us / 1_000_000).toFixed(2)} s`;
  return us >= 1_000 ? `${(us / 1_000).toFixed(1)} ms` : `${us.toFixed(us < 100 ? 1 : 0)} us`;
}
