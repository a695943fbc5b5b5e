/**
 * Attempts of tasks in columns, at most so many: at most 100 bytes each, arguments included (texts are shared and apart).
 * When it is full, the attempt that finished longest ago gives way, then the one that is open longest, and failed ones last;
 * what went is counted. Late and reordered rows never bring an attempt back.
 *
 *   open --finished--> finished queue (first to go)
 *     \----failed----> failed queue (last to go)
 * @module
 */
import type { TaskRow } from "../../../common/task_event.ts";
import type { TaskState } from "../../../common/task_spec.ts";
import { orphanedMessage } from "../open_rows.ts";
import { ArgCells } from "./arg_cells.ts";
import { AttemptColumns, NONE } from "./attempt_columns.ts";
import { bytesOf, FAILED, FINISHED, packBytes, STATES, TYPES } from "./attempt_codes.ts";
import { errorText } from "./error_texts.ts";
import { SlotIndex } from "./slot_index.ts";
import { OTHER_TEXT, StringTable } from "./string_table.ts";
import { IdParts, NO_SEQUENCE } from "./task_ids.ts";

/** Cells for arguments, for each attempt that may be kept. */
const ARGS_EACH = 1.1;
const ARGS_LEAST = 10_000;
/** Longest name that is kept. */
const NAME_MAX = 200;
const ERROR_CHARACTERS_MAX = 32 * 1024 * 1024;
const NAME_CHARACTERS_MAX = 32 * 1024 * 1024;
/** Attempts of one task that are looked for beyond a gap. */
const ATTEMPTS_FIRST = 4;
/** Arguments of one attempt that are kept. */
const ARGS_MAX = 1_000;

/** Nobody has given it a lane yet. */
export const LANE_UNKNOWN = 0xff;

/** A queue of slots, oldest first. */
interface Queue {
  head: number;
  tail: number;
  count: number;
}

/** See the module's header. */
export class AttemptStore {
  readonly columns: AttemptColumns;
  readonly cells: ArgCells;
  /** Random parts of processes' and actors' ids. */
  readonly owners: StringTable = new StringTable();
  /** Function name and label wishes. */
  readonly kinds: StringTable = new StringTable(0xffff_fffe, NAME_CHARACTERS_MAX);
  readonly jobs: StringTable = new StringTable(0xffff);
  readonly actors: StringTable = new StringTable();
  readonly nodes: StringTable = new StringTable(0xffff);
  readonly workers: StringTable = new StringTable(0xffff);
  readonly reporters: StringTable = new StringTable(0xffff);
  readonly errors: StringTable = new StringTable(0xffff_fffe, ERROR_CHARACTERS_MAX);
  readonly #index: SlotIndex;
  readonly #open: Queue = { head: NONE, tail: NONE, count: 0 };
  readonly #finished: Queue = { head: NONE, tail: NONE, count: 0 };
  readonly #failed: Queue = { head: NONE, tail: NONE, count: 0 };
  readonly #id = new IdParts();
  /** The key that is looked for. */
  #owner = 0;
  #sequence = 0;
  #attempt = 0;
  #used = 0;
  #order = 0;
  /** The largest number of an attempt that ever came. */
  #attemptMax = 0;
  /** Attempts that ever came. */
  arrived = 0;
  /** Attempts that had to make room, by how they stood. */
  evictedFinished = 0;
  evictedOpen = 0;
  evictedFailed = 0;
  /** Called before a slot is given to another attempt. */
  onEvict: (slot: number) => void = () => {};

