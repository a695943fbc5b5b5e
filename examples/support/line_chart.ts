/**
 * Draws lines as an SVG picture that follows the reader's light or dark theme.
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";

export interface LineChart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** At most four, each with points from left to right. */
  readonly lines: readonly Line[];
  /** What happened when. */
  readonly marks?: readonly { readonly x: number; readonly label: string }[];
}

export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

const [WIDTH, HEIGHT] = [760, 420];
const PLOT = { left: 64, right: WIDTH - 24, top: 78, bottom: HEIGHT - 54 };
const STYLE = `
  svg { --back: #ffffff; --text: #1a2129; --muted: #5b6774; --grid: #dfe4e9;
        --line-0: #1565b3; --line-1: #cf4a15; --line-2: #16917b; --line-3: #6a5fc4; }
  @media (prefers-color-scheme: dark) {
    svg { --back: #151a20; --text: #e3e8ed; --muted: #93a0ad; --grid: #283039;
          --line-0: #4b9be6; --line-1: #f07a48; --line-2: #35b39b; --line-3: #958cf0; } }
  text { font: 13px system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; fill: var(--muted); }
  .title { font-size: 17px; font-weight: 600; fill: var(--text); }
  .grid { stroke: var(--grid); }
  .mark { stroke: var(--muted); stroke-dasharray: 3 4; }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
  .end, .middle { text-anchor: end; } .middle { text-anchor: middle; }`;

/** Writes the picture into `folder`, which is made if need be, and gives its path. */
export async function writeLineChart(folder: string, name: string, chart: LineChart): Promise<string> {
  await mkdir(folder, { recursive: true });
  const path = resolve(join(folder, name));
  await writeFile(path, lineChart(chart));
  return path;
}

export function lineChart({ title, xLabel, yLabel, lines, marks = [] }: LineChart): string {
  const points = lines.flatMap((line) => line.points);
  const xEnd = Math.max(...points.map(([x]) => x));
  const xTicks = ticks(0, xEnd).filter((value) => value <= xEnd);
  const yTicks = ticks(Math.min(0, ...points.map(([, y]) => y)), Math.max(...points.map(([, y]) => y)));
  const x = scale(0, xEnd, PLOT.left, PLOT.right);
  const y = scale(yTicks[0]!, yTicks.at(-1)!, PLOT.bottom, PLOT.top);
  const parts = [
    `<rect width="${WIDTH}" height="${HEIGHT}" rx="8" fill="var(--back)"/>`,
    text(PLOT.left, 32, title, "title"),
    ...legend(lines),
    ...yTicks.map((value) =>
      `<path class="grid" d="M${PLOT.left} ${y(value)}H${PLOT.right}"/>` +
      text(PLOT.left - 10, Number(y(value)) + 4, tickText(value), "end")
    ),
    ...xTicks.map((value) => text(x(value), PLOT.bottom + 20, tickText(value), "middle")),
    text((PLOT.left + PLOT.right) / 2, HEIGHT - 12, xLabel, "middle"),
    `<text class="middle" transform="translate(18 ${(PLOT.top + PLOT.bottom) / 2}) rotate(-90)">${
      escape(yLabel)
    }</text>`,
    ...marks.map((mark) =>
      `<path class="mark" d="M${x(mark.x)} ${PLOT.top}V${PLOT.bottom}"/>` +
      text(Number(x(mark.x)) + 6, PLOT.top + 12, mark.label)
    ),
    ...lines.map((line, i) =>
      `<path class="line" stroke="var(--line-${i})" d="M${
        line.points.map(([px, py]) => `${x(px)} ${y(py)}`).join("L")
      }"/>`
    ),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${
    escape(title)
  }">\n<style>${STYLE}</style>\n${parts.join("\n")}\n</svg>\n`;
}

/** One row of names, each beside its colour. */
function legend(lines: readonly Line[]): string[] {
  let left = PLOT.left;
  return lines.map(({ name }, i) => {
    const entry = `<path class="line" stroke="var(--line-${i})" d="M${left} 53h18"/>` +
      text(left + 25, 57, name);
    left += 50 + name.length * 7;
    return entry;
  });
}

function text(x: number | string, y: number, content: string, className = "note"): string {
  return `<text class="${className}" x="${x}" y="${y}">${escape(content)}</text>`;
}

function scale(from: number, to: number, start: number, end: number): (value: number) => string {
  return (value) => (start + (value - from) / (to - from || 1) * (end - start)).toFixed(1);
}

/** About five round numbers that span the values. */
function ticks(from: number, to: number): number[] {
  const rough = (to - from || 1) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough)! * power;
  const first = Math.floor(from / step);
  return Array.from({ length: Math.ceil(to / step) - first + 1 }, (_, i) => (first + i) * step);
}

function tickText(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: 3 });
}

function escape(content: string): string {
  return content.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
