/**
 * What one process knows to make lost objects again: a record for each of its tasks whose results went into a store. It
 * decides what is run again, and why not; it does not run anything, and it holds no value.
 *
 *     (none) --1--> kept --2--> needed --3--> (none)
 *                    | ^           |
 *                    | +----5------+---4--> evicted
 *
 *   1 A task that may be run again has ended, and a result lies in a store.
 *   2 No result is referenced by this process any more, but a kept task had one as its argument: that one's lineage
 *     needs this one's (as in Ray, it keeps the lineage of its arguments, not their values).
 *   3 Nothing needs it.
 *   4 There is more lineage than allowed: the oldest half goes. What it would have made again is lost when it is lost.
 *   5 It was run again: its results are new, and one run less is left.
 *
 * A generator's items are results too. They come one by one: its record may be made while it runs, and what it makes again
 * counts as made from when that run begins.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { ObjectId } from "../../common/ids.ts";
import { RecentSet } from "../object/recent_set.ts";

/** Evicted tasks that are remembered, for the error's sake. */
const EVICTED_KEPT = 100_000;
/** What a record takes beside its arguments, and each of its stored arguments. About; counted, not measured. */
const RECORD_BYTES = 512;
const ARGUMENT_BYTES = 128;
const NONE: ReadonlySet<number> = new Set();

/** A stored argument of a kept task. */
export interface LineageArgument<K = number> {
  readonly id: ObjectId;
  /** This process's own task that makes it; null for what was put, or came from elsewhere. */
  readonly task: K | null;
  /** Whether this process put it, or submitted what makes it. */
  readonly owned: boolean;
}

/** A task that has ended, as its submitter keeps it. `T`: what it takes to submit it again. */
export interface KeptTask<T, K = number> {
  /** Its number in this process, or another name. */
  readonly sequence: K;
  /** Of its arguments by value. */
  readonly bytes: number;
  readonly stored: readonly LineageArgument<K>[];
  /** Which of its results lie in a store and are referenced. */
  readonly results: readonly number[];
  /** How often it may be run again; -1 without end. */
  readonly retriesLeft: number;
  readonly what: T;
}

interface Kept<T, K> {
  readonly sequence: K;
  readonly bytes: number;
  readonly stored: readonly LineageArgument<K>[];
  readonly what: T;
  /** Tasks among the arguments' that were kept when this one was. */
  readonly needs: readonly Kept<T, K>[];
  retriesLeft: number;
  /** Results that this process refers to. */
  readonly live: Set<number>;
  /** Kept tasks that need this one. */
  dependents: number;
  /** How often its results were made again. */
  made: number;
}

/** One task to run again. */
export interface Rerun<T, K = number> {
  readonly sequence: K;
  readonly retriesLeft: number;
  readonly what: T;
}

/** `first`: tasks of freed arguments, each after those that it needs itself. */
export type RebuildPlan<T, K = number> =
  | { readonly type: "rebuild"; readonly first: readonly Rerun<T, K>[]; readonly last: Rerun<T, K> }
  | Refusal;

interface Refusal {
  readonly type: "refused";
  readonly code: "ObjectLostError" | "ObjectReconstructionFailedError";
  readonly reason: string;
}

/** See the module's header. */
export class Lineage<T, K = number> {
  readonly #bytesMax: number;
  readonly #forgotten: (what: T) => void;
  /** Oldest first. */
  readonly #tasks: Map<K, Kept<T, K>> = new Map();
  readonly #evicted: RecentSet<K> = new RecentSet(EVICTED_KEPT);
  #bytes: number = 0;

  /** `bytesMax`: of arguments and records together (MOBULA_MAX_LINEAGE_BYTES). `forgotten`: a task is not kept any more. */
  constructor(bytesMax: number, forgotten: (what: T) => void = () => {}) {
    this.#bytesMax = bytesMax;
    this.#forgotten = forgotten;
  }

  get size(): number {
    return this.#tasks.size;
  }
  /** What all records take, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How often the results of a task were made again. */
  made(sequence: K): number {
    return this.#tasks.get(sequence)?.made ?? 0;
  }

