/**
 * D5 to D8: what the picture costs while tasks run at 2,000 a second: how late it is, what it sends, and what it takes from the
 * cluster with many tabs, many readers, and one that does not read.
 * @module
 */
import type { BrowserContext } from "playwright-core";
import { type Bar, kb, ms, percentile } from "./bars.ts";
import { openWatched } from "./browser.ts";
import { cpuMs, processOf, rssBytes, runSteadily, type Watchee } from "./cluster.ts";
import { openReader, type StreamReader } from "./readers.ts";

const PER_SECOND = 2_000;
const TELEMETRY = "telemetry_process";
const HEAD = "head_main";

interface Place {
  readonly cluster: Watchee;
  readonly context: BrowserContext;
  readonly base: string;
  readonly cookie: string;
}

export async function measureWatching(place: Place): Promise<Bar[]> {
  return [
    ...await latency(place),
    ...await tabs(place),
    await stalled(place),
    await manyReaders(place),
  ];
}

/** In the page: when its total of finished tasks changes, and to what. The driver's clock is the page's: one machine. */
const NOTE_TOTALS = `
  globalThis.seen = [];
  const summary = document.querySelector(".summary");
  const read = () => Number(/[\\d,]+/.exec(summary.textContent)[0].replaceAll(",", ""));
  let last = read();
  new MutationObserver(() => {
    const now = read();
    if (now !== last) seen.push([Date.now(), last = now]);
  }).observe(summary, { subtree: true, childList: true, characterData: true });`;

/** D5: the total on the Now page follows the driver's; bytes a second of a page. */
async function latency({ context, base }: Place): Promise<Bar[]> {
  const watched = await openWatched(context);
  await watched.page.goto(`${base}#/`);
  await watched.page.locator(".summary").first().waitFor();
  await watched.page.evaluate(NOTE_TOTALS);
  const before = watched.bytes();
  const done: [number, number][] = [];
  const ms0 = Date.now();
  const SECONDS = 10;
  await runSteadily(PER_SECOND, SECONDS * 1_000, (count) => done.push([Date.now(), count]));
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const seen = await watched.page.evaluate<[number, number][]>("seen");
  const perSecond = (watched.bytes() - before) / ((Date.now() - ms0) / 1_000);
  await watched.page.close();
  const first = seen[0]?.[1] ?? 0;
  const base0 = (seen.at(-1)?.[1] ?? 0) - done.at(-1)![1];
  const late = done.filter(([, count]) => count + base0 >= first).map(([atMs, count]) => {
    const shown = seen.find(([, total]) => total >= count + base0);
    return shown === undefined ? Infinity : shown[0] - atMs;
  });
  const p95 = percentile(late, 0.95);
  return [
    {
      id: "D5",
      what: "a task's end to the page, p95, at 2,000 tasks/s",
      asked: ms(1_000),
      measured: ms(p95),
      isReached: p95 <= 1_000,
    },
    {
      id: "D5",
      what: "bytes a second to one page meanwhile",
      asked: "64 KB/s",
      measured: `${kb(perSecond)}/s`,
      isReached: perSecond <= 64_000,
    },
  ];
}

