/**
 * Brings a range of an object from one node over several connections at once ("lanes"): each sends a part at a time, and
 * takes the next when it is done. One connection is held back by its own window, its own lost packets and by networks that
 * limit each of them; several together are not. A lane that breaks gives its part to the others; only when none is left
 * has the transfer failed.
 *
 * The first lane alone asks whether the node sends the object at all; the others begin with its first bytes.
 * @module
 */
import type { ByteRange } from "../../core/object/pull_ranges.ts";
import type { IncomingObject, Part } from "./incoming_object.ts";

export interface RangeFetch {
  readonly incoming: IncomingObject;
  /** Whole parts of it. */
  readonly range: ByteRange;
  /** At most so many; with one, all is asked for in one go. */
  readonly lanes: number;
  readonly signal: AbortSignal;
  /** Streams a run of bytes over one connection into the object; calls `began` with its first bytes. */
  readonly fetch: (run: ByteRange, lane: number, began: () => void) => Promise<void>;
}

/** Resolves when all of the range is here and checked, or the signal is aborted. Rejects with why the first lane broke. */
export async function fetchRange(options: RangeFetch): Promise<void> {
  const { incoming, range, signal } = options;
  const shares = new Shares(incoming, range);
  const lanes = Math.min(options.lanes, shares.missing);
  const begun = Promise.withResolvers<void>();
  const failures: unknown[] = [];
  const send = async (lane: number): Promise<void> => {
    let run: readonly Part[] = [];
    try {
      for (
        run = shares.take(lanes === 1);
        run.length > 0 && !signal.aborted;
        run = shares.take(lanes === 1)
      ) {
        await options.fetch(shares.bytesOf(run), lane, begun.resolve);
      }
    } catch (error) {
      failures.push(error);
      if (!signal.aborted) shares.giveBack(run);
    }
  };
  const first = send(0);
  await Promise.race([first, begun.promise]);
  const free = failures.length > 0 || signal.aborted ? 0 : Math.min(lanes - 1, shares.missing);
  const others = Array.from({ length: free }, (_, n) => send(n + 1));
  await Promise.all([first, ...others]);
  if (signal.aborted || shares.isComplete) return;
  throw failures[0] ?? new Error(`${incoming.id} ended before all of it had come`);
}

/** Which parts of the range somebody must still send. */
class Shares {
  readonly #incoming: IncomingObject;
  readonly #parts: readonly Part[];
  readonly #taken = new Set<Part>();

  constructor(incoming: IncomingObject, range: ByteRange) {
    this.#incoming = incoming;
    this.#parts = incoming.partsIn(range);
  }

  get isComplete(): boolean {
    return this.#parts.every(({ good, length }) => good === length);
  }

  /** Parts that are neither here nor being sent. */
  get missing(): number {
    return this.#parts.filter((part) => this.#isMissing(part)).length;
  }

  /** The next missing part, with `all` also those that follow it without a gap; empty when there is none. */
  take(all: boolean): Part[] {
    const start = this.#parts.findIndex((part) => this.#isMissing(part));
    if (start < 0) return [];
    let end = start + 1;
    // What follows begins where it begins: a stream has no gaps.
    while (
      all && end < this.#parts.length && this.#isMissing(this.#parts[end]!) && this.#parts[end]!.good === 0
    ) end++;
    const run = this.#parts.slice(start, end);
    for (const part of run) this.#taken.add(part);
    return run;
  }

  giveBack(run: readonly Part[]): void {
    this.#incoming.forgetUnchecked(run);
    for (const part of run) this.#taken.delete(part);
  }

  bytesOf(run: readonly Part[]): ByteRange {
    const first = run[0]!;
    const last = run.at(-1)!;
    const offset = first.offset + first.good;
    return { offset, length: last.offset + last.length - offset };
  }

  #isMissing(part: Part): boolean {
    return part.good < part.length && !this.#taken.has(part);
  }
}
