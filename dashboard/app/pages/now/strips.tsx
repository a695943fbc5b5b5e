/**
 * The last ten minutes in six strips: what ended, what waits and runs, and what it takes.
 * @module
 */
import { computed, type ReadonlySignal } from "@preact/signals";
import type uPlot from "uplot";
import { Strip, type StripProps } from "../../components/strip.tsx";
import { rates, usage } from "../../models/cluster.ts";
import { bytes, clock, count, duration, shortCount } from "../../models/format.ts";
import { links } from "../../models/links.ts";
import { setTimeRange, timeRange } from "../../models/range.ts";
import { useTopics } from "../../models/subscriptions.ts";

/** Seconds that are shown when there are fewer points: a strip does not stretch two points over its width. */
const SPAN_MIN_S = 120;

/** The present second is not over: it is left out, else the lines would fall at their end. */
const whole = computed(() => {
  const { atMs, finished, failed, running } = rates.value ??
    { atMs: [], finished: [], failed: [], running: [] };
  const n = Math.max(0, atMs.length - 1);
  return {
    times: seconds(atMs.slice(0, n)),
    finished: finished.slice(0, n),
    failed: failed.slice(0, n),
    running: running.slice(0, n),
  };
});
const span = computed((): readonly [number, number] => {
  const { times } = whole.value;
  const last = times.at(-1) ?? Math.floor(Date.now() / 1000);
  return [Math.min(times[0] ?? last, last - SPAN_MIN_S), last];
});
const ended = computed(
  (): uPlot.AlignedData => [whole.value.times, whole.value.finished, whole.value.failed],
);

/** Running comes with the rates, queued with the nodes: joined by second. */
const open = computed((): uPlot.AlignedData => {
  const { times, running } = whole.value;
  const queued = new Map((usage.value?.atMs ?? []).map((ms, i) => [ms / 1000, usage.value!.queued[i]!]));
  let last = 0;
  return [times, running, times.map((second) => last = queued.get(second) ?? last)];
});
const cpu = ofUsage("cpuPercent");
const memory = ofUsage("memoryUsed", "memoryTotal");
const store = ofUsage("storeUsed", "storeSpilled");
const network = ofUsage("netIn", "netOut");

const STRIPS: readonly StripProps[] = [
  {
    ...{ id: "ended", title: "Tasks per second", unit: "count", topMin: 4, format: shortCount },
    ...{ span, data: ended },
    series: [{ label: "finished", colour: "finished", filled: true }, { label: "failed", colour: "failed" }],
  },
  {
    ...{ id: "open", title: "Tasks", unit: "count", topMin: 4, format: shortCount },
    ...{ span, data: open },
    series: [{ label: "running", colour: "running", filled: true }, { label: "queued", colour: "waiting" }],
  },
  {
    ...{ id: "cpu", title: "CPU", unit: "count", topMin: 100, format: (value) => `${Math.round(value)} %` },
    ...{ span, data: cpu },
    series: [{ label: "in use", colour: "running", filled: true }],
  },
  {
    ...{ id: "memory", title: "Memory", unit: "bytes", topMin: 1, format: bytes },
    ...{ span, data: memory },
    series: [{ label: "in use", colour: "running", filled: true }, {
      label: "limit",
      colour: "muted",
      dashed: true,
    }],
  },
  {
    ...{ id: "store", title: "Object store", unit: "bytes", topMin: 2 ** 20, format: bytes },
    ...{ span, data: store },
    series: [{ label: "in use", colour: "data", filled: true }, {
      label: "spilled",
      colour: "failed",
      dashed: true,
    }],
  },
  {
    ...{
      id: "network",
      title: "Network",
      unit: "bytes",
      topMin: 1024,
      format: (value) => `${bytes(value)}/s`,
    },
    ...{ span, data: network },
    series: [{ label: "in", colour: "finished" }, { label: "out", colour: "data" }],
  },
];

export function Strips() {
  useTopics("rates", "usage");
  return (
    <section class="panel" id="strips" aria-label="The last ten minutes">
      <Range />
      <div class="strips">{STRIPS.map((strip) => <Strip key={strip.id} {...strip} />)}</div>
    </section>
  );
}

/** The chosen range, and where it can be looked at; without one, how to choose. */
function Range() {
  const range = timeRange.value;
  if (range === null) return <p class="range hint">Drag over a strip to choose a time range.</p>;
  const { fromMs, toMs } = range;
  const from = String(fromMs), to = String(toMs);
  const { finished, failed } = sums(fromMs, toMs);
  return (
    <p class="range" id="range">
      <strong>{clock(fromMs)} – {clock(toMs)}</strong>
      <span>{duration(toMs - fromMs)}</span>
      <span>
        <b>{count(finished)}</b> finished, <b>{count(failed)}</b> failed
      </span>
      <a href={links.tasks({ from, to })}>Tasks</a>
      <a href={links.timeline({ from, to })}>Timeline</a>
      <a href={links.logs({ from, to })}>Logs</a>
      <a href={links.errors({ from, to })}>Errors</a>
      <button type="button" onClick={() => setTimeRange(null)}>Clear</button>
    </p>
  );
}

function sums(fromMs: number, toMs: number): { finished: number; failed: number } {
  let finished = 0, failed = 0;
  rates.value?.atMs.forEach((ms, i) => {
    if (ms + 1000 <= fromMs || ms > toMs) return;
    finished += rates.value!.finished[i]!;
    failed += rates.value!.failed[i]!;
  });
  return { finished, failed };
}

type Field = Exclude<keyof NonNullable<typeof usage.value>, "stepMs" | "atMs">;

function ofUsage(...fields: readonly Field[]): ReadonlySignal<uPlot.AlignedData> {
  return computed(() => {
    const data = usage.value;
    if (data === null) return [[], ...fields.map(() => [])] as unknown as uPlot.AlignedData;
    return [seconds(data.atMs), ...fields.map((field) => [...data[field]])] as unknown as uPlot.AlignedData;
  });
}

function seconds(atMs: readonly number[]): number[] {
  return atMs.map((ms) => ms / 1000);
}
