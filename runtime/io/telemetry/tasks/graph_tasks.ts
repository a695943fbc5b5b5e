/**
 * The task graph near by: what is around one task, and the longest chain of a job. Edges are arguments: a task that took a
 * result of another one.
 * @module
 */
import type { CriticalPathDto, GraphNeighbourhoodDto, GraphObject } from "../../../../dashboard/api/graph.ts";
import { FINISHED } from "./attempt_codes.ts";
import { NONE } from "./attempt_columns.ts";
import type { AttemptStore } from "./attempt_store.ts";
import { graphTask } from "./graph_groups.ts";
import type { JobBook } from "./job_book.ts";
import { objectIdOf, PUT_INDEX } from "./task_ids.ts";
import type { TaskTelemetry } from "./task_telemetry.ts";

const AROUND_MAX = 300;
const OBJECTS_MAX = 300;
const CHILDREN_MAX = 100;
/** Tasks of the longest chain that are listed, its last ones. */
const CHAIN_MAX = 2_000;

/** @throws {RangeError} for a task of which no attempt is recorded. */
export function neighbourhoodOf(
  telemetry: TaskTelemetry,
  taskId: string,
  hops: number,
): GraphNeighbourhoodDto {
  const { store, reader } = telemetry;
  const centre = store.attemptsOf(taskId).at(-1);
  if (centre === undefined) {
    throw new RangeError(`no attempt of ${JSON.stringify(taskId.slice(0, 80))} is recorded`);
  }
  const hopOf = new Map<number, number>([[centre, 0]]);
  const total = reach(telemetry, hopOf, hops);
  const slots = [...hopOf.keys()];
  const { objects, edges } = objectsAmong(telemetry, slots);
  return {
    taskId,
    tasks: slots.map((slot) => ({ ...graphTask(reader, slot), hop: hopOf.get(slot)! })),
    objects,
    edges,
    parentTaskId: reader.parentTaskId(centre),
    children: childrenOf(telemetry, centre),
    shown: slots.length,
    total,
  };
}

/** Go up and down from what is there, a hop after the other; how many were found, beyond what there is room for. */
function reach(telemetry: TaskTelemetry, hopOf: Map<number, number>, hops: number): number {
  let above = [...hopOf.keys()], below = above;
  let total = hopOf.size;
  for (let hop = 1; hop <= hops; hop++) {
    const up = producersOf(telemetry, above).filter((slot) => !hopOf.has(slot));
    const down = consumersOf(telemetry, below).filter((slot) => !hopOf.has(slot));
    const take = (slots: readonly number[], at: number): number[] => {
      const fresh = [...new Set(slots)].filter((slot) => !hopOf.has(slot));
      total += fresh.length;
      const kept = fresh.slice(0, Math.max(0, AROUND_MAX - hopOf.size));
      for (const slot of kept) hopOf.set(slot, at);
      return kept;
    };
    above = take(up, -hop);
    below = take(down, hop);
  }
  return total;
}

function producersOf({ store }: TaskTelemetry, slots: readonly number[]): number[] {
  const { cells } = store;
  const found: number[] = [];
  for (const slot of slots) {
    for (let cell = store.columns.a.args[slot]!; cell !== NONE; cell = cells.next[cell]!) {
      if (cells.index[cell] === PUT_INDEX) continue;
      const producer = store.newest(cells.owner[cell]!, cells.sequence[cell]!);
      if (producer !== NONE) found.push(producer);
    }
  }
  return found;
}

/** One look at all arguments, however many slots. */
function consumersOf({ store }: TaskTelemetry, slots: readonly number[]): number[] {
  if (slots.length === 0) return [];
  const { cells } = store;
  const { args, owner, sequence } = store.columns.a;
  const wanted = new Set(slots.map((slot) => keyOf(owner[slot]!, sequence[slot]!)));
  const found: number[] = [];
  for (let slot = 0; slot < store.size; slot++) {
    for (let cell = args[slot]!; cell !== NONE; cell = cells.next[cell]!) {
      if (cells.index[cell] === PUT_INDEX) continue;
      if (!wanted.has(keyOf(cells.owner[cell]!, cells.sequence[cell]!))) continue;
      // Of an attempt that was followed by another one the newer one is shown.
      found.push(store.newest(owner[slot]!, sequence[slot]!));
      break;
    }
  }
  return found;
}

function keyOf(owner: number, sequence: number): number {
  return owner * 2 ** 32 + sequence;
}

