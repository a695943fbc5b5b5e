/**
 * The light actors' section: a hundred thousand in one cluster, in a process of its own (light_actors_case.ts), so that the
 * memory of driver, head, agent, store process and workers together is honest.
 * @module
 */
import { runCase } from "./case_process.ts";

const PROGRAM = new URL("./light_actors_case.ts", import.meta.url);
const TITLE = "100,000 light actors";
const COUNT = 100_000;
/** All processes together, when the actors are there and idle. */
const MEMORY_MAX = 1e9;
const CREATED_PER_SECOND_MIN = 10_000;
/** Of the rate of an actor with a process of its own, called in turns with it. */
const CALLS_RATIO_MIN = 0.9;
const SAMPLE_MS = 200;
const TIMEOUT_MS = 300_000;

/** What the case prints. */
export interface LightFigures {
  readonly createdPerSecond: number;
  /** All processes together, some seconds after the last one was created. */
  readonly memoryIdle: number;
  readonly memoryBefore: number;
  /** Each of them called once, all at once. */
  readonly eachCalledPerSecond: number;
  readonly single: { readonly light: number; readonly dedicated: number };
  readonly inFlight: { readonly light: number; readonly dedicated: number };
  /** Microseconds of processor time for each, in all processes. */
  readonly createCpuUs: number;
  readonly endedPerSecond: number;
}

export interface LightReport {
  readonly text: string;
  readonly missed: readonly string[];
  readonly figures: LightFigures | null;
}

/** Null when it is not wanted. */
export async function measureLightActors(isWanted: (title: string) => boolean): Promise<LightReport | null> {
  if (!isWanted(TITLE)) return null;
  process.stderr.write(`${TITLE} ...\n`);
  const limits = { timeoutMs: TIMEOUT_MS, sampleMs: SAMPLE_MS };
  const { figures, memory, missing } = await runCase<LightFigures>(PROGRAM, [String(COUNT)], limits);
  if (figures !== null) return report(figures, memory.total);
  return { text: `${TITLE}\n  missing (${missing})`, missed: [`${TITLE}: ${missing}`], figures: null };
}

function report(figures: LightFigures, highest: number): LightReport {
  const { single, inFlight } = figures;
  const lines = [
    TITLE,
    `  created              ${rate(figures.createdPerSecond)}, ${
      figures.createCpuUs.toFixed(0)
    } us of processor time each`,
    `  memory, idle         ${megabytes(figures.memoryIdle)} in all processes, ${
      ((figures.memoryIdle - figures.memoryBefore) / COUNT / 1e3).toFixed(1)
    } KB each (highest on the way: ${megabytes(highest)})`,
    `  each called once     ${rate(figures.eachCalledPerSecond)}`,
    `  one at a time        ${rate(single.light)}, one with its own process ${rate(single.dedicated)}`,
    `  1,000 in flight      ${rate(inFlight.light)}, one with its own process ${rate(inFlight.dedicated)}`,
    `  let go               ${rate(figures.endedPerSecond)}`,
  ];
  const marks = [
    {
      text: `${megabytes(figures.memoryIdle)}, at most ${megabytes(MEMORY_MAX)}`,
      isReached: figures.memoryIdle <= MEMORY_MAX,
    },
    {
      text: `created at ${rate(figures.createdPerSecond)}, at least ${rate(CREATED_PER_SECOND_MIN)}`,
      isReached: figures.createdPerSecond >= CREATED_PER_SECOND_MIN,
    },
    ...([["one at a time", single], ["1,000 in flight", inFlight]] as const).map(([what, calls]) => ({
      text: `${what} ${(calls.light / calls.dedicated).toFixed(2)}x one with its own process, at least ` +
        `${CALLS_RATIO_MIN}x`,
      isReached: calls.light >= calls.dedicated * CALLS_RATIO_MIN,
    })),
  ];
  for (const { text, isReached } of marks) lines.push(`  mark: ${isReached ? "reached" : "MISSED"}: ${text}`);
  const missed = marks.filter(({ isReached }) => !isReached).map(({ text }) => `${TITLE}: ${text}`);
  return { text: lines.join("\n"), missed, figures };
}

function rate(perSecond: number): string {
  return `${Math.round(perSecond).toLocaleString("en-US")}/s`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
