/**
 * One call to an actor, from its submission until its results are settled.
 * @module
 */
import type { CallArguments } from "./arguments.ts";
import type { CurrentTask } from "./core_context.ts";
import type { Entry } from "./entry.ts";
import type { FunctionStats } from "./recorder.ts";

/** Defaults of one method, as they travel with a handle. */
export interface MethodInfo {
  readonly numReturns?: number;
  readonly maxTaskRetries?: number;
  /** True, or names of error classes. */
  readonly retryExceptions?: boolean | readonly string[];
  /** A generator method: its calls give items, not a result. */
  readonly streams?: boolean;
  readonly generatorBackpressure?: number;
}

/** One method as one client calls it; shared by its calls. */
export interface CalledMethod {
  readonly name: string;
  readonly stats: FunctionStats;
}

/** Which counter has a call; none before and after. */
type Stage = "none" | "pendingArgs" | "pendingNode" | "submitted";

/**
 * See the module's header. There may be millions: at most 12 fields (112 bytes in JavaScriptCore; the next size is 160). What
 * few calls have belongs into a table beside them, by sequence.
 */
export class OwnCall {
  readonly sequence: number;
  readonly method: CalledMethod;
  readonly options: MethodInfo;
  readonly args: CallArguments;
  readonly returns: readonly Entry[];
  /** The task that made it; null for a driver's. */
  readonly parent: CurrentTask | null;
  readonly submittedMs: number;
  /** Its arguments are known. */
  ready = false;
  retriesLeft = 0;
  attempt = 0;
  pushedMs = 0;
  stage: Stage = "none";

  constructor(
    sequence: number,
    method: CalledMethod,
    options: MethodInfo,
    args: CallArguments,
    returns: readonly Entry[],
    parent: CurrentTask | null,
    submittedMs: number,
  ) {
    this.sequence = sequence;
    this.method = method;
    this.options = options;
    this.args = args;
    this.returns = returns;
    this.parent = parent;
    this.submittedMs = submittedMs;
  }

  get bytes(): number {
    return this.args.bytes;
  }
  get depth(): number {
    return this.parent?.childDepth ?? 0;
  }

  enter(stage: Stage): void {
    const { stats } = this.method;
    if (this.stage !== "none") stats[this.stage]--;
    if (stage !== "none") stats[stage]++;
    this.stage = stage;
  }
}
