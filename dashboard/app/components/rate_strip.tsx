/**
 * Tasks per second over the last ten minutes, and how many run: two scales, one time axis.
 * @module
 */
import { effect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { rates } from "../models/cluster.ts";
import { shortCount } from "../models/format.ts";
import { cssColours, onThemeChange } from "../models/theme.ts";
import { useTopics } from "../models/subscriptions.ts";

const HEIGHT = 112;
/** Steps of the scales: counts are whole. */
const WHOLE = Array.from({ length: 10 }, (_, i) => [1, 2, 5].map((step) => step * 10 ** i)).flat();
/** Seconds that are shown when there are fewer points: the strip does not stretch two points over its width. */
const SPAN_MIN_S = 120;

export function RateStrip() {
  useTopics("rates");
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => mount(place.current!), []);
  const last = rates.value;
  const end = last === null ? -1 : last.atMs.length - 2;
  const now = end >= 0
    ? `${shortCount(last!.finished[end]!)} finished, ${shortCount(last!.failed[end]!)} failed`
    : "";
  return (
    <figure class="rates" id="rates">
      <figcaption>
        <span>
          <span class="key finished line" aria-hidden="true" />finished/s
        </span>
        <span>
          <span class="key failed line" aria-hidden="true" />failed/s
        </span>
        <span>
          <span class="key running line" aria-hidden="true" />running
        </span>
        <span class="note" id="rate-now">{now === "" ? "" : `last second: ${now}`}</span>
      </figcaption>
      <div ref={place} class="plot" />
    </figure>
  );
}

function mount(place: HTMLElement): () => void {
  let plot: uPlot | null = null;
  const draw = (): void => {
    plot?.destroy();
    plot = new uPlot(plotOptions(place.clientWidth), plotData(), place);
  };
  draw();
  const stopEffect = effect(() => {
    rates.value;
    plot?.setData(plotData());
  });
  const resize = new ResizeObserver(() => plot?.setSize({ width: place.clientWidth, height: HEIGHT }));
  resize.observe(place);
  const stopTheme = onThemeChange(draw);
  return () => {
    stopEffect();
    stopTheme();
    resize.disconnect();
    plot?.destroy();
  };
}

/** The present second is not over: it is left out, else the line would fall at its end. */
function plotData(): uPlot.AlignedData {
  const data = rates.value;
  if (data === null) return [[], [], [], []];
  const n = Math.max(0, data.atMs.length - 1);
  return [
    data.atMs.slice(0, n).map((ms) => ms / 1000),
    data.running.slice(0, n),
    data.finished.slice(0, n),
    data.failed.slice(0, n),
  ];
}

function plotOptions(width: number): uPlot.Options {
  const colours = cssColours();
  const font = `11px ${colours.font}`;
  const axis = {
    stroke: colours.muted,
    font,
    ticks: { show: false },
    grid: { stroke: colours.line, width: 1 },
  };
  const values = (_: uPlot, ticks: number[]): string[] => ticks.map((tick) => shortCount(tick));
  const range = (_: uPlot, __: number | null, max: number | null): [number, number] => [
    0,
    Math.max(4, (max ?? 0) * 1.12),
  ];
  return {
    width,
    height: HEIGHT,
    padding: [6, 0, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 6 } },
    scales: {
      x: {
        time: true,
        range: (_, min, max) => [Math.min(min, max - SPAN_MIN_S), max],
      },
      rate: { range },
      running: { range },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: 90,
        size: 22,
        values: (_, ticks) => ticks.map((tick) => new Date(tick * 1000).toLocaleTimeString("en-GB")),
      },
      { ...axis, scale: "rate", size: 46, space: 34, incrs: WHOLE, values },
      {
        ...axis,
        scale: "running",
        side: 1,
        size: 40,
        space: 34,
        incrs: WHOLE,
        grid: { show: false },
        values,
      },
    ],
    series: [
      {},
      {
        label: "running",
        scale: "running",
        stroke: colours.running,
        width: 1,
        dash: [3, 3],
        points: { show: false },
      },
      {
        label: "finished/s",
        scale: "rate",
        stroke: colours.finished,
        width: 1.5,
        fill: colours.finishedFaint,
        points: { show: false },
      },
      { label: "failed/s", scale: "rate", stroke: colours.failed, width: 1.5, points: { show: false } },
    ],
  };
}
