/**
 * What it takes to submit a task again whose results were lost: as its lineage keeps it.
 * @module
 */
import type { TaskId } from "../../common/ids.ts";
import type { CallArguments, KeptArguments } from "./arguments.ts";
import type { CoreContext } from "./core_context.ts";
import type { Entry } from "./entry.ts";
import type { ItemsOption } from "./item_calls.ts";
import { type CallShape, OwnTask } from "./own_task.ts";
import type { Work } from "./work.ts";

/** One run of it. */
export interface AgainInit {
  readonly sequence: number;
  /** The task whose results it makes again under their ids; null: its own. */
  readonly as: TaskId | null;
  readonly args: CallArguments;
  readonly returns: readonly Entry[];
  readonly retriesLeft: number;
}

/** A task or call that may be run again. */
export interface Submission {
  readonly name: string;
  readonly numReturns: number;
  /** Null for what is no generator. */
  readonly items: ItemsOption | null;
  readonly args: KeptArguments;
  /** A run that is not submitted yet. */
  make(init: AgainInit): Work;
  /** Submit what make() gave. */
  start(work: Work): void;
}

/** A task. */
export class TaskSubmission implements Submission {
  readonly args: KeptArguments;
  readonly #core: CoreContext;
  readonly #call: CallShape;
  #attempt: number;

  constructor(core: CoreContext, { call, attempt }: OwnTask, args: KeptArguments) {
    this.#core = core;
    this.#call = call;
    this.#attempt = attempt;
    this.args = args;
  }

  get name(): string {
    return this.#call.name;
  }
  get numReturns(): number {
    return this.#call.numReturns;
  }
  get items(): ItemsOption | null {
    return this.#call.items;
  }

  make({ sequence, as, args, returns, retriesLeft }: AgainInit): OwnTask {
    const task = new OwnTask(sequence, this.#call, args, returns, null, this.#core.nowMs());
    task.attempt = ++this.#attempt;
    task.retriesLeft = retriesLeft;
    if (as !== null) task.as = as;
    return task;
  }

  start(task: Work): void {
    this.#call.manager.begin(task as OwnTask);
  }
}
