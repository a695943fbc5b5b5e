/**
 * The scale section: time and memory of a million queued tasks, and how long operations on ten thousand refs take (how costs
 * grow with the size is flatness/'s). Each case is a process of its own (scale_case.ts) with its own cluster, so that
 * memory is honest: driver, head, agent, workers and store process together, sampled while it runs.
 * @module
 */
import { type CaseOutcome, runCase } from "./case_process.ts";
import { formatRow } from "./table.ts";

/** Marks of the queues: memory of all processes together, and seconds from the first submit to the last result. */
const MEMORY_MAX = 1.5e9;
const SECONDS_MAX = 20;
const PROGRAM = new URL("./scale_case.ts", import.meta.url);
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
  { name: "tasks-kept", title: "queued no-op tasks, refs kept", counts: [1e6] },
  { name: "tasks-ticks", title: "queued no-op tasks, 1,000 a tick", counts: [1e6] },
  { name: "tasks-released", title: "queued no-op tasks, refs released", counts: [1e6] },
  { name: "calls-kept", title: "queued actor calls, refs kept", counts: [1e6] },
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

/** What one run of a case gave: microseconds by name. */
interface Outcome extends CaseOutcome<Readonly<Record<string, number>>> {
  readonly title: string;
  readonly count: number;
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
    for (const count of counts) outcomes.push(await measureCase(name, title, count));
  }
  return outcomes.length === 0 ? null : report(outcomes);
}

async function measureCase(name: string, title: string, count: number): Promise<Outcome> {
  const limits = { timeoutMs: CASE_TIMEOUT_MS, sampleMs: SAMPLE_MS };
  const outcome = await runCase<Record<string, number>>(PROGRAM, [name, String(count)], limits);
  return { title, count, ...outcome };
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

/** Of a million that are queued: their memory and their time. */
function judge(own: readonly Outcome[]): { text: string; isReached: boolean }[] {
  return own.flatMap(({ count, figures, memory, missing }) => {
    if (missing !== null || figures === null) return [{ text: "not measured", isReached: false }];
    if (count < 1e6) return [];
    const seconds = (figures["submitUs"]! + figures["drainUs"]!) * count / 1e6;
    return [{
      text: `${megabytes(memory.total)}, at most ${megabytes(MEMORY_MAX)}`,
      isReached: memory.total <= MEMORY_MAX,
    }, {
      text: `${seconds.toFixed(1)} s from the first submit to the last result, at most ${SECONDS_MAX} s`,
      isReached: seconds <= SECONDS_MAX,
    }];
  });
}

function perOne(us: number | undefined): string {
  if (us === undefined) return "";
  return us < 1 ? `${(us * 1_000).toFixed(0)} ns` : `${us.toFixed(2)} us`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
