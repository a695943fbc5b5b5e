/**
 * Reads the lines of a chart that an example wrote.
 * @module
 */

/** The points of each line, in the picture's coordinates. The legend's strokes are no lines. */
export function drawnLines(svg: string): [x: number, y: number][][] {
  return [...svg.matchAll(/<path class="line"[^>]* d="M([^"]*)"/g)]
    .map((match) => match[1]!)
    .filter((path) => path.includes("L"))
    .map((path) => path.split("L").map((point) => point.split(" ").map(Number) as [number, number]));
}
