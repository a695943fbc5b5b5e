/**
 * What it takes to submit a task again whose results were lost: as its lineage keeps it.
 * @module
 */
import type { ActorId, TaskId } from "../../common/ids.ts";
import type { MakesAgain } from "../../protocol/push.ts";
import type { CallArguments, KeptArguments } from "./arguments.ts";
import type { CoreContext } from "./core_context.ts";
import type { Entry } from "./entry.ts";
import type { HandleInfo } from "./handle_info.ts";
import { type ItemsOption, itemsOption } from "./item_calls.ts";
import { type MethodInfo, OwnCall } from "./own_call.ts";
import { type CallShape, OwnTask } from "./own_task.ts";
import type { Work } from "./work.ts";

/** One run of it. */
export interface AgainInit {
  readonly sequence: number;
  /** Null: its results are its own. */
  readonly as: MakesAgain | null;
  readonly args: CallArguments;
  readonly returns: readonly Entry[];
  readonly retriesLeft: number;
}

/** A task or call that may be run again. */
export interface Submission {
  /** What it was at first. */
  readonly task: TaskId;
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
  readonly task: TaskId;
  readonly args: KeptArguments;
  readonly call: CallShape;
  readonly #core: CoreContext;
  #attempt: number;

  constructor(
    core: CoreContext,
    { id, call, attempt }: Pick<OwnTask, "id" | "call" | "attempt">,
    args: KeptArguments,
  ) {
    this.#core = core;
    this.task = id;
    this.call = call;
    this.#attempt = attempt;
    this.args = args;
  }

  get name(): string {
    return this.call.name;
  }
  get numReturns(): number {
    return this.call.numReturns;
  }
  get items(): ItemsOption | null {
    return this.call.items;
  }

  make({ sequence, as, args, returns, retriesLeft }: AgainInit): OwnTask {
    const task = new OwnTask(sequence, this.call, args, returns, null, this.#core.nowMs());
    task.attempt = ++this.#attempt;
    task.retriesLeft = retriesLeft;
    if (as !== null) task.as = as;
    return task;
  }

  start(task: Work): void {
    this.call.manager.begin(task as OwnTask);
  }
}

/** A call of an actor. It does not keep the actor in scope. */
export class CallSubmission implements Submission {
  readonly task: TaskId;
  readonly args: KeptArguments;
  readonly sequence: number;
  readonly name: string;
  readonly numReturns: number;
  readonly items: ItemsOption | null;
  readonly #core: CoreContext;
  readonly #info: HandleInfo;
  readonly #method: string;
  readonly #options: MethodInfo;
  #attempt: number;

  constructor(core: CoreContext, { id, sequence, method, options, attempt }: OwnCall, args: KeptArguments) {
    this.task = id;
    this.#core = core;
    this.#info = method.client.info;
    this.#method = method.name;
    this.#options = options;
    this.#attempt = attempt;
    this.args = args;
    this.sequence = sequence;
    this.name = method.stats.name;
    this.numReturns = options.numReturns ?? 1;
    this.items = itemsOption(options.streams, options);
  }

  get actorId(): ActorId {
    return this.#info.actorId;
  }

  make({ sequence, as, args, returns, retriesLeft }: AgainInit): OwnCall {
    const method = this.#core.actorRebuilds.clientOf(this.#info).methodOf(this.#method);
    const call = new OwnCall(sequence, method, this.#options, args, returns, null, this.#core.nowMs());
    call.attempt = ++this.#attempt;
    call.retriesLeft = retriesLeft;
    if (as !== null) call.as = as;
    return call;
  }

  start(call: Work): void {
    (call as OwnCall).method.client.submit(call as OwnCall);
  }
}
