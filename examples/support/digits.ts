/**
 * Pictures of handwritten-looking digits, drawn: each with a size, slant, turn, place and pen of its own, and with noise.
 * @module
 */
import { normal, seededRandom } from "./random.ts";

export const SIDE = 16;
export const PIXELS: number = SIDE * SIDE;
export const CLASSES = 10;

/** Pictures, one after the other, and which digit each shows. */
export interface Digits {
  readonly pixels: Float32Array;
  readonly labels: Uint8Array;
}

/** The strokes of each digit: points by column and row, 0 to 8 from the upper left corner. The pen is lifted at a space. */
const STROKES: readonly string[] = [
  "402114274867746140",
  "224048",
  "12205072651878",
  "1130607244 4475683817",
  "501575 5058",
  "70201353755818",
  "6021153867755415",
  "107038",
  "442140614416487644",
  "73502134647358",
];
/** Share of the pixels that are dirty. */
const NOISE = 0.1;

/** Draws `count` pictures. One seed gives one set. */
export function drawDigits(seed: number, count: number): Digits {
  const random = seededRandom(seed);
  const pixels = new Float32Array(count * PIXELS);
  const labels = new Uint8Array(count);
  for (let n = 0; n < count; n++) {
    labels[n] = Math.floor(random() * CLASSES);
    draw(STROKES[labels[n]!]!, random, pixels.subarray(n * PIXELS, (n + 1) * PIXELS));
  }
  return { pixels, labels };
}

type Segment = readonly [x: number, y: number, toX: number, toY: number];

function draw(strokes: string, random: () => number, picture: Float32Array): void {
  const segments = segmentsOf(strokes, handwriting(random));
  const pen = 0.5 + 0.7 * random();
  for (let at = 0; at < PIXELS; at++) {
    const distance = Math.min(...segments.map((segment) => distanceTo(segment, at % SIDE, at / SIDE | 0)));
    const ink = Math.max(0, Math.min(1, pen + 0.5 - distance));
    picture[at] = random() < NOISE ? Math.max(0, Math.min(1, ink + normal(random) / 2)) : ink;
  }
}

/** Where somebody's hand puts the points of the grid: stretched, turned, slanted and moved a little. */
function handwriting(random: () => number): (column: number, row: number) => [x: number, y: number] {
  const [width, height] = [1.0 + 0.5 * random(), 1.1 + 0.5 * random()];
  const [turn, slant] = [normal(random) * 0.2, normal(random) * 0.2];
  const [left, top] = [SIDE / 2 - 0.5 + normal(random), SIDE / 2 - 0.5 + normal(random)];
  return (column, row) => {
    const y = (row - 4) * height;
    const x = (column - 4 + normal(random) * 0.15) * width - y * slant;
    return [
      left + x * Math.cos(turn) - y * Math.sin(turn),
      top + x * Math.sin(turn) + y * Math.cos(turn),
    ];
  };
}

function segmentsOf(strokes: string, place: (column: number, row: number) => [number, number]): Segment[] {
  return strokes.split(" ").flatMap((stroke) => {
    const points = stroke.match(/../g)!.map((point) => place(Number(point[0]), Number(point[1])));
    return points.slice(1).map((point, i): Segment => [...points[i]!, ...point]);
  });
}

function distanceTo([x, y, toX, toY]: Segment, px: number, py: number): number {
  const [dx, dy] = [toX - x, toY - y];
  const along = ((px - x) * dx + (py - y) * dy) / (dx * dx + dy * dy + 1e-9);
  const part = Math.max(0, Math.min(1, along));
  return Math.hypot(px - x - part * dx, py - y - part * dy);
}
