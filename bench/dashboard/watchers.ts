/**
 * D6: what five watchers of Graph and Timeline take from the cluster: as streams alone (a browser on another machine, which is
 * what the bar is about), and as five tabs of a Chromium that has to share these cores.
 * @module
 */
import process from "node:process";
import type { BrowserContext, Page } from "playwright-core";
import { treeCpuUs } from "../process_tree.ts";
import { percentile } from "../timing.ts";
import { type Bar, ms } from "./bars.ts";
import type { Watchee } from "./cluster.ts";
import { openReader } from "./readers.ts";

export interface Place {
  readonly cluster: Watchee;
  readonly context: BrowserContext;
  readonly base: string;
  readonly cookie: string;
}

type Close = () => Promise<unknown>;

const WATCHERS = 5;
const BATCH = 20_000;
/** A turn's length: tabs draw once a second. Before it, tasks run as long as tabs need to be at rest after their opening. */
const TURN_MS = 5_000;
const SETTLE_MS = 2_000;
/** Pairs that count, after one that warms up. */
const ROUNDS = 5;
const LOSS_MAX = 0.02;
const STALL_MS_MAX = 10;
const KINDS = ["nobody", "streams", "tabs"] as const;
export const BROWSER = "chromium";

interface Turns {
  /** Tasks a millisecond. */
  readonly rates: number[];
  /** Answers of the head, in ms. */
  readonly waits: number[];
  /** Of the browser: microseconds of processor time a microsecond. */
  readonly browserShares: number[];
  /** Of driver and cluster, for one task: microseconds of processor time. */
  readonly taskUs: number[];
}

/** Throughput with nobody, five streams and five tabs, in turns; and how long the head's loop lets one wait. */
export async function measureWatchers(place: Place): Promise<Bar[]> {
  const turns = Object.fromEntries(
    KINDS.map((kind) => [kind, { rates: [], waits: [], browserShares: [], taskUs: [] }]),
  ) as unknown as Record<typeof KINDS[number], Turns>;
  for (let round = 0; round <= ROUNDS; round++) {
    for (const kind of round % 2 === 0 ? KINDS : [...KINDS].reverse()) {
      const close = kind === "nobody" ? null : await (kind === "streams" ? openStreams : openTabs)(place);
      await runFor(place.cluster, SETTLE_MS);
      const probe = probeHead(place.base);
      const [startMs, allUs, browserUs] = [performance.now(), treeCpuUs(process.pid), ofBrowser()];
      const ran = await runFor(place.cluster, TURN_MS);
      const tookMs = performance.now() - startMs;
      const [tookUs, browserTookUs] = [treeCpuUs(process.pid) - allUs, ofBrowser() - browserUs];
      const waits = await probe.stop();
      const turn = turns[kind];
      if (round > 0) {
        turn.rates.push(ran / tookMs);
        turn.waits.push(...waits);
        turn.browserShares.push(browserTookUs / 1_000 / tookMs);
        turn.taskUs.push((tookUs - browserTookUs) / ran);
      }
      await close?.();
    }
  }
  return KINDS.slice(1).flatMap((kind) => barsOf(kind, turns[kind], turns.nobody));
}

/** As many tasks as `ms` have room for; answers how many. */
async function runFor(cluster: Watchee, ms: number): Promise<number> {
  const startMs = performance.now();
  let ran = 0;
  for (; performance.now() - startMs < ms; ran += BATCH) await cluster.run(BATCH);
  return ran;
}

const ofBrowser = (): number => treeCpuUs(process.pid, BROWSER);

function barsOf(kind: string, turn: Turns, alone: Turns): Bar[] {
  const loss = 1 - percentile(turn.rates.map((rate, index) => rate / alone.rates[index]!), 0.5);
  const share = percentile(turn.browserShares, 0.5);
  const who = kind === "streams"
    ? "5 watchers' streams of Graph and Timeline"
    : "5 tabs of Graph and Timeline, Chromium on the same cores";
  const dearer = percentile(turn.taskUs.map((us, index) => us / alone.taskUs[index]!), 0.5) - 1;
  const costs = `; processor time of the cluster for a task ${dearer < 0 ? "" : "+"}${percent(dearer)}` +
    (kind === "streams" ? "" : `, Chromium ${percent(share)} of a core`);
  // With both cores busy an answer also waits for a core: what watchers add is the difference.
  const [p99, p99Alone] = [percentile(turn.waits, 0.99), percentile(alone.waits, 0.99)];
  return [
    {
      id: "D6",
      what: `throughput lost to ${who} (median of ${ROUNDS} pairs)`,
      asked: `${LOSS_MAX * 100} %`,
      measured: `${percent(loss)}${costs}`,
      isReached: loss <= LOSS_MAX,
    },
    {
      id: "D6",
      what: `p99 of an answer of the head meanwhile (${kind}), both cores busy`,
      asked: `${ms(STALL_MS_MAX)} more than without watchers`,
      measured: `${ms(p99)}, without ${ms(p99Alone)}`,
      isReached: p99 - p99Alone <= STALL_MS_MAX,
    },
  ];
}

/** What a tab of Graph or Timeline keeps open, without the tab. */
async function openStreams({ cluster, base, cookie }: Place): Promise<Close> {
  const live = [`graph?job=${cluster.jobId}`, `timeline/lanes?job=${cluster.jobId}`].map((each) =>
    `live=${encodeURIComponent(each)}`
  );
  const path = `/api/v1/stream?topics=cluster,rates,functions&${live.join("&")}`;
  const readers = await Promise.all(
    Array.from({ length: WATCHERS }, () => openReader(base, path, cookie)),
  );
  return () => Promise.resolve(readers.forEach((reader) => reader.close()));
}

/** Tabs that show three graphs and two timelines of the job. */
export async function openTabs(place: Pick<Place, "cluster" | "context" | "base">): Promise<Close> {
  const { cluster, context, base } = place;
  const pages: Page[] = [];
  for (let tab = 0; tab < WATCHERS; tab++) {
    const name = tab % 2 === 0 ? "graph" : "timeline";
    const page = await context.newPage();
    await page.goto(`${base}#/${name}?job=${cluster.jobId}`);
    await page.locator(`#${name} canvas`).first().waitFor({ timeout: 60_000 });
    pages.push(page);
  }
  return () => Promise.all(pages.map((page) => page.close()));
}

/** Asks the head again and again for the least that it can say: its loop's stalls show as late answers. */
function probeHead(base: string): { stop: () => Promise<number[]> } {
  const waits: number[] = [];
  let isOver = false;
  const asked = (async () => {
    while (!isOver) {
      const startMs = performance.now();
      await (await fetch(new URL("healthz", base))).text();
      waits.push(performance.now() - startMs);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  return {
    stop: async () => {
      isOver = true;
      await asked;
      return waits;
    },
  };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
