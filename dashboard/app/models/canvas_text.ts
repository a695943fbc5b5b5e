/**
 * Text on a canvas that must fit into a place. Widths are remembered: names come again in every frame.
 * @module
 */

const WIDTHS_MAX = 4_000;
const widths = new Map<string, number>();

/** Width of the text in the context's font. */
export function textWidth(context: CanvasRenderingContext2D, text: string): number {
  const key = `${context.font}\n${text}`;
  let width = widths.get(key);
  if (width === undefined) {
    width = context.measureText(text).width;
    if (widths.size >= WIDTHS_MAX) widths.clear();
    widths.set(key, width);
  }
  return width;
}

/** The text, cut at its end when there is too little room; "" when there is none. */
export function fitEnd(context: CanvasRenderingContext2D, text: string, room: number): string {
  if (textWidth(context, text) <= room) return text;
  let low = 0, high = Math.min(text.length, 120);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (textWidth(context, `${text.slice(0, middle)}…`) <= room) low = middle;
    else high = middle - 1;
  }
  return low === 0 ? "" : `${text.slice(0, low)}…`;
}

/** The text, cut in its middle: both ends of a name tell it apart. */
export function fitMiddle(context: CanvasRenderingContext2D, text: string, room: number): string {
  if (textWidth(context, text) <= room) return text;
  let low = 2, high = Math.min(text.length, 80);
  const cut = (keep: number): string =>
    `${text.slice(0, Math.ceil(keep / 2))}…${text.slice(text.length - Math.floor(keep / 2))}`;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (textWidth(context, cut(middle)) <= room) low = middle;
    else high = middle - 1;
  }
  return cut(low);
}

/** As many parts as there is room for, at least the first. */
export function fitParts(context: CanvasRenderingContext2D, parts: readonly string[], room: number): string {
  for (let n = parts.length; n > 1; n--) {
    const text = parts.slice(0, n).join(" · ");
    if (textWidth(context, text) <= room) return text;
  }
  return fitEnd(context, parts[0] ?? "", room);
}
