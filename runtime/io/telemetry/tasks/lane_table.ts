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

/** Gives attempts of one worker that overlap different slots. Ordinary tasks of a worker run one at a time. */
export class LaneChoice {
  readonly #store: AttemptStore;
  /** When each slot of a worker is free, by worker. */
  readonly #freeMs: Map<number, Float64Array> = new Map();

  constructor(store: AttemptStore) {
    this.#store = store;
  }

  /** An actor's call begins at `startMs`, and ends then or is open. */
  choose(slot: number, startMs: number, endMs: number | null): void {
    const { worker, lane } = this.#store.columns.a;
    let free = this.#freeMs.get(worker[slot]!);
    if (free === undefined) {
      this.#freeMs.set(worker[slot]!, free = new Float64Array(SIDE_BY_SIDE).fill(-Infinity));
    }
    // A thousandth: times are rounded.
    let chosen = free.findIndex((ms) => ms <= startMs + 0.001);
    if (chosen < 0) chosen = SIDE_BY_SIDE - 1;
    lane[slot] = chosen;
    free[chosen] = endMs ?? Infinity;
  }

  /** A call that was open is over. */
  end(slot: number, endMs: number): void {
    const { worker, lane } = this.#store.columns.a;
    const free = this.#freeMs.get(worker[slot]!);
    if (free !== undefined) free[lane[slot]!] = endMs;
  }

  /** The worker's number may get another meaning. */
  forget(worker: number): void {
    this.#freeMs.delete(worker);
  }
}
