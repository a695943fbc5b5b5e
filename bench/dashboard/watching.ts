/**
 * D5 to D8: what the picture costs while tasks run at 2,000 a second: how late it is, what it sends, and what it takes from the
 * cluster with many readers, and with one that does not read. D6 is watchers.ts.
 * @module
 */
import process from "node:process";
import { processIn, processMemory, treeCpuUs } from "../process_tree.ts";
import { percentile } from "../timing.ts";
import { type Bar, kb, ms } from "./bars.ts";
import { openWatched } from "./browser.ts";
import { runSteadily } from "./cluster.ts";
import { openReader, type StreamReader } from "./readers.ts";
import { measureWatchers, type Place } from "./watchers.ts";

const PER_SECOND = 2_000;
const TELEMETRY = "telemetry_process";
const HEAD = "head_main";

/** `isWanted`: which of the bars. */
export async function measureWatching(place: Place, isWanted: (id: string) => boolean): Promise<Bar[]> {
  return [
    ...isWanted("D5") ? await latency(place) : [],
    ...isWanted("D6") ? await measureWatchers(place) : [],
    ...isWanted("D7") ? [await stalled(place)] : [],
    ...isWanted("D8") ? [await manyReaders(place)] : [],
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

/** D7's reader: much, so that the connection's own buffers fill and it is the head that would have to keep the rest. */
const MUCH = `/api/v1/stream?topics=cluster,functions,rates,usage&${
  ["profile", "tasks?limit=1000", "slots", "attention"].map((name) => `live=${encodeURIComponent(name)}`)
    .join("&")
}`;
const STALL_SECONDS = 60;
/** Memory is the median of so many of a minute's last seconds: under load it swings with the head's collector. */
const SAMPLES = 30;

/**
 * D7: a reader that stops reading for a minute, between two minutes in which it reads and as much runs: what it costs is the
 * difference, for the head of a busy cluster grows and shrinks by more, whoever reads. Then it must have exactly what has run.
 */
async function stalled({ base, cookie }: Place): Promise<Bar> {
  let ran = 0;
  const head = processIn(process.pid, HEAD);
  const reader = await openReader(base, MUCH, cookie);
  const minute = async (seconds = STALL_SECONDS): Promise<number> => {
    const samples: number[] = [];
    const timer = setInterval(() => samples.push(processMemory(head)), 1_000);
    let own = 0;
    await runSteadily(PER_SECOND, seconds * 1_000, (count) => own = count);
    clearInterval(timer);
    ran += own;
    return percentile(samples.slice(-SAMPLES), 0.5);
  };
  await minute(10);
  const first = await settledTotal(reader) - ran;
  const before = await minute();
  reader.pause();
  const stalledBytes = await minute();
  reader.resume();
  const after = await minute();
  const isExact = await settledTotal(reader) === first + ran;
  reader.close();
  const grown = stalledBytes - (before + after) / 2;
  const all = [before, stalledBytes, after].map((bytes) => (bytes / 1e6).toFixed(1)).join(", ");
  return {
    id: "D7",
    what: `head's memory while one reader stalls for ${STALL_SECONDS} s, against a minute before and after`,
    asked: `${kb(8e6)} more, resumes exact`,
    measured: `${grown < 0 ? "-" : "+"}${kb(Math.abs(grown))} (${all} MB), exact to the task: ${isExact}`,
    isReached: grown <= 8e6 && isExact,
  };
}

/** Finished tasks as the reader's newest frame has them, once nothing is told of any more. */
async function settledTotal(reader: StreamReader): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  return Number(/"tasks":\{[^}]*?"finished":(\d+)/.exec(reader.newest("cluster"))?.[1] ?? NaN);
}

/** D8: twenty readers at 2,000 tasks a second. */
async function manyReaders({ cluster, base, cookie }: Place): Promise<Bar> {
  const SECONDS = 10;
  const readers: StreamReader[] = [];
  const path = `/api/v1/stream?live=${encodeURIComponent(`profile?job=${cluster.jobId}`)}`;
  for (let each = 0; each < 20; each++) readers.push(await openReader(base, path, cookie));
  await runSteadily(PER_SECOND, 2_000);
  const telemetry = processIn(process.pid, TELEMETRY);
  const beforeUs = treeCpuUs(telemetry);
  const startMs = performance.now();
  await runSteadily(PER_SECOND, SECONDS * 1_000);
  const share = (treeCpuUs(telemetry) - beforeUs) / 1_000 / (performance.now() - startMs);
  for (const reader of readers) reader.close();
  return {
    id: "D8",
    what: "telemetry process with 20 readers at 2,000 tasks/s",
    asked: "30 % of a core",
    measured: `${(share * 100).toFixed(0)} %`,
    isReached: share <= 0.3,
  };
}