/** Arguments between these tasks, and what was put for them. */
function objectsAmong(
  { store, reader }: TaskTelemetry,
  slots: readonly number[],
): { objects: GraphObject[]; edges: GraphNeighbourhoodDto["edges"] } {
  const { cells, owners } = store;
  const shown = new Set(slots);
  const objects = new Map<string, GraphObject>();
  const edges: { from: string; to: string }[] = [];
  for (const slot of slots) {
    const taskId = reader.taskId(slot);
    for (let cell = store.columns.a.args[slot]!; cell !== NONE; cell = cells.next[cell]!) {
      const index = cells.index[cell]!;
      const producer = index === PUT_INDEX ? NONE : store.newest(cells.owner[cell]!, cells.sequence[cell]!);
      const objectId = objectIdOf(owners.text(cells.owner[cell]!), cells.sequence[cell]!, index);
      if (!objects.has(objectId)) {
        if (objects.size >= OBJECTS_MAX) continue;
        const by = producer === NONE ? null : reader.taskId(producer);
        const bytes = producer === NONE || index !== 0 ? null : reader.resultBytes(producer);
        objects.set(objectId, { objectId, producer: by, bytes, nodes: [] });
        if (by !== null && shown.has(producer)) edges.push({ from: by, to: objectId });
      }
      edges.push({ from: objectId, to: taskId });
    }
  }
  return { objects: [...objects.values()], edges };
}

function childrenOf({ store, reader }: TaskTelemetry, parent: number): string[] {
  const { owner, sequence, parentOwner, parentSequence } = store.columns.a;
  const children = new Set<string>();
  for (let slot = 0; slot < store.size && children.size < CHILDREN_MAX; slot++) {
    if (parentOwner[slot] !== owner[parent] || parentSequence[slot] !== sequence[parent]) continue;
    children.add(reader.taskId(slot));
  }
  return [...children];
}

/** The chain of tasks, each of which took a result of the one before, with the longest run time. */
export function criticalPathOf(telemetry: TaskTelemetry, book: JobBook): CriticalPathDto {
  const { store, reader } = telemetry;
  const { job, flags, start, run } = store.columns.a;
  const chains = new Chains(telemetry);
  let last = NONE, longest = -1, considered = 0;
  for (let slot = 0; slot < store.size; slot++) {
    if ((flags[slot]! & 7) < FINISHED || (book.index >= 0 && job[slot] !== book.index)) continue;
    if (Number.isNaN(start[slot]!) || Number.isNaN(run[slot]!)) continue;
    considered++;
    const length = chains.lengthTo(slot);
    if (length > longest) [last, longest] = [slot, length];
  }
  const slots: number[] = [];
  for (let slot = last; slot !== NONE && slots.length < CHAIN_MAX; slot = chains.before(slot)) {
    slots.unshift(slot);
  }
  let endedMs: number | null = null;
  const tasks = slots.map((slot) => {
    const startMs = reader.startMs(slot)!;
    const waitMs = endedMs === null ? 0 : Math.max(0, startMs - endedMs);
    endedMs = reader.endMs(slot);
    return { ...graphTask(reader, slot), runMs: reader.durationMs(slot) ?? 0, waitMs };
  });
  const first = tasks[0], end = tasks.at(-1);
  return {
    jobId: book.jobId === "" ? null : book.jobId,
    tasks,
    runMs: Math.max(0, longest),
    wallMs: first === undefined ? 0 : (end!.endMs ?? 0) - (first.startMs ?? 0),
    considered,
  };
}

/** The longest chain up to each task. A result is made before it is taken, so that there are no circles. */
class Chains {
  readonly #store: AttemptStore;
  /** Run time of the longest chain that ends with the slot; NaN: not known, -1: being found out. */
  readonly #length: Float64Array;
  readonly #before: Uint32Array;
  readonly #open: number[] = [];

  constructor({ store }: TaskTelemetry) {
    this.#store = store;
    this.#length = new Float64Array(store.size).fill(NaN);
    this.#before = new Uint32Array(store.size).fill(NONE);
  }

  before(slot: number): number {
    return this.#before[slot]!;
  }

  /** Without recursion: chains may be long. */
  lengthTo(slot: number): number {
    const length = this.#length, open = this.#open;
    open.push(slot);
    while (open.length > 0) {
      const at = open[open.length - 1]!;
      if (length[at]! >= 0 || this.#settle(at)) open.pop();
    }
    return length[slot]!;
  }

  /** True when the slot's length is known now; else those that are to be known before it are open. */
  #settle(slot: number): boolean {
    const { cells } = this.#store;
    const { args, run } = this.#store.columns.a;
    const length = this.#length;
    // A circle can only come of broken reports: what is being found out counts as nothing.
    const isSecond = length[slot] === -1;
    length[slot] = -1;
    let longest = 0, before = NONE, isReady = true;
    for (let cell = args[slot]!; cell !== NONE; cell = cells.next[cell]!) {
      if (cells.index[cell] === PUT_INDEX) continue;
      const by = this.#store.newest(cells.owner[cell]!, cells.sequence[cell]!);
      if (by === NONE) continue;
      if (Number.isNaN(length[by]!) && !isSecond) {
        isReady = false;
        this.#open.push(by);
      } else if (length[by]! > longest) [longest, before] = [length[by]!, by];
    }
    if (!isReady) return false;
    length[slot] = longest + Math.max(0, run[slot] || 0);
    this.#before[slot] = before;
    return true;
  }
}
