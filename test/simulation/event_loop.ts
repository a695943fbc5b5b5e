/**
 * Virtual time: what is due runs in order of time, then in the order in which it was asked for. Everything that happens
 * is also hashed, so that two runs (two engines, two commits) can be compared by one number.
 * @module
 */

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** What a run keeps of its trace: a hash of short lines, a hash of whole events and effects, or all lines. */
export type TraceMode = "short" | "full" | "print";

export class EventLoop {
  nowMs: number = 1_700_000_000_000;
  readonly startMs: number = this.nowMs;
  readonly mode: TraceMode;
  /** Things that happened. */
  steps: number = 0;
  readonly #heap: Due[] = [];
  #order: number = 0;
  #hashA: number = 0x811c9dc5 | 0;
  #hashB: number = 0x01000193 | 0;

  constructor(mode: TraceMode) {
    this.mode = mode;
  }

  get elapsedMs(): number {
    return this.nowMs - this.startMs;
  }

  after(ms: number, run: () => void): void {
    this.#push({ atMs: this.nowMs + Math.max(0, ms), order: this.#order++, run });
  }

  /** Runs what is due up to this moment of virtual time. */
  runUntil(elapsedMs: number): void {
    const untilMs = this.startMs + elapsedMs;
    while (this.#heap.length > 0 && this.#heap[0]!.atMs <= untilMs) {
      const due = this.#pop();
      this.nowMs = due.atMs;
      due.run();
    }
    this.nowMs = untilMs;
  }

  /** Notes one step of `who`: `what` in short; `detail` is asked for only where whole events are kept. */
  trace(who: string, what: string, detail: () => unknown): void {
    this.steps++;
    const text = this.mode === "short" ? what : `${what} ${JSON.stringify(detail())}`;
    const line = `${this.elapsedMs} ${who} ${text}`;
    if (this.mode === "print") console.log(line);
    this.#mix(line);
  }

  /** The trace so far, as 16 hexadecimal digits. */
  get hash(): string {
    const digits = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");
    return digits(this.#hashA) + digits(this.#hashB);
  }

  /** Two FNV-1a hashes with different starts, in 32-bit integers only. */
  #mix(line: string): void {
    let a = this.#hashA;
    let b = this.#hashB;
    for (let index = 0; index < line.length; index++) {
      const code = line.charCodeAt(index);
      a = Math.imul(a ^ code, 0x01000193);
      b = Math.imul(b ^ (code + index), 0x01000193);
    }
    this.#hashA = a;
    this.#hashB = b;
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let index = heap.push(due) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (isBefore(heap[parent]!, due)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = due;
  }

  #pop(): Due {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (isBefore(last, heap[child]!)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