  constructor(slotsMax: number) {
    this.columns = new AttemptColumns(slotsMax);
    this.cells = new ArgCells(Math.max(ARGS_LEAST, Math.ceil(slotsMax * ARGS_EACH)));
    this.#index = new SlotIndex((slot) => {
      const { owner, sequence, attempt } = this.columns.a;
      return hash(owner[slot]!, sequence[slot]!, attempt[slot]!);
    });
    this.#index.reset(this.columns.capacity);
  }

  /** Slots below it hold an attempt each. */
  get size(): number {
    return this.#used;
  }
  get openCount(): number {
    return this.#open.count;
  }
  get evicted(): number {
    return this.evictedFinished + this.evictedOpen + this.evictedFailed;
  }
  /** Bytes of columns, index and arguments; texts are shared and not among them. */
  get bytes(): number {
    return this.columns.bytes + this.#index.bytes + this.cells.bytes;
  }
  /** The queues of ended attempts: their newest, and how many there were ever. */
  get ended(): { finished: EndedQueue; failed: EndedQueue } {
    return {
      finished: { ...this.#finished, evicted: this.evictedFinished },
      failed: { ...this.#failed, evicted: this.evictedFailed },
    };
  }

  /** Take a row. The slot if it is news, else NONE. */
  apply(row: TaskRow, reporter: string, nowMs: number): number {
    const state = STATES.indexOf(row.state);
    if (state < 0 || typeof row.taskId !== "string") return NONE;
    const parts = this.#id.task(row.taskId);
    const attempt = Math.min(0xffff, Math.max(0, Math.trunc(finite(row.attempt) ?? 0)));
    const owner = this.owners.acquire(parts.owner);
    const known = this.find(owner, parts.sequence, attempt);
    if (known === NONE) {
      const slot = this.#take();
      const { a } = this.columns;
      this.arrived++;
      if (attempt > this.#attemptMax) this.#attemptMax = attempt;
      a.owner[slot] = owner;
      a.sequence[slot] = parts.sequence;
      a.attempt[slot] = attempt;
      a.order[slot] = this.#nextOrder();
      a.lane[slot] = LANE_UNKNOWN;
      this.#fill(slot, row, state, reporter, nowMs);
      this.#index.insert(slot);
      this.#append(slot, state);
      return slot;
    }
    this.owners.release(owner);
    const before = this.columns.a.flags[known]! & 7;
    if (before >= FINISHED || state <= before) return NONE;
    if (state >= FINISHED) this.#leaveOpen(known);
    this.#release(known);
    const previous = this.columns.a.result[known]!;
    this.#fill(known, row, state, reporter, nowMs);
    if (state >= FINISHED) this.#append(known, state);
    // Still open: the column is the link to the one before.
    else this.columns.a.result[known] = previous;
    return known;
  }

  /** The slot of one attempt by the parts of its id, or NONE. */
  find(owner: number, sequence: number, attempt: number): number {
    this.#owner = owner;
    this.#sequence = sequence;
    this.#attempt = attempt;
    return this.#index.find(hash(owner, sequence, attempt), this.#isWanted);
  }

  /** The newest attempt of a task, or NONE. */
  newest(owner: number, sequence: number): number {
    let newest = NONE;
    for (let attempt = 0, end = ATTEMPTS_FIRST; attempt < end && attempt <= this.#attemptMax; attempt++) {
      const slot = this.find(owner, sequence, attempt);
      if (slot === NONE) continue;
      newest = slot;
      end = attempt + 1 + ATTEMPTS_FIRST;
    }
    return newest;
  }

  /** Slots of all attempts of a task, the first one first. */
  attemptsOf(taskId: string): number[] {
    const parts = this.#id.task(taskId);
    const owner = this.owners.find(parts.owner);
    if (owner < 0) return [];
    const slots: number[] = [];
    for (let attempt = 0, end = 32; attempt < end && attempt <= this.#attemptMax; attempt++) {
      const slot = this.find(owner, parts.sequence, attempt);
      if (slot === NONE) continue;
      slots.push(slot);
      end = attempt + 32;
    }
    return slots;
  }

  /** Open attempts that this process reported are failed now; their slots. */
  processDied(reporter: string, nowMs: number): number[] {
    const index = this.reporters.find(reporter);
    // Rows that come from the history have another reporter: a task's id names its process too.
    const owner = this.owners.find(reporter.slice(2));
    if (index < 0 && owner < 0) return [];
    const { a } = this.columns;
    const slots: number[] = [];
    for (let slot = this.#open.head; slot !== NONE; slot = a.next[slot]!) {
      const isOwn = a.owner[slot] === owner && a.sequence[slot] !== NO_SEQUENCE;
      if (a.reporter[slot] === index || isOwn) slots.push(slot);
    }
    const message = orphanedMessage(reporter);
    for (const slot of slots) {
      this.#leaveOpen(slot);
      a.flags[slot] = (a.flags[slot]! & ~7) | FAILED;
      a.run[slot] = nowMs - (a.submitted[slot]! + (Number.isNaN(a.start[slot]!) ? 0 : a.start[slot]!));
      a.result[slot] = 0;
      a.error[slot] = this.errors.acquire(errorText({ type: "OwnerDiedError", message }));
      this.#append(slot, FAILED);
    }
    return slots;
  }

  /** Slots of open attempts, oldest first. */
  *open(): Iterable<number> {
    for (let slot = this.#open.head; slot !== NONE; slot = this.columns.a.next[slot]!) yield slot;
  }

  stateOf(slot: number): TaskState {
    return STATES[this.columns.a.flags[slot]! & 7]!;
  }

  readonly #isWanted = (slot: number): boolean => {
    const { a } = this.columns;
    return a.sequence[slot] === this.#sequence && a.owner[slot] === this.#owner &&
      a.attempt[slot] === this.#attempt;
  };

  #fill(slot: number, row: TaskRow, state: number, reporter: string, nowMs: number): void {
    const { a } = this.columns;
    const type = Math.max(0, TYPES.indexOf(row.type));
    a.flags[slot] = state | (type << 3);
    a.kind[slot] = this.kinds.acquire(kindOf(row));
    a.job[slot] = this.jobs.acquire(row.jobId);
    a.actor[slot] = this.actors.acquire(row.actorId);
    a.node[slot] = this.nodes.acquire(row.nodeId);
    a.worker[slot] = this.workers.acquire(row.workerId);
    a.reporter[slot] = this.reporters.acquire(reporter);
    a.parentOwner[slot] = 0;
    if (typeof row.parentTaskId === "string") {
      const parts = this.#id.task(row.parentTaskId);
      a.parentOwner[slot] = this.owners.acquire(parts.owner);
      a.parentSequence[slot] = parts.sequence;
    }
    const submitted = finite(row.submittedMs) ?? nowMs;
    const start = finite(row.startMs), end = finite(row.endMs);
    a.submitted[slot] = submitted;
    a.pushed[slot] = (finite(row.pushedMs) ?? NaN) - submitted;
    a.start[slot] = (start ?? NaN) - submitted;
    a.run[slot] = (end ?? NaN) - (start ?? submitted);
    a.reported[slot] = Math.min(0xffff, Math.max(0, Math.round((nowMs - (end ?? nowMs)) * 16)));
    a.result[slot] = packBytes(finite(row.resultBytes) ?? 0);
    a.error[slot] = 0;
    if (row.error !== null && row.error !== undefined) {
      const full = this.errors.acquire(errorText(row.error));
      a.error[slot] = this.errors.text(full) === OTHER_TEXT
        ? this.errors.acquire(errorText({ type: row.error.type, message: "" }))
        : full;
    }
    a.args[slot] = NONE;
    if (Array.isArray(row.args)) this.#keepArgs(slot, row.args);
  }

  /** The first argument comes first in the chain. */
  #keepArgs(slot: number, args: readonly string[]): void {
    const { a } = this.columns;
    for (let i = Math.min(args.length, ARGS_MAX) - 1; i >= 0; i--) {
      const parts = this.#id.object(String(args[i]));
      const owner = this.owners.acquire(parts.owner);
      const cell = this.cells.add(owner, parts.sequence, parts.index, a.args[slot]!);
      if (cell === NONE) this.owners.release(owner);
      else a.args[slot] = cell;
    }
  }

  /** Give up all texts and arguments of a slot, except its own id. */
  #release(slot: number): void {
    const { a } = this.columns;
    this.kinds.release(a.kind[slot]!);
    this.jobs.release(a.job[slot]!);
    this.actors.release(a.actor[slot]!);
    this.nodes.release(a.node[slot]!);
    this.workers.release(a.worker[slot]!);
    this.reporters.release(a.reporter[slot]!);
    this.owners.release(a.parentOwner[slot]!);
    this.errors.release(a.error[slot]!);
    for (let cell = a.args[slot]!; cell !== NONE;) {
      this.owners.release(this.cells.owner[cell]!);
      cell = this.cells.remove(cell);
    }
  }

  /** A slot for a new attempt: an unused one, or one that has to go. */
  #take(): number {
    if (this.#used === this.columns.capacity && this.columns.grow()) {
      this.#index.reset(this.columns.capacity);
      for (let slot = 0; slot < this.#used; slot++) this.#index.insert(slot);
    }
    if (this.#used < this.columns.capacity) return this.#used++;
    const { a } = this.columns;
    let slot: number;
    if (this.#finished.count > 0) {
      this.evictedFinished++;
      slot = shift(this.#finished, a.next);
    } else if (this.#open.count > 0) {
      this.evictedOpen++;
      slot = this.#open.head;
      this.#leaveOpen(slot);
    } else {
      this.evictedFailed++;
      slot = shift(this.#failed, a.next);
    }
    this.onEvict(slot);
    this.#index.remove(slot);
    this.#release(slot);
    this.owners.release(a.owner[slot]!);
    return slot;
  }

  #append(slot: number, state: number): void {
    const { next, result } = this.columns.a;
    const queue = state === FINISHED ? this.#finished : state === FAILED ? this.#failed : this.#open;
    if (queue === this.#open) result[slot] = queue.tail;
    next[slot] = NONE;
    if (queue.tail === NONE) queue.head = slot;
    else next[queue.tail] = slot;
    queue.tail = slot;
    queue.count++;
  }

  #leaveOpen(slot: number): void {
    const { next, result } = this.columns.a;
    const before = result[slot]!, after = next[slot]!;
    if (before === NONE) this.#open.head = after;
    else next[before] = after;
    if (after === NONE) this.#open.tail = before;
    else result[after] = before;
    this.#open.count--;
  }

  /** After four billion attempts those that are kept are numbered anew. */
  #nextOrder(): number {
    if (this.#order >= 0xffff_fffe) {
      const { order } = this.columns.a;
      const slots = Array.from({ length: this.#used }, (_, slot) => slot);
      slots.sort((x, y) => order[x]! - order[y]!);
      slots.forEach((slot, i) => order[slot] = i + 1);
      this.#order = slots.length;
    }
    return ++this.#order;
  }

  /** Bytes of the attempt's results; 0 while it is open. */
  resultBytes(slot: number): number {
    const { a } = this.columns;
    return (a.flags[slot]! & 7) >= FINISHED ? bytesOf(a.result[slot]!) : 0;
  }
}

/** A queue of ended attempts: `evicted + count` ended ever, and `tail` is the newest. */
export interface EndedQueue {
  readonly head: number;
  readonly tail: number;
  readonly count: number;
  readonly evicted: number;
}

function shift(queue: Queue, next: Uint32Array): number {
  const slot = queue.head;
  queue.head = next[slot]!;
  if (queue.head === NONE) queue.tail = NONE;
  queue.count--;
  return slot;
}

function hash(owner: number, sequence: number, attempt: number): number {
  let h = Math.imul(owner, 0x9e37_79b1) ^ Math.imul(sequence, 0x85eb_ca6b) ^
    Math.imul(attempt + 1, 0xc2b2_ae35);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b_3c6d);
  return (h ^ (h >>> 13)) >>> 0;
}

/** Name and, where there are any, label wishes. */
function kindOf(row: TaskRow): string {
  const name = String(row.name).slice(0, NAME_MAX);
  const { labelSelector = null, fallbackStrategy = null } = row;
  if (labelSelector === null && fallbackStrategy === null) return name;
  return `${name}\u0000${JSON.stringify({ labelSelector, fallbackStrategy })}`;
}

function finite(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
