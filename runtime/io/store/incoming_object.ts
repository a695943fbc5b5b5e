/**
 * One object on its way here: what has come of its parts, and the peers that are sent what has come already.
 *
 * **Nobody waits in a circle.** A peer is sent bytes that are here and checked, and waits for more only while a transfer of
 * just those is under way here (`settle`). It is taken on only once this node has the byte that it begins with
 * (`reaches`): then it is not among those who feed this node, because each of them lacks what its own source lacks.
 * @module
 */
import type { NodeId, ObjectId } from "../../common/ids.ts";

/** How long a peer waits for the byte that it begins with: two that wait for each other give up. */
export const TAKEN_ON_MS: number = 2_000;
/** How far ahead of what is here that byte may be. */
const AHEAD_BYTES_MAX = 4 * 1024 * 1024;

/** A part of an object, or all of it. */
export interface Part {
  readonly length: number;
  /** Bytes from its start; those after the last whole chunk are not checked yet. */
  received: number;
  /** Bytes from its start that are checked. */
  good: number;
}

interface Transfer {
  readonly part: Part;
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
  /** By their offset. */
  readonly parts: Map<number, Part> = new Map();
  /** Bytes of the parts that are here and good, whole. */
  completeBytes = 0;
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
  }

  /** The part that begins at `base`; new when nothing of it has come. */
  part(base: number, length: number): Part {
    let part = this.parts.get(base);
    if (part === undefined) this.parts.set(base, part = { length, received: 0, good: 0 });
    return part;
  }

  /** All before this offset of the part at `base` is checked. */
  checked(base: number, offset: number): void {
    this.parts.get(base)!.good = offset - base;
    if (this.#waiters.length > 0) this.settle();
  }

  /** Up to where the bytes from `at` on are here and checked; `at` itself when that one is not. */
  goodFrom(at: number): number {
    let end = at;
    for (let found = true; found;) {
      found = false;
      for (const [base, { length, good }] of this.parts) {
        if (end < base || end >= base + good) continue;
        end = base + good;
        found = good === length;
        break;
      }
    }
    return end;
  }

  /** Resolves with whether the byte at `at` is here, perhaps after a while. */
  reaches(at: number): Promise<boolean> {
    if (this.state !== "coming" || at >= this.bytes) return Promise.resolve(false);
    if (this.goodFrom(at) > at) return Promise.resolve(true);
    const next = this.#nextOf(at);
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
      else if (this.state === "dropped" || this.#nextOf(good) === null) {
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

  /** The next byte that will be good of the part with the byte at `at`; null when nobody sends that part. */
  #nextOf(at: number): number | null {
    for (const [base, part] of this.parts) {
      if (at < base || at >= base + part.length) continue;
      for (const transfer of this.transfers.values()) if (transfer.part === part) return base + part.good;
    }
    return null;
  }
}
