/**
 * A picture of curves: processor time of one operation over the size, both logarithmic, so that a flat line is a flat cost
 * and equal slopes are equal growth.
 * @module
 */
import { escapeXml, picture, SERIES_COLOURS } from "../svg.ts";
import type { ChartText } from "./curves.ts";
import type { MeasuredCurve, Point } from "./growth.ts";

const [WIDTH, LEFT, RIGHT, TOP, PLOT] = [860, 70, 300, 76, 260];
const LEGEND_LINE = 44;

/** Null where less than two sizes have figures. */
export function curvesChart(curves: readonly MeasuredCurve[], { title, axis }: ChartText): string | null {
  const points = curves.flatMap((each) => each.points).filter(({ cpuUs }) => cpuUs > 0);
  const sizes = [...new Set(points.map(({ size }) => size))].sort((a, b) => a - b);
  if (sizes.length < 2) return null;
  const x = scale(sizes[0]!, sizes.at(-1)!, LEFT + 16, WIDTH - RIGHT - 16);
  const costs = points.map(({ cpuUs }) => cpuUs);
  const ticks = ticksAround(Math.min(...costs), Math.max(...costs));
  const y = scale(ticks[0]!, ticks.at(-1)!, TOP + PLOT, TOP);
  const parts = [
    `<text class="muted" x="24" y="56">us of processor time in all processes, both axes logarithmic</text>`,
    ...ticks.map((tick) =>
      `<path class="grid" d="M${LEFT} ${at(y(tick))}H${WIDTH - RIGHT}"/>` +
      `<text class="muted end" x="${LEFT - 8}" y="${at(y(tick) + 4)}">${tick}</text>`
    ),
    ...sizes.map((size) =>
      `<text class="muted middle" x="${at(x(size))}" y="${TOP + PLOT + 22}">${
        size.toLocaleString("en-US")
      }</text>`
    ),
    `<text class="muted middle" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${TOP + PLOT + 42}">${
      escapeXml(axis)
    }</text>`,
    ...curves.map((each, index) => series(each, index, x, y)),
  ];
  const height = TOP + Math.max(PLOT + 60, curves.length * LEGEND_LINE + 10);
  return picture({ width: WIDTH, height, title }, parts);
}

function series(
  { curve, points, growth }: MeasuredCurve,
  index: number,
  x: (size: number) => number,
  y: (us: number) => number,
): string {
  const colour = `var(--c${index % SERIES_COLOURS})`;
  const known = points.filter(({ cpuUs }) => cpuUs > 0);
  const place = ({ size, cpuUs }: Point): string => `${at(x(size))} ${at(y(cpuUs))}`;
  const top = TOP + index * LEGEND_LINE;
  const left = WIDTH - RIGHT + 24;
  return `<path class="line" stroke="${colour}" d="M${known.map(place).join("L")}"/>` +
    known.map((point) =>
      `<circle cx="${at(x(point.size))}" cy="${at(y(point.cpuUs))}" r="4" fill="${colour}"/>`
    )
      .join("") +
    `<circle cx="${left}" cy="${top - 4}" r="5" fill="${colour}"/>` +
    `<text x="${left + 14}" y="${top}">${escapeXml(curve.title)}</text>` +
    `<text class="muted" x="${left + 14}" y="${top + 17}">grows ${growth.toFixed(2)}x${
      curve.growthMax === null ? "" : `, at most ${curve.growthMax}x`
    }</text>`;
}

/** 1, 2 and 5 times powers of ten, from below the lowest value to above the highest. */
function ticksAround(low: number, high: number): number[] {
  const all: number[] = [];
  for (let exponent = -2; exponent <= 6; exponent++) {
    for (const digit of [1, 2, 5]) all.push(Number((digit * 10 ** exponent).toPrecision(1)));
  }
  const first = all.findLastIndex((tick) => tick <= low);
  const last = all.findIndex((tick) => tick > high);
  return all.slice(Math.max(0, first), last + 1);
}

function scale(low: number, high: number, from: number, to: number): (value: number) => number {
  return (value) => from + Math.log(value / low) / Math.log(high / low) * (to - from);
}

function at(position: number): string {
  return position.toFixed(1);
}
