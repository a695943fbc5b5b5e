/**
 * A strip: a few series over time, small, with the values of the moment under the cursor (or the newest) beside their names.
 * Strips of one group share the time axis and the cursor; dragging over one chooses a range.
 * @module
 */
import { effect, type ReadonlySignal, type Signal, signal, useComputed } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { clock } from "../models/format.ts";
import { setTimeRange, timeRange } from "../models/range.ts";
import { cssColours, onThemeChange, type ThemeColours } from "../models/theme.ts";

const HEIGHT = 92;
/** Rows of the table behind a strip. */
const TABLE_ROWS = 12;
/** Steps of the scales: counts are whole, bytes round in powers of 1024. */
const STEPS: Readonly<Record<StripProps["unit"], number[]>> = {
  count: Array.from({ length: 10 }, (_, i) => [1, 2, 5].map((step) => step * 10 ** i)).flat(),
  bytes: Array.from(
    { length: 6 },
    (_, i) => [1, 2, 5, 10, 20, 50, 100, 200, 500].map((step) => step * 1024 ** i),
  )
    .flat(),
};
/** A drag of fewer pixels is a click: it takes the range away. */
const DRAG_MIN_PX = 4;

export type StripColour = "finished" | "failed" | "running" | "waiting" | "data" | "muted";

export interface StripSeries {
  readonly label: string;
  readonly colour: StripColour;
  readonly filled?: boolean;
  readonly dashed?: boolean;
}

export interface StripProps {
  readonly id: string;
  readonly title: string;
  readonly series: readonly StripSeries[];
  /** Seconds since the epoch, then the values of each series. */
  readonly data: ReadonlySignal<uPlot.AlignedData>;
  /** The seconds that all strips of the group show. */
  readonly span: ReadonlySignal<readonly [number, number]>;
  /** Smallest top of the scale. */
  readonly topMin: number;
  readonly format: (value: number) => string;
  /** What the scale counts: its steps are round numbers of it. */
  readonly unit: "count" | "bytes";
}

/** Second under the cursor, on all strips; null: none. */
const cursorS: Signal<number | null> = signal(null);

export function Strip(props: StripProps) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => mount(place.current!, props), []);
  const at = useComputed(() => indexAt(props.data.value[0] as number[], cursorS.value));
  return (
    <figure class="strip" id={`strip-${props.id}`}>
      <figcaption>
        <strong>{props.title}</strong>
        {props.series.map((series, i) => (
          <Reading
            key={series.label}
            series={series}
            data={props.data}
            at={at}
            index={i + 1}
            format={props.format}
          />
        ))}
      </figcaption>
      <div ref={place} class="strip-plot" aria-hidden="true" />
      <StripTable {...props} />
    </figure>
  );
}

interface ReadingProps {
  readonly series: StripSeries;
  readonly data: ReadonlySignal<uPlot.AlignedData>;
  readonly at: ReadonlySignal<number>;
  readonly index: number;
  readonly format: (value: number) => string;
}

function Reading({ series, data, at, index, format }: ReadingProps) {
  const text = useComputed(() => {
    const value = (data.value[index] as number[])[at.value];
    return value === undefined ? "–" : format(value);
  });
  return (
    <span class="reading">
      <span class={`key line ${series.colour}`} aria-hidden="true" />
      {series.label} <b>{text}</b>
    </span>
  );
}