  /** A task has ended well that may be run again. */
  keep(task: KeptTask<T, K>): void {
    if (task.results.length > 0) this.#keep(task);
    if (this.#bytes > this.#bytesMax) this.#evict();
  }

  /** A task and others that it needs, each after what it needs itself: those may have no results. */
  keepTogether(tasks: readonly KeptTask<T, K>[]): void {
    const fresh = tasks.filter(({ sequence }) => !this.#tasks.has(sequence));
    for (const task of fresh) this.#keep(task);
    for (const { sequence } of fresh) {
      const kept = this.#tasks.get(sequence);
      if (kept !== undefined) this.#forgetUnneeded(kept);
    }
    if (this.#bytes > this.#bytesMax) this.#evict();
  }

  /** A kept task and those that it needs, each after what it needs itself, but for those that are told already and what they
   *  need. */
  family(sequence: K, isTold: (sequence: K) => boolean): KeptTask<T, K>[] {
    const target = this.#tasks.get(sequence);
    const order = new Set<Kept<T, K>>();
    const met = new Set<Kept<T, K>>();
    const stack = target === undefined ? [] : [target];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      if (met.has(top)) {
        stack.pop();
        order.add(top);
        continue;
      }
      met.add(top);
      for (const needed of top.needs) {
        // An evicted one is no use.
        const isKept = this.#tasks.get(needed.sequence) === needed;
        if (isKept && !met.has(needed) && !isTold(needed.sequence)) stack.push(needed);
      }
    }
    return [...order].map(({ sequence, bytes, stored, live, retriesLeft, what }) => {
      return { sequence, bytes, stored, results: [...live], retriesLeft, what };
    });
  }

  #keep(task: KeptTask<T, K>): void {
    const { sequence, stored, results, retriesLeft, what } = task;
    assert(!this.#tasks.has(sequence), `task ${sequence} is kept once`);
    const needs: Kept<T, K>[] = [];
    for (const { task: needed } of stored) {
      const kept = needed === null ? undefined : this.#tasks.get(needed);
      if (kept === undefined) continue;
      kept.dependents++;
      needs.push(kept);
    }
    const bytes = task.bytes + RECORD_BYTES + stored.length * ARGUMENT_BYTES;
    const live = new Set(results);
    const counts = { retriesLeft, live, dependents: 0, made: 0 };
    this.#tasks.set(sequence, { sequence, bytes, stored, what, needs, ...counts });
    this.#evicted.delete(sequence);
    this.#bytes += bytes;
  }

  /** A kept task was run again. False when it is not kept (any more). */
  remade(sequence: K, results: readonly number[], retriesLeft: number): boolean {
    const kept = this.#tasks.get(sequence);
    if (kept === undefined) return false;
    for (const index of results) kept.live.add(index);
    kept.retriesLeft = retriesLeft;
    kept.made++;
    return true;
  }

  /** A kept generator's items are made again from now on. */
  remaking(sequence: K): void {
    const kept = this.#tasks.get(sequence);
    if (kept !== undefined) kept.made++;
  }

  /** A generator has ended that may be kept already. False when it is not. */
  more(sequence: K, results: readonly number[], retriesLeft: number): boolean {
    const kept = this.#tasks.get(sequence);
    if (kept === undefined) return false;
    for (const index of results) kept.live.add(index);
    // Each of its runs has used up some, whichever ends first.
    if (kept.retriesLeft < 0 || retriesLeft < kept.retriesLeft) kept.retriesLeft = retriesLeft;
    this.#forgetUnneeded(kept);
    return true;
  }

  /** What a task was kept with; null when it is not kept. */
  whatOf(sequence: K): T | null {
    return this.#tasks.get(sequence)?.what ?? null;
  }

  /** Its results that this process refers to. */
  live(sequence: K): ReadonlySet<number> {
    return this.#tasks.get(sequence)?.live ?? NONE;
  }

  /** This process refers to a result no longer. */
  released(sequence: K, index: number): void {
    const kept = this.#tasks.get(sequence);
    if (kept === undefined) return;
    kept.live.delete(index);
    this.#forgetUnneeded(kept);
  }

  /** What must run so that a task's results exist again, or why they cannot. `isHeld`: whether this process refers to an
   *  argument; then it exists, or is rebuilt by whoever pulls it. A plan uses up a run of each of its tasks. */
  plan(sequence: K, isHeld: (id: ObjectId) => boolean): RebuildPlan<T, K> {
    const target = this.#tasks.get(sequence);
    if (target === undefined) return this.#missing(sequence, "");
    const order = new Set<Kept<T, K>>();
    const met = new Set<Kept<T, K>>();
    // Depth first without recursion: chains are long. A task is seen twice, and goes after what it needs.
    const stack: { readonly kept: Kept<T, K>; readonly whose: string }[] = [{ kept: target, whose: "" }];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const { kept, whose } = top;
      if (met.has(kept)) {
        stack.pop();
        order.add(kept);
        continue;
      }
      met.add(kept);
      if (kept.retriesLeft === 0) return usedUp(whose);
      for (const { id, task, owned } of kept.stored) {
        if (!owned || isHeld(id)) continue;
        const what = `its argument ${id} was freed, and `;
        if (task === null) return refused(`${what}put values cannot be made again`);
        const needed = this.#tasks.get(task);
        if (needed === undefined) return this.#missing(task, what);
        if (!met.has(needed)) stack.push({ kept: needed, whose: what });
      }
    }
    const reruns = [...order].map((kept) => {
      if (kept.retriesLeft > 0) kept.retriesLeft--;
      const { retriesLeft, what } = kept;
      return { sequence: kept.sequence, retriesLeft, what };
    });
    const last = reruns.pop()!;
    return { type: "rebuild", first: reruns, last };
  }

  #missing(sequence: K, whose: string): Refusal {
    if (this.#evicted.has(sequence)) {
      return refused(`${whose}its lineage was evicted (lineage evicted: MOBULA_MAX_LINEAGE_BYTES)`);
    }
    const reason =
      `${whose}what made it may not be run again (a task with maxRetries: 0, an actor's call with maxTaskRetries: 0)`;
    return { type: "refused", code: "ObjectLostError", reason };
  }

