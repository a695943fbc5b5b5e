/**
 * One object on its way here: what has come of its parts, and the peers that are sent what has come already. Its parts are
 * those of pull_ranges.ts, whoever sends them and over however many connections.
 *
 * **Nobody waits in a circle.** A peer is sent bytes that are here and checked, and waits for more only while a node is
 * sending those here, or is to send them in the same transfer (`settle`). It is taken on only once this node has the byte
 * that it begins with (`reaches`): then it is not among those who feed this node, because each of them lacks what its own
 * source lacks.
 * @module
 */
import type { NodeId, ObjectId } from "../../common/ids.ts";
import { type ByteRange, partsOf, RANGE_BYTES } from "../../core/object/pull_ranges.ts";

/** How long a peer waits for the byte that it begins with: two that wait for each other give up. */
export const TAKEN_ON_MS: number = 2_000;
/** How far ahead of what is here that byte may be. */
const AHEAD_BYTES_MAX = 4 * 1024 * 1024;

/** A part of an object, or all of it. */
export interface Part extends ByteRange {
  /** Bytes from its start; those after the last whole chunk are not checked yet. */
  received: number;
  /** Bytes from its start that are checked. */
  good: number;
}

interface Transfer {
  /** Whole parts. */
  readonly range: ByteRange;
  /** Its writes are refused once it is aborted. */
  readonly abort: AbortController;
}

/** A peer that waits until all before `end` is good, from `at` on. */
interface Waiter {
  readonly at: number;
  readonly end: number;
  readonly settle: (here: boolean) => void;
}

export class IncomingObject {
  readonly id: ObjectId;
  readonly bytes: number;
  /** In the pool. Undefined until the room is there; null for an inline object. */
  offset: number | null | undefined = undefined;
  /** Where an inline object gathers. */
  memory: Uint8Array | null = null;
  /** In their order, without gaps. */
  readonly parts: readonly Part[];
  /** Under way, one a node. */
  readonly transfers: Map<NodeId, Transfer> = new Map();
  /** Pin holders of the peers that are being sent it: theirs once it is sealed. */
  readonly readers: Set<string> = new Set();
  /** Sealed: it is in the store like any other. Dropped: its room is another object's. */
  state: "coming" | "sealed" | "dropped" = "coming";
  #waiters: Waiter[] = [];

  constructor(id: ObjectId, bytes: number) {
    this.id = id;
    this.bytes = bytes;
    this.parts = partsOf(bytes).map((range) => ({ ...range, received: 0, good: 0 }));
  }

  /** The parts of a range that consists of whole parts. */
  partsIn({ offset, length }: ByteRange): readonly Part[] {
    if (length === this.bytes) return this.parts;
    return this.parts.filter((part) => part.offset >= offset && part.offset < offset + length);
  }

  /** Bytes that have come, checked or not. */
  get arrivedBytes(): number {
    return this.parts.reduce((sum, { received }) => sum + received, 0);
  }

  /** Bytes of the range that are here and checked. */
  goodBytes(range: ByteRange): number {
    return this.partsIn(range).reduce((sum, { good }) => sum + good, 0);
  }

  get isComplete(): boolean {
    return this.parts.every(({ good, length }) => good === length);
  }

  /** Whether these bytes are the next ones of their part (or parts); notes them as received if so. */
  receive(offset: number, length: number): boolean {
    for (let at = offset; at < offset + length;) {
      const part = this.#partAt(at);
      if (part === undefined || at !== part.offset + part.received || part.received === part.length) {
        return false;
      }
      const taken = Math.min(offset + length, part.offset + part.length) - at;
      part.received += taken;
      at += taken;
    }
    return true;
  }

  /** All bytes from `from`, where a stream began, up to `offset` are right. */
  checked(from: number, offset: number): void {
    for (let at = from; at < offset;) {
      const part = this.#partAt(at)!;
      part.good = Math.max(part.good, Math.min(offset - part.offset, part.length));
      part.received = Math.max(part.received, part.good);
      at = part.offset + part.length;
    }
    if (this.#waiters.length > 0) this.settle();
  }

  /** Nobody sends these parts any more: what came after the last good checksum is fetched again. */
  forgetUnchecked(parts: Iterable<Part>): void {
    for (const part of parts) part.received = part.good;
  }

  /** Up to where the bytes from `at` on are here and checked; `at` itself when that one is not. */
  goodFrom(at: number): number {
    for (let end = at;;) {
      const part = this.#partAt(end);
      if (part === undefined || part.offset + part.good <= end) return end;
      end = part.offset + part.good;
      if (part.good < part.length) return end;
    }
  }

  /** Resolves with whether the byte at `at` is here, perhaps after a while. */
  reaches(at: number): Promise<boolean> {
    if (this.state !== "coming" || at >= this.bytes) return Promise.resolve(false);
    if (this.goodFrom(at) > at) return Promise.resolve(true);
    const next = this.#nextBefore(at);
    if (next === null || at - next > AHEAD_BYTES_MAX) return Promise.resolve(false);
    return new Promise((resolve) => {
      const settle = (here: boolean): void => {
        clearTimeout(timer);
        resolve(here);
      };
      const waiter: Waiter = { at, end: at + 1, settle };
      const timer = setTimeout(() => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        resolve(false);
      }, TAKEN_ON_MS);
      this.#waiters.push(waiter);
    });
  }

  /** Resolves with whether these bytes are here, as soon as they are or nothing brings them any more. */
  arrival(at: number, end: number): Promise<boolean> {
    return new Promise((resolve) => {
      this.#waiters.push({ at, end, settle: resolve });
      this.settle();
    });
  }

  get isAwaited(): boolean {
    return this.#waiters.length > 0;
  }

  /** Answers those whose bytes have come, and those whose bytes nobody sends now. */
  settle(): void {
    const waiting: Waiter[] = [];
    const answers: (() => void)[] = [];
    for (const waiter of this.#waiters) {
      const good = this.state === "coming" ? this.goodFrom(waiter.at) : 0;
      if (this.state === "sealed" || good >= waiter.end) answers.push(() => waiter.settle(true));
      else if (this.state === "dropped" || this.#rangeWith(good) === null) {
        answers.push(() => waiter.settle(false));
      } else waiting.push(waiter);
    }
    this.#waiters = waiting;
    for (const answer of answers) answer();
  }

  /** It is over, either way. */
  end(state: "sealed" | "dropped"): void {
    this.state = state;
    this.settle();
  }

  #partAt(at: number): Part | undefined {
    return this.parts.length === 1 && at < this.bytes
      ? this.parts[0]
      : this.parts[Math.floor(at / RANGE_BYTES)];
  }

  /** What is being sent that the byte at `at` belongs to; null when nobody sends it. */
  #rangeWith(at: number): ByteRange | null {
    for (const { range } of this.transfers.values()) {
      if (range.offset <= at && at < range.offset + range.length) return range;
    }
    return null;
  }

  /** The next byte that will be good on the way to `at`, as far as one can say; null when nobody sends `at`. */
  #nextBefore(at: number): number | null {
    const range = this.#rangeWith(at);
    const part = this.#partAt(at);
    if (range === null || part === undefined) return null;
    return part.received > 0 ? part.offset + part.good : this.goodFrom(range.offset);
  }
}