/** D6: throughput in flight without and with five open streams of Graph and Timeline, in turns; and how long the head's loop lets one wait. */
async function tabs({ cluster, base, cookie }: Place): Promise<Bar[]> {
  const TASKS = 100_000;
  const live = [`graph?job=${cluster.jobId}`, `timeline/lanes?job=${cluster.jobId}`].map((each) =>
    `live=${encodeURIComponent(each)}`
  );
  const path = `/api/v1/stream?topics=cluster,rates,functions&${live.join("&")}`;
  const rates = { without: [] as number[], with: [] as number[] };
  const waits = { without: [] as number[], with: [] as number[] };
  for (let round = 0; round < 7; round++) {
    for (const kind of round % 2 === 0 ? ["without", "with"] as const : ["with", "without"] as const) {
      const readers: StreamReader[] = [];
      if (kind === "with") {
        for (let tab = 0; tab < 5; tab++) readers.push(await openReader(base, path, cookie));
      }
      const probe = probeHead(base);
      const startMs = performance.now();
      await cluster.run(TASKS);
      if (round > 0) rates[kind].push(TASKS / (performance.now() - startMs));
      waits[kind].push(...await probe.stop());
      for (const reader of readers) reader.close();
    }
  }
  const ratios = rates.with.map((rate, index) => rate / rates.without[index]!);
  const loss = 1 - percentile(ratios, 0.5);
  // With both cores busy an answer also waits for a core: what watchers add is the difference.
  const p99 = percentile(waits.with, 0.99);
  const alone = percentile(waits.without, 0.99);
  return [
    {
      id: "D6",
      what: "throughput lost to 5 watchers of Graph and Timeline (median of 6 pairs)",
      asked: "2 %",
      measured: `${(loss * 100).toFixed(1)} %`,
      isReached: loss <= 0.02,
    },
    {
      id: "D6",
      what: "p99 of an answer of the head meanwhile, both cores busy",
      asked: `${ms(10)} more than without watchers`,
      measured: `${ms(p99)}, without ${ms(alone)}`,
      isReached: p99 - alone <= 10,
    },
  ];
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

/** D7: a reader that stops reading for a minute, and then must have exactly what has run. */
async function stalled({ base, cookie }: Place): Promise<Bar> {
  const SECONDS = 60;
  let ran = 0;
  const run = async (seconds: number): Promise<void> => {
    let own = 0;
    await runSteadily(PER_SECOND, seconds * 1_000, (count) => own = count);
    ran += own;
  };
  // The counts of the cluster alone, so that the newest frame is at hand.
  const reader = await openReader(base, "/api/v1/stream?topics=cluster", cookie);
  await run(3);
  const first = await settledTotal(reader) - ran;
  const head = processOf(HEAD);
  const before = rssBytes(head);
  reader.pause();
  await run(SECONDS);
  const grown = rssBytes(head) - before;
  reader.resume();
  await run(2);
  const isExact = await settledTotal(reader) === first + ran;
  reader.close();
  return {
    id: "D7",
    what: `head's memory while one reader stalls for ${SECONDS} s`,
    asked: `${kb(8e6)}, resumes exact`,
    measured: `${kb(Math.max(0, grown))}, exact to the task: ${isExact}`,
    isReached: grown <= 8e6 && isExact,
  };
}

/** Finished tasks as the reader's newest frame has them, once nothing is told of any more. */
async function settledTotal(reader: StreamReader): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const frames = [...reader.tail().matchAll(/"topic":"cluster".*?"tasks":\{[^}]*?"finished":(\d+)/g)];
  return Number(frames.at(-1)?.[1] ?? NaN);
}

/** D8: twenty readers at 2,000 tasks a second. */
async function manyReaders({ cluster, base, cookie }: Place): Promise<Bar> {
  const SECONDS = 10;
  const readers: StreamReader[] = [];
  const path = `/api/v1/stream?live=${encodeURIComponent(`profile?job=${cluster.jobId}`)}`;
  for (let each = 0; each < 20; each++) readers.push(await openReader(base, path, cookie));
  await runSteadily(PER_SECOND, 2_000);
  const telemetry = processOf(TELEMETRY);
  const before = cpuMs(telemetry);
  const startMs = performance.now();
  await runSteadily(PER_SECOND, SECONDS * 1_000);
  const share = (cpuMs(telemetry) - before) / (performance.now() - startMs);
  for (const reader of readers) reader.close();
  return {
    id: "D8",
    what: "telemetry process with 20 readers at 2,000 tasks/s",
    asked: "30 % of a core",
    measured: `${(share * 100).toFixed(0)} %`,
    isReached: share <= 0.3,
  };
}