/** The same in text, in steps, for who cannot see the lines. */
function StripTable({ title, series, data, format }: StripProps) {
  const rows = useComputed(() => {
    const times = data.value[0] as number[];
    const step = Math.max(1, Math.ceil(times.length / TABLE_ROWS));
    return times.flatMap((second, i) => i % step === 0 ? [{ second, i }] : []);
  });
  return (
    <div class="hidden">
      <table>
        <caption>{title}</caption>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {series.map(({ label }) => <th scope="col" key={label}>{label}</th>)}
          </tr>
        </thead>
        <tbody>
          {rows.value.map(({ second, i }) => (
            <tr key={second}>
              <th scope="row">{clock(second * 1000)}</th>
              {series.map(({ label }, at) => (
                <td key={label}>{format((data.value[at + 1] as number[])[i] ?? 0)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function mount(place: HTMLElement, props: StripProps): () => void {
  let plot: uPlot | null = null;
  const draw = (): void => {
    plot?.destroy();
    plot = new uPlot(options(place.clientWidth, props), props.data.peek(), place);
    markRange(plot);
  };
  draw();
  const stopData = effect(() => {
    props.span.value;
    plot?.setData(props.data.value);
  });
  const stopRange = effect(() => {
    timeRange.value;
    props.span.value;
    if (plot !== null) markRange(plot);
  });
  const resize = new ResizeObserver(() => {
    if (place.clientWidth === 0) return;
    plot?.setSize({ width: place.clientWidth, height: HEIGHT });
    if (plot !== null) markRange(plot);
  });
  resize.observe(place);
  const stopTheme = onThemeChange(draw);
  return () => {
    stopData();
    stopRange();
    stopTheme();
    resize.disconnect();
    plot?.destroy();
  };
}

/** Show the chosen range on a strip, without choosing it again. */
function markRange(plot: uPlot): void {
  const range = timeRange.peek();
  if (range === null) return plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  const from = Math.max(0, plot.valToPos(range.fromMs / 1000, "x"));
  const to = Math.min(plot.over.clientWidth, plot.valToPos(range.toMs / 1000, "x"));
  plot.setSelect(
    { left: from, top: 0, width: Math.max(0, to - from), height: plot.over.clientHeight },
    false,
  );
}

function chooseRange(plot: uPlot): void {
  const { left, width } = plot.select;
  if (width < DRAG_MIN_PX) return setTimeRange(null);
  setTimeRange({
    fromMs: plot.posToVal(left, "x") * 1000,
    toMs: plot.posToVal(left + width, "x") * 1000,
  });
}

function options(width: number, props: StripProps): uPlot.Options {
  const colours = cssColours();
  const font = `11px ${colours.font}`;
  const axis = {
    stroke: colours.muted,
    font,
    ticks: { show: false },
    grid: { stroke: colours.line, width: 1 },
  };
  const range = (_: uPlot, __: number | null, max: number | null): [number, number] => [
    0,
    Math.max(props.topMin, (max ?? 0) * 1.1),
  ];
  const values = (_: uPlot, ticks: number[]): string[] =>
    ticks.map((tick) => props.format(tick).replace(/\.0+(?= )/, ""));
  return {
    width,
    height: HEIGHT,
    // At the right, half of a time's label.
    padding: [8, 26, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: "strips", setSeries: false },
      drag: { x: true, y: false, setScale: false },
      points: { size: 5 },
    },
    hooks: {
      setSelect: [chooseRange],
      setCursor: [(plot) => {
        const { left } = plot.cursor;
        const at = left === undefined || left < 0 ? null : plot.posToVal(left, "x");
        if (cursorS.peek() !== at) cursorS.value = at;
      }],
    },
    scales: { x: { time: true, range: () => [...props.span.peek()] as [number, number] }, y: { range } },
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: 76,
        size: 20,
        values: (_, ticks) => ticks.map((tick) => clock(tick * 1000).slice(0, tick % 60 === 0 ? 5 : 8)),
      },
      { ...axis, size: 58, space: 26, incrs: STEPS[props.unit], values },
    ],
    series: [{}, ...props.series.map((series) => seriesOptions(series, colours))],
  };
}

function seriesOptions(series: StripSeries, colours: ThemeColours): uPlot.Series {
  const stroke = colours[series.colour];
  return {
    label: series.label,
    stroke,
    width: series.dashed ? 1 : 1.5,
    points: { show: false },
    ...(series.dashed && { dash: [3, 3] }),
    ...(series.filled && { fill: `color-mix(in srgb, ${stroke} 14%, transparent)` }),
  };
}

/** The point at or before a second; the newest without one. */
function indexAt(times: readonly number[], second: number | null): number {
  if (second === null) return times.length - 1;
  let at = times.length - 1;
  while (at > 0 && times[at]! > second) at--;
  return at;
}