  /** The oldest half goes. */
  #evict(): void {
    for (const kept of this.#tasks.values()) {
      if (this.#bytes <= this.#bytesMax / 2) return;
      this.#evicted.add(kept.sequence);
      this.#forget(kept);
    }
  }

  #forgetUnneeded(kept: Kept<T, K>): void {
    if (kept.live.size > 0 || kept.dependents > 0 || this.#tasks.get(kept.sequence) !== kept) return;
    this.#forget(kept);
  }

  #forget(first: Kept<T, K>): void {
    const going = [first];
    for (let kept = going.pop(); kept !== undefined; kept = going.pop()) {
      this.#tasks.delete(kept.sequence);
      this.#bytes -= kept.bytes;
      this.#forgotten(kept.what);
      for (const needed of kept.needs) {
        needed.dependents--;
        const isNeeded = needed.dependents > 0 || needed.live.size > 0;
        if (!isNeeded && this.#tasks.get(needed.sequence) === needed) going.push(needed);
      }
    }
  }

  check(): void {
    let bytes = 0;
    const dependents = new Map<Kept<T, K>, number>();
    for (const kept of this.#tasks.values()) {
      bytes += kept.bytes;
      assert(kept.live.size > 0 || kept.dependents > 0, `task ${kept.sequence}'s lineage is needed`);
      for (const needed of kept.needs) dependents.set(needed, (dependents.get(needed) ?? 0) + 1);
    }
    for (const kept of this.#tasks.values()) {
      assert(
        kept.dependents === (dependents.get(kept) ?? 0),
        `task ${kept.sequence}'s dependents are counted`,
      );
    }
    assert(bytes === this.#bytes, "lineage bytes add up");
    assert(bytes <= this.#bytesMax, "lineage is bounded");
  }
}

function refused(reason: string): Refusal {
  return { type: "refused", code: "ObjectReconstructionFailedError", reason };
}

function usedUp(whose: string): Refusal {
  return refused(`${whose}the task that made it has used up its retries (max attempts: maxRetries)`);
}
