/**
 * One submitted task, from remote() until its results are settled.
 * @module
 */
import { type ProcessId, type TaskId, taskId } from "../../common/ids.ts";
import type { Grant } from "../../common/task_spec.ts";
import type { SchedulingShape } from "../../core/worker/task_submitter_types.ts";
import type { MakesAgain } from "../../protocol/push.ts";
import type { ByteWriter } from "../../protocol/serialization/mod.ts";
import type { CallArguments } from "./arguments.ts";
import type { CurrentTask } from "./core_context.ts";
import { Entry } from "./entry.ts";
import type { FunctionRecord } from "./functions.ts";
import type { ItemsOption } from "./item_calls.ts";
import {
  argumentsOf,
  bytesOf,
  type KeptArguments,
  keptOf,
  placeOf,
  releaseKept,
  resolvedOf,
  storedOf,
  writeKept,
} from "./plain_arguments.ts";
import type { FunctionStats } from "./recorder.ts";
import type { TaskManager } from "./tasks.ts";
import type { AskHow, Work } from "./work.ts";

/** A remote function's options, resolved once and shared by its calls. */
export interface CallShape {
  readonly record: FunctionRecord;
  readonly shape: SchedulingShape;
  readonly stats: FunctionStats;
  readonly name: string;
  /** The process that calls. */
  readonly owner: ProcessId;
  readonly maxRetries: number;
  readonly numReturns: number;
  readonly retryExceptions: boolean | readonly string[];
  /** Null for what is no generator. */
  readonly items: ItemsOption | null;
  /** Aborting it cancels the calls. */
  readonly signal: AbortSignal | null;
  readonly manager: TaskManager;
}

/** How a task was pushed; shared by the tasks of one batch. */
export interface Pushed {
  readonly grant: Grant;
  readonly atMs: number;
}

/** What few tasks have. */
interface Rare {
  attempt: number;
  /** How often it was killed for low memory. */
  memoryKills: number;
  cancelled: boolean;
  signalIndex: number;
  as: MakesAgain | null;
}

/** Held back: for its arguments or for names, so that only its manager has it. Ended: its outcome is decided. */
type Stage = "heldBack" | "open" | "ended";
const STAGES: readonly Stage[] = ["open", "heldBack", "ended"];
const STAGE_BITS = 3;
const ENDED = 2;
const EXCLUSIVE = 4;

/**
 * One submitted task, from remote() until its results are settled. There may be millions: at most 12 fields (112 bytes in
 * JavaScriptCore; the next size is 160). What few tasks have goes into `Rare`.
 */
export class OwnTask implements Work {
  readonly sequence: number;
  readonly call: CallShape;
  readonly #args: KeptArguments;
  readonly #place: number;
  readonly #returns: Entry | readonly Entry[];
  /** The task that submitted it; null for a driver's. */
  readonly parent: CurrentTask | null;
  readonly submittedMs: number;
  retriesLeft: number;
  expectedUs = 0;
  /** Its last push, or null. */
  pushed: Pushed | null = null;
  #flags = 0;
  #rare: Rare | null = null;

  constructor(
    sequence: number,
    call: CallShape,
    args: CallArguments,
    returns: Entry | readonly Entry[],
    parent: CurrentTask | null,
    submittedMs: number,
  ) {
    this.sequence = sequence;
    this.call = call;
    this.#args = keptOf(args);
    this.#place = placeOf(args);
    this.#returns = returns;
    this.parent = parent;
    this.submittedMs = submittedMs;
    this.retriesLeft = call.maxRetries;
    if (call.maxRetries === 0) this.#flags = EXCLUSIVE;
  }

  get args(): CallArguments {
    return argumentsOf(this.#args, this.#place);
  }
  /** PushArguments: plain ones without an object for them. */
  writeTo(writer: ByteWriter): void {
    writeKept(writer, this.#args, this.#place);
  }
  /** Entries of the refs among the arguments. */
  get resolved(): readonly Entry[] {
    return resolvedOf(this.#args, this.#place);
  }
  /** It has ended: what its arguments kept alive may go. */
  releaseArguments(): void {
    releaseKept(this.#args, this.#place);
  }
  /** Its results' entries, or the one entry. */
  get outcome(): Entry | readonly Entry[] {
    return this.#returns;
  }
  get returns(): readonly Entry[] {
    return this.#returns instanceof Entry ? [this.#returns] : this.#returns;
  }
  get numReturns(): number {
    return this.#returns instanceof Entry ? 1 : this.#returns.length;
  }
  get exclusive(): boolean {
    return (this.#flags & EXCLUSIVE) !== 0;
  }
  set exclusive(is: boolean) {
    this.#flags = is ? this.#flags | EXCLUSIVE : this.#flags & ~EXCLUSIVE;
  }
  get stage(): Stage {
    return STAGES[this.#flags & STAGE_BITS]!;
  }
  set stage(stage: Stage) {
    this.#flags = (this.#flags & ~STAGE_BITS) | STAGES.indexOf(stage);
  }
  get id(): TaskId {
    return taskId(this.call.owner, this.sequence);
  }
  /** How often it was tried before. */
  get attempt(): number {
    return this.#rare === null ? 0 : this.#rare.attempt;
  }
  set attempt(attempt: number) {
    this.#rarely().attempt = attempt;
  }
  get memoryKills(): number {
    return this.#rare === null ? 0 : this.#rare.memoryKills;
  }
  set memoryKills(kills: number) {
    this.#rarely().memoryKills = kills;
  }
  get cancelled(): boolean {
    return this.#rare !== null && this.#rare.cancelled;
  }
  set cancelled(cancelled: boolean) {
    this.#rarely().cancelled = cancelled;
  }
  get signalIndex(): number {
    return this.#rare === null ? -1 : this.#rare.signalIndex;
  }
  set signalIndex(index: number) {
    this.#rarely().signalIndex = index;
  }
  /** Null: its results are its own. */
  get as(): MakesAgain | null {
    return this.#rare === null ? null : this.#rare.as;
  }
  set as(as: MakesAgain | null) {
    this.#rarely().as = as;
  }
  #rarely(): Rare {
    return this.#rare ??= { attempt: 0, memoryKills: 0, cancelled: false, signalIndex: -1, as: null };
  }

  get ended(): boolean {
    return (this.#flags & STAGE_BITS) === ENDED;
  }
  get name(): string {
    return this.call.name;
  }
  get isCall(): boolean {
    return false;
  }
  withdraw(): boolean {
    return this.call.manager.cancels.withdraw(this);
  }
  ask(how: AskHow): void {
    this.call.manager.cancels.ask(this, how);
  }

  get depth(): number {
    return this.parent?.childDepth ?? 0;
  }
  get shape(): SchedulingShape {
    return this.call.shape;
  }
  get maxRetries(): number {
    return this.call.maxRetries;
  }
  get isGenerator(): boolean {
    return this.call.items !== null;
  }
  get timing(): { estimateUs: number } {
    return this.call.record.timing;
  }
  get bytes(): number {
    return bytesOf(this.#args, this.#place);
  }
  get storedArgs(): CallArguments["stored"] {
    return storedOf(this.#args, this.#place);
  }
}
