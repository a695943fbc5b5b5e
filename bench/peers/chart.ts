/**
 * The comparison as a picture: bars on a logarithmic scale.
 * @module
 */
import { escapeXml, picture } from "../svg.ts";
import { amount, figureOf, type Row, times } from "./tables.ts";

const [WIDTH, LEFT, BAR, TOP] = [860, 330, 22, 74];

interface Bar {
  readonly name: string;
  readonly value: number;
  readonly text: string;
  readonly isLow: boolean;
}

/** How many times `than`'s rate mobula reaches, a bar a workload. */
export function ratioChart(rows: readonly Row[], than: string, title: string): string {
  const bars = rows.flatMap((row) => {
    const [own, other] = [figureOf(row, "mobula"), figureOf(row, than)];
    if (own === null || other === null) return [];
    const value = own.perSecond / other.perSecond;
    return [{ name: row.workload, value, text: times(value), isLow: value < 10 }];
  });
  return barChart(bars, title, "x");
}

/** Operations a second. */
export function rateChart(rows: readonly Row[], title: string): string {
  const bars = rows.flatMap((row) => {
    const own = figureOf(row, "mobula");
    if (own === null) return [];
    return [{ name: row.workload, value: own.perSecond, text: amount(own.perSecond), isLow: false }];
  });
  return barChart(bars, title, "");
}

function barChart(bars: readonly Bar[], title: string, unit: string): string {
  const end = Math.max(100, ...bars.map(({ value }) => value)) * 1.3;
  const x = (value: number): number =>
    LEFT + Math.log10(Math.max(1, value)) / Math.log10(end) * (WIDTH - LEFT - 70);
  const height = TOP + bars.length * BAR + 30;
  const ticks = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7].filter((tick) => tick <= end);
  const parts = [
    ...ticks.map((tick) =>
      `<path class="grid" d="M${x(tick).toFixed(1)} ${TOP - 8}V${height - 22}"/>` +
      `<text class="muted middle" x="${x(tick).toFixed(1)}" y="${TOP - 14}">${
        tick.toLocaleString("en-US")
      }${unit}</text>`
    ),
    ...bars.map(({ name, value, text, isLow }, index) => {
      const y = TOP + index * BAR;
      return `<text class="end" x="${LEFT - 12}" y="${y + 15}">${escapeXml(name)}</text>` +
        `<rect x="${LEFT}" y="${y + 3}" width="${Math.max(1, x(value) - LEFT).toFixed(1)}" height="${
          BAR - 7
        }" rx="2" fill="${isLow ? "var(--low)" : "var(--bar)"}"/>` +
        `<text class="muted" x="${(x(value) + 8).toFixed(1)}" y="${y + 15}">${text}</text>`;
    }),
  ];
  return picture({ width: WIDTH, height, title }, parts);
}
