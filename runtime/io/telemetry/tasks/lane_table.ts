/**
 * Lanes of the timeline: a worker has one, or several when calls run side by side in it. A lane's number never changes.
 * @module
 */
import type { AttemptStore } from "./attempt_store.ts";

/** Calls side by side that are told apart in one worker. */
export const SIDE_BY_SIDE = 16;
/** Lanes of one job that are shown; what runs in later ones is counted and not drawn. */
const LANES_MAX = 4_096;

export interface Lane {
  readonly worker: number;
  readonly slot: number;
  readonly node: number;
  readonly actor: number;
}

/** The lanes of one job. Names of what they show are kept as long as they are. */
export class LaneTable {
  readonly lanes: Lane[] = [];
  /** Lanes that found no room. */
  dropped = 0;
  /** By worker * SIDE_BY_SIDE + slot; -1 for none. */
  #numbers: Int32Array = new Int32Array(0);
  readonly #store: AttemptStore;

  constructor(store: AttemptStore) {
    this.#store = store;
  }

  /** By worker * SIDE_BY_SIDE + slot; -1, or beyond its end: none. */
  get numbers(): Int32Array {
    return this.#numbers;
  }

  /** The lane in which this attempt runs; -1 when there is none. */
  of(slot: number): number {
    const { worker, lane } = this.#store.columns.a;
    return this.#numbers[worker[slot]! * SIDE_BY_SIDE + lane[slot]!] ?? -1;
  }

  /** The attempt runs, or ran, in its lane. */
  add(slot: number): void {
    const { workers, actors, nodes } = this.#store;
    const { worker, lane, node, actor } = this.#store.columns.a;
    const key = worker[slot]! * SIDE_BY_SIDE + lane[slot]!;
    if ((this.#numbers[key] ?? -1) >= 0) return;
    if (this.lanes.length >= LANES_MAX) {
      this.dropped++;
      return;
    }
    if (key >= this.#numbers.length) {
      const more = new Int32Array(Math.max(64, key * 2)).fill(-1);
      more.set(this.#numbers);
      this.#numbers = more;
    }
    this.#numbers[key] = this.lanes.length;
    // Used once more, so that their numbers keep their meaning.
    workers.acquire(workers.text(worker[slot]!));
    actors.acquire(actors.text(actor[slot]!));
    nodes.acquire(nodes.text(node[slot]!));
    this.lanes.push({ worker: worker[slot]!, slot: lane[slot]!, node: node[slot]!, actor: actor[slot]! });
  }

  /** The job is forgotten. */
  release(): void {
    for (const { worker, actor, node } of this.lanes) {
      this.#store.workers.release(worker);
      this.#store.actors.release(actor);
      this.#store.nodes.release(node);
    }
  }
}

/** The places of one worker. */
interface WorkerLanes {
  /** Numbers are given again to other workers. */
  readonly workerId: string;
  /** When each slot is free for good. */
  readonly freeMs: Float64Array;
  /** Times before that in which it was free, oldest first: from, to, from, to. */
  readonly gaps: number[][];
}

/** Gaps of a slot that are remembered: rows come up to a second after others that were later. */
const GAPS_MAX = 128;
/** A thousandth: times are rounded. */
const ROUNDED_MS = 0.001;

/**
 * Gives attempts of one worker that overlap different slots. Ordinary tasks of a worker run one at a time. Every caller tells
 * of its own calls, so that those of several come in no order: a call that ended is put between others where there was room.
 */
export class LaneChoice {
  readonly #store: AttemptStore;
  readonly #workers: Map<number, WorkerLanes> = new Map();

  constructor(store: AttemptStore) {
    this.#store = store;
  }

  /** An actor's call begins at `startMs`, and ends then or is open. */
  choose(slot: number, startMs: number, endMs: number | null): void {
    const { worker, lane } = this.#store.columns.a;
    const workerId = this.#store.workers.text(worker[slot]!);
    let lanes = this.#workers.get(worker[slot]!);
    if (lanes?.workerId !== workerId) {
      lanes = { workerId, freeMs: new Float64Array(SIDE_BY_SIDE).fill(-Infinity), gaps: [] };
      this.#workers.set(worker[slot]!, lanes);
    }
    for (let at = 0; at < SIDE_BY_SIDE; at++) {
      if (lanes.freeMs[at]! <= startMs + ROUNDED_MS) {
        addGap(lanes.gaps[at] ??= [], lanes.freeMs[at]!, startMs);
      } else if (endMs !== null && fillGap(lanes.gaps[at]!, startMs, endMs)) {
        lane[slot] = at;
        return;
      } else continue;
      lane[slot] = at;
      lanes.freeMs[at] = endMs ?? Infinity;
      return;
    }
    lane[slot] = SIDE_BY_SIDE - 1;
    lanes.freeMs[SIDE_BY_SIDE - 1] = endMs ?? Infinity;
  }

  /** A call that was open is over. */
  end(slot: number, endMs: number): void {
    const { worker, lane } = this.#store.columns.a;
    const lanes = this.#workers.get(worker[slot]!);
    if (lanes !== undefined) lanes.freeMs[lane[slot]!] = endMs;
  }
}

function addGap(gaps: number[], fromMs: number, toMs: number): void {
  if (toMs - fromMs <= ROUNDED_MS) return;
  gaps.push(fromMs, toMs);
  // Half at once: nothing is moved for each of them.
  if (gaps.length > 2 * GAPS_MAX) gaps.splice(0, GAPS_MAX);
}

/** Takes the time out of the gap that has it; false when none has. */
function fillGap(gaps: number[], startMs: number, endMs: number): boolean {
  for (let at = gaps.length - 2; at >= 0; at -= 2) {
    const from = gaps[at]!, to = gaps[at + 1]!;
    if (from > startMs + ROUNDED_MS) continue;
    if (to < endMs - ROUNDED_MS) return false;
    const left = startMs - from > ROUNDED_MS ? [from, startMs] : [];
    if (to - endMs > ROUNDED_MS) left.push(endMs, to);
    gaps.splice(at, 2, ...left);
    return true;
  }
  return false;
}
