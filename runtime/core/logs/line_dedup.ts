/**
 * Lines that many workers print alike are shown once and counted. A line's pattern is its text with every number replaced;
 * the first of a pattern is shown at once, others within 5 s of it are held back; when that time is over, the last one of
 * them is shown with how many there were (Ray: RAY_DEDUP_LOGS).
 *
 *   line --new pattern, or none is due--> shown
 *   line --pattern known--> counted --5 s after the pattern's first--> its latest text "[repeated 99x across cluster]"
 *
 * Never held back are lines that are a number and nothing else (they are results, not repetitions), errors, and lines of
 * the worker whose line was the first: a loop that prints is not repeated "across the cluster".
 * @module
 */
import type { LineLevel } from "../../common/log_lines.ts";

/** How long lines of a pattern are held back. */
export const DEDUP_WINDOW_MS = 5_000;
/** Patterns that are remembered at once; beyond it the oldest is told early. */
const PATTERNS_MAX = 1_000;
const PATTERN_LENGTH_MAX = 1_000;

/** A line with where it comes from. */
export interface DedupLine {
  /** Which worker printed it. */
  readonly worker: string;
  readonly prefix: string;
  readonly text: string;
  readonly level: LineLevel;
}

interface Pattern {
  readonly firstWorker: string;
  readonly sinceMs: number;
  held: number;
  latest: DedupLine;
}

export interface ShownLine extends DedupLine {
  /** How many lines it stands for beside those that were shown; 0 for itself alone. */
  readonly repeated: number;
}

/** See the module's header. */
export class LineDedup {
  /** In the order of their beginnings. */
  readonly #patterns: Map<string, Pattern> = new Map();

  /** When the oldest pattern is due; null when nothing is held back. */
  get dueMs(): number | null {
    for (const { sinceMs } of this.#patterns.values()) return sinceMs + DEDUP_WINDOW_MS;
    return null;
  }

  line(nowMs: number, line: DedupLine, show: (line: ShownLine) => void): void {
    this.due(nowMs, show);
    const pattern = line.level === "error" ? null : patternOf(line.text);
    if (pattern === null) return show({ ...line, repeated: 0 });
    const known = this.#patterns.get(pattern);
    if (known === undefined) {
      if (this.#patterns.size >= PATTERNS_MAX) this.#tellOldest(show);
      this.#patterns.set(pattern, { firstWorker: line.worker, sinceMs: nowMs, held: 0, latest: line });
      return show({ ...line, repeated: 0 });
    }
    if (known.firstWorker === line.worker) return show({ ...line, repeated: 0 });
    known.held++;
    known.latest = line;
  }

  /** Tell what is due by now. */
  due(nowMs: number, show: (line: ShownLine) => void): void {
    for (const { sinceMs } of this.#patterns.values()) {
      if (nowMs - sinceMs < DEDUP_WINDOW_MS) return;
      this.#tellOldest(show);
    }
  }

  /** Tell everything: nothing more comes, or lines are not to be held back any more. */
  flush(show: (line: ShownLine) => void): void {
    while (this.#patterns.size > 0) this.#tellOldest(show);
  }

  #tellOldest(show: (line: ShownLine) => void): void {
    for (const [pattern, { held, latest }] of this.#patterns) {
      this.#patterns.delete(pattern);
      if (held > 0) show({ ...latest, repeated: held === 1 ? 0 : held });
      return;
    }
  }
}

/** Null for a line that is never held back. */
export function patternOf(text: string): string | null {
  const head = text.slice(0, PATTERN_LENGTH_MAX);
  if (!/[^\d\s.,:;+\-eE%[\](){}]/.test(head)) return null;
  return head.replace(/0x[0-9a-f]+|\d+(?:\.\d+)?/gi, "0");
}
