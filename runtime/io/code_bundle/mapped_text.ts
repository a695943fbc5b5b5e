/**
 * Text that is put together from ranges of other texts and knows, for each of its places, where the user wrote it.
 * @module
 */
import type { SourceMapMappings, SourceMapSegment } from "@jridgewell/sourcemap-codec";

/** A text with the decoded mappings of a source map; lines and columns count from 0. */
export interface MappedSource {
  readonly text: string;
  readonly lineStarts: readonly number[];
  readonly mappings: SourceMapMappings;
}

/** A place in one of a map's sources; counted from 0. */
export interface OriginalPlace {
  readonly source: number;
  readonly line: number;
  readonly column: number;
}

/** Offsets at which the lines of a text begin. */
export function lineStartsOf(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** The line of an offset, by binary search. */
export function lineAt(lineStarts: readonly number[], offset: number): number {
  let low = 0;
  let high = lineStarts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (lineStarts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Where the user wrote what stands at this line and column; null where nobody did (a helper of the bundler's). */
export function originalPlace(
  mappings: SourceMapMappings,
  line: number,
  column: number,
): OriginalPlace | null {
  const segment = segmentAt(mappings[line] ?? [], column);
  if (segment === undefined || segment.length === 1) return null;
  return { source: segment[1], line: segment[2], column: segment[3] };
}

/** The last segment that begins at the column or before it. */
function segmentAt(segments: readonly SourceMapSegment[], column: number): SourceMapSegment | undefined {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (segments[middle]![0] <= column) low = middle + 1;
    else high = middle;
  }
  return segments[low - 1];
}

/** See the module's header. */
export class MappedText {
  readonly mappings: SourceMapSegment[][] = [[]];
  #parts: string[] = [];
  #length = 0;
  #column = 0;

  get length(): number {
    return this.#length;
  }

  toString(): string {
    return this.#parts.join("");
  }

  /** Text that nobody wrote. */
  append(text: string): void {
    if (text === "") return;
    this.#parts.push(text);
    this.#length += text.length;
    const lines = text.split("\n");
    for (let i = 1; i < lines.length; i++) this.mappings.push([]);
    this.#column = lines.length === 1 ? this.#column + text.length : lines.at(-1)!.length;
  }

  /** The range of `source` from `start` to before `end`. */
  copy(source: MappedSource, start: number, end: number): void {
    if (end <= start) return;
    const firstLine = lineAt(source.lineStarts, start);
    const lastLine = lineAt(source.lineStarts, end - 1);
    for (let line = firstLine; line <= lastLine; line++) {
      const lineStart = source.lineStarts[line]!;
      const from = Math.max(start, lineStart) - lineStart;
      const to = Math.min(end, source.lineStarts[line + 1] ?? Infinity) - lineStart;
      this.#copySegments(source.mappings[line] ?? [], from, to);
      this.append(source.text.slice(lineStart + from, lineStart + to));
    }
  }

  #copySegments(segments: readonly SourceMapSegment[], from: number, to: number): void {
    const target = this.mappings.at(-1)!;
    const shift = this.#column - from;
    const before = segmentAt(segments, from);
    if (before !== undefined) target.push(moved(before, this.#column));
    for (const segment of segments) {
      if (segment[0] > from && segment[0] < to) target.push(moved(segment, segment[0] + shift));
    }
  }
}

/** Names are dropped: stacks have their own. */
function moved(segment: SourceMapSegment, column: number): SourceMapSegment {
  return segment.length === 1 ? [column] : [column, segment[1], segment[2], segment[3]];
}
