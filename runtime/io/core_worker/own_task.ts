/**
 * One submitted task, from remote() until its results are settled.
 * @module
 */
import type { TaskId } from "../../common/ids.ts";
import type { Grant } from "../../common/task_spec.ts";
import type { SchedulingShape } from "../../core/worker/task_submitter_types.ts";
import type { ArgumentList } from "./arguments.ts";
import type { Entry } from "./entry.ts";
import type { FunctionRecord } from "./functions.ts";
import type { ItemsOption } from "./item_calls.ts";
import type { ItemReceiver } from "./item_receiver.ts";
import type { FunctionStats } from "./recorder.ts";

/** A remote function's options, resolved once and shared by its calls. */
export interface CallShape {
  readonly record: FunctionRecord;
  readonly shape: SchedulingShape;
  readonly stats: FunctionStats;
  readonly name: string;
  readonly maxRetries: number;
  readonly numReturns: number;
  readonly retryExceptions: boolean | readonly string[];
  /** Null for what is no generator. */
  readonly items: ItemsOption | null;
}

/** One submitted task, from remote() until its results are settled. */
export class OwnTask {
  readonly sequence: number;
  readonly call: CallShape;
  readonly args: ArgumentList;
  readonly returns: Entry[];
  /** Of a generator; its only return is then the receiver's `ended`. */
  readonly items: ItemReceiver | null;
  readonly depth: number;
  readonly parent: TaskId | null;
  readonly submittedMs: number;
  /** Known once its arguments are ready. */
  bytes = 0;
  retriesLeft: number;
  exclusive: boolean;
  cancelled = false;
  expectedUs = 0;
  attempt = 0;
  pushedMs = 0;
  grant: Grant | null = null;
  readonly id: () => TaskId;

  constructor(init: {
    sequence: number;
    call: CallShape;
    args: ArgumentList;
    returns: Entry[];
    items: ItemReceiver | null;
    depth: number;
    parent: TaskId | null;
    submittedMs: number;
    id: () => TaskId;
  }) {
    this.sequence = init.sequence;
    this.call = init.call;
    this.args = init.args;
    this.returns = init.returns;
    this.items = init.items;
    this.depth = init.depth;
    this.parent = init.parent;
    this.submittedMs = init.submittedMs;
    this.id = init.id;
    this.retriesLeft = init.call.maxRetries;
    this.exclusive = init.call.maxRetries === 0;
  }

  get shape(): SchedulingShape {
    return this.call.shape;
  }
  get timing(): { estimateUs: number } {
    return this.call.record.timing;
  }
  get storedArgs(): ArgumentList["stored"] {
    return this.args.stored;
  }
}
