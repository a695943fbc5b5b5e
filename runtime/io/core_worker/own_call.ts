/**
 * One call to an actor, from its submission until its results are settled.
 * @module
 */
import { type ProcessId, type TaskId, taskId } from "../../common/ids.ts";
import type { ActorClient } from "./actor_client.ts";
import type { MakesAgain, PushHead } from "../../protocol/push.ts";
import type { ByteWriter } from "../../protocol/serialization/mod.ts";
import type { CallArguments } from "./arguments.ts";
import type { CurrentTask } from "./core_context.ts";
import { Entry } from "./entry.ts";
import {
  argumentsOf,
  bytesOf,
  type KeptArguments,
  keptOf,
  placeOf,
  releaseKept,
  resolvedOf,
  writeKept,
} from "./plain_arguments.ts";
import type { FunctionStats } from "./recorder.ts";
import type { AskHow, Work } from "./work.ts";

/** Defaults of one method, as they travel with a handle. */
export interface MethodInfo {
  readonly numReturns?: number;
  readonly maxTaskRetries?: number;
  /** True, or names of error classes. */
  readonly retryExceptions?: boolean | readonly string[];
  /** A generator method: its calls give items, not a result. */
  readonly streams?: boolean;
  readonly generatorBackpressure?: number;
  /** Absent: the default group. */
  readonly concurrencyGroup?: string;
}

/** One method as one client calls it; shared by its calls. */
export interface CalledMethod {
  readonly name: string;
  readonly stats: FunctionStats;
  readonly client: ActorClient;
  /** The process that calls. */
  readonly owner: ProcessId;
}

/** Which counter has a call; none: the actor's queue does not have it yet. */
type Stage = "none" | "pendingArgs" | "pendingNode" | "submitted" | "ended";

/** What few calls have. */
interface Rare {
  attempt: number;
  cancelled: boolean;
  isAnswered: boolean;
  signal: AbortSignal | null;
  signalIndex: number;
  as: MakesAgain | null;
}

/**
 * See the module's header. There may be millions: at most 12 fields (112 bytes in JavaScriptCore; the next size is 160). What
 * few calls have goes into `Rare`.
 */
export class OwnCall implements Work {
  readonly sequence: number;
  readonly method: CalledMethod;
  readonly options: MethodInfo;
  readonly #args: KeptArguments;
  readonly #place: number;
  readonly #returns: Entry | readonly Entry[];
  /** The task that made it; null for a driver's. */
  readonly parent: CurrentTask | null;
  readonly submittedMs: number;
  retriesLeft = 0;
  pushedMs = 0;
  stage: Stage = "none";
  #rare: Rare | null = null;

  constructor(
    sequence: number,
    method: CalledMethod,
    options: MethodInfo,
    args: CallArguments,
    returns: Entry | readonly Entry[],
    parent: CurrentTask | null,
    submittedMs: number,
  ) {
    this.sequence = sequence;
    this.method = method;
    this.options = options;
    this.#args = keptOf(args);
    this.#place = placeOf(args);
    this.#returns = returns;
    this.parent = parent;
    this.submittedMs = submittedMs;
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
  /** Its arguments are known. */
  get ready(): boolean {
    return this.stage !== "none" && this.stage !== "pendingArgs";
  }
  get bytes(): number {
    return bytesOf(this.#args, this.#place);
  }
  get maxRetries(): number {
    return this.options.maxTaskRetries ?? this.method.client.info.maxTaskRetries;
  }
  get isGenerator(): boolean {
    return this.options.streams === true;
  }
  get depth(): number {
    return this.parent?.childDepth ?? 0;
  }

  get id(): TaskId {
    return taskId(this.method.owner, this.sequence);
  }
  get name(): string {
    return this.method.stats.name;
  }
  get isCall(): boolean {
    return true;
  }
  get ended(): boolean {
    return this.stage === "ended";
  }

  /** How often it was tried before. */
  get attempt(): number {
    return this.#rare === null ? 0 : this.#rare.attempt;
  }
  set attempt(attempt: number) {
    this.#rarely().attempt = attempt;
  }
  get cancelled(): boolean {
    return this.#rare !== null && this.#rare.cancelled;
  }
  set cancelled(cancelled: boolean) {
    this.#rarely().cancelled = cancelled;
  }
  /** By a durable actor, which may have to run it again: nobody waits for what it gives then. */
  get isAnswered(): boolean {
    return this.#rare !== null && this.#rare.isAnswered;
  }
  set isAnswered(isAnswered: boolean) {
    this.#rarely().isAnswered = isAnswered;
  }
  /** As its worker is told. */
  get numReturns(): number {
    if (this.isAnswered) return 0;
    return this.#returns instanceof Entry ? 1 : this.#returns.length;
  }
  /** Aborting it cancels the call. */
  get signal(): AbortSignal | null {
    return this.#rare === null ? null : this.#rare.signal;
  }
  set signal(signal: AbortSignal | null) {
    this.#rarely().signal = signal;
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
    return this.#rare ??= {
      attempt: 0,
      cancelled: false,
      isAnswered: false,
      signal: null,
      signalIndex: -1,
      as: null,
    };
  }

  /** Fill in what its worker is told, all but a generator's items. */
  describe(head: PushHead): void {
    head.sequence = this.sequence;
    head.target = this.method.name;
    head.attempt = this.attempt;
    head.numReturns = this.numReturns;
    head.depth = this.depth;
    head.items = null;
    head.as = this.as;
    head.group = this.options.concurrencyGroup ?? "";
  }

  withdraw(): boolean {
    return this.method.client.withdraw(this);
  }
  ask(how: AskHow): void {
    this.method.client.ask(this, how);
  }

  enter(stage: Stage): void {
    const { stats } = this.method;
    if (this.stage !== "none" && this.stage !== "ended") stats[this.stage]--;
    if (stage !== "none" && stage !== "ended") stats[stage]++;
    this.stage = stage;
  }
}
