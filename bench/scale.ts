/**
 * The scale section: how the cost of a task and the memory of all processes grow with what is queued, and how long
 * operations on ten thousand refs take. Each case is a process of its own (scale_case.ts) with its own cluster, so that
 * memory is honest: driver, head, agent, workers and store process together, sampled while it runs.
 * @module
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type TreeMemory, treeMemory } from "./process_tree.ts";
import { formatRow } from "./table.ts";

/** Marks of the queues: memory of all processes together, and how flat the cost of one task is. */
const MEMORY_MAX = 1.5e9;
const GROWTH_MAX = 1.2;
const CASE_TIMEOUT_MS = 120_000;
const SAMPLE_MS = 100;

const HEADINGS = ["scale", "count", "submit", "cpu", "run", "cpu", "memory", "of driver"];
const WIDTHS = [44, 11, 10, 10, 10, 10, 10, 10] as const;

interface Case {
  readonly name: string;
  readonly title: string;
  readonly counts: readonly number[];
}

const QUEUES: readonly Case[] = [
  { name: "tasks-kept", title: "queued no-op tasks, refs kept", counts: [1e3, 1e4, 1e5, 1e6] },
  { name: "tasks-ticks", title: "queued no-op tasks, 1,000 a tick", counts: [1e6] },
  { name: "tasks-released", title: "queued no-op tasks, refs released", counts: [1e6] },
  { name: "calls-kept", title: "queued actor calls, refs kept", counts: [1e4, 1e6] },
];

const REFS: readonly Case[] = [
  { name: "fan-in", title: "task with refs as arguments", counts: [1e4] },
  { name: "fan-in-pending", title: "the same, not done yet", counts: [1e4] },
  { name: "fan-in-stored", title: "the same, 100 of them of 200 KB", counts: [1e4] },
  { name: "fan-in-nested", title: "task that gets a list of refs", counts: [1e4] },
  { name: "get", title: "get of refs that are done", counts: [1e4] },
  { name: "get-pending", title: "tasks, then get of all", counts: [1e4] },
  { name: "get-containing", title: "get of a list of refs, and of its refs", counts: [1e4] },
  { name: "wait-loop", title: "wait for one of them, until all are done", counts: [1e3, 1e4] },
  { name: "as-completed", title: "tasks, then asCompleted", counts: [1e4] },
];

/** What one run of a case gave. */
interface Outcome {
  readonly title: string;
  readonly count: number;
  /** Microseconds by name, as the case printed them. */
  readonly figures: Readonly<Record<string, number>> | null;
  /** At its highest. */
  readonly memory: TreeMemory;
  readonly missing: string | null;
}

export interface ScaleReport {
  readonly text: string;
  readonly missed: readonly string[];
  readonly outcomes: readonly Outcome[];
}

/** Measure the cases that are wanted, one after the other; null when there is none. */
export async function measureScale(isWanted: (title: string) => boolean): Promise<ScaleReport | null> {
  const outcomes: Outcome[] = [];
  for (const { name, title, counts } of [...QUEUES, ...REFS]) {
    if (!isWanted(title)) continue;
    process.stderr.write(`${title} ...\n`);
    for (const count of counts) outcomes.push(await runCase(name, title, count));
  }
  return outcomes.length === 0 ? null : report(outcomes);
}

async function runCase(name: string, title: string, count: number): Promise<Outcome> {
  const program = fileURLToPath(new URL("./scale_case.ts", import.meta.url));
  const child = spawn(process.execPath, [program, name, String(count)], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: CASE_TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  let memory: TreeMemory = { total: 0, root: 0 };
  const sampler = setInterval(() => {
    const now = treeMemory(child.pid!);
    if (now.total > memory.total) memory = now;
  }, SAMPLE_MS);
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk: Uint8Array) => output += String(chunk));
  child.stderr.on("data", (chunk: Uint8Array) => errors += String(chunk));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearInterval(sampler);
  const outcome = { title, count, memory };
  if (code !== 0) {
    const said = errors.split("\n").find((line) => line.includes("Error")) ?? "";
    return { ...outcome, figures: null, missing: `ended with code ${code} ${said}`.trim() };
  }
  return { ...outcome, figures: JSON.parse(output) as Record<string, number>, missing: null };
}

function report(outcomes: readonly Outcome[]): ScaleReport {
  const missed: string[] = [];
  const lines = [formatRow(HEADINGS, WIDTHS)];
  for (const title of new Set(outcomes.map((outcome) => outcome.title))) {
    const own = outcomes.filter((outcome) => outcome.title === title);
    lines.push("", title, ...own.map(outcomeRow));
    for (const { text, isReached } of judge(own)) {
      lines.push(`  mark: ${isReached ? "reached" : "MISSED"}: ${text}`);
      if (!isReached) missed.push(`${title}: ${text}`);
    }
  }
  return { text: lines.join("\n"), missed, outcomes };
}

function outcomeRow({ count, figures, memory, missing }: Outcome): string {
  if (figures === null) return `  missing (${missing})`;
  return formatRow([
    "",
    count.toLocaleString("en-US"),
    perOne(figures["submitUs"]),
    perOne(figures["submitCpuUs"]),
    perOne(figures["drainUs"] ?? figures["us"]),
    perOne(figures["drainCpuUs"]),
    megabytes(memory.total),
    megabytes(memory.root),
  ], WIDTHS);
}

/** Of queues: memory at the largest, and its cost per task against that at the smallest, in processor time. */
function judge(own: readonly Outcome[]): { text: string; isReached: boolean }[] {
  const [first, last] = [own[0]!, own.at(-1)!];
  if (last.missing !== null || first.missing !== null) return [{ text: "not measured", isReached: false }];
  if (last.count < 1e6) return [];
  const marks = [{
    text: `${megabytes(last.memory.total)} for ${last.count.toLocaleString("en-US")}, at most ${
      megabytes(MEMORY_MAX)
    }`,
    isReached: last.memory.total <= MEMORY_MAX,
  }];
  if (first === last) return marks;
  for (const [name, what] of [["submitCpuUs", "submit"], ["drainCpuUs", "run"]] as const) {
    const growth = last.figures![name]! / first.figures![name]!;
    marks.push({
      text: `${what} takes ${growth.toFixed(2)}x that of ${
        first.count.toLocaleString("en-US")
      }, at most ${GROWTH_MAX}x`,
      isReached: growth <= GROWTH_MAX,
    });
  }
  return marks;
}

function perOne(us: number | undefined): string {
  if (us === undefined) return "";
  return us < 1 ? `${(us * 1_000).toFixed(0)} ns` : `${us.toFixed(2)} us`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
