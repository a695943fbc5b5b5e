/**
 * Lost results of this process's tasks are made again: what has ended well is remembered (core/worker/lineage.ts decides how
 * long, and what must run), and a lost object's task runs once more, under its own id, into the same entries.
 *
 * Arguments of such a run that this process holds are pulled as always: one that is lost too is rebuilt by that pull, and so
 * on. Arguments that were freed meanwhile are made anew by tasks of their own, whose results live as long as the run.
 * @module
 */
import { errorOfCode, ObjectLostError } from "../../common/errors.ts";
import { type ObjectId, returnId, taskId, taskOfObject } from "../../common/ids.ts";
import { Lineage, type Rerun } from "../../core/worker/lineage.ts";
import type { RebuildMethods } from "../../protocol/rebuild_messages.ts";
import { type ReplyResult, ValueKind } from "../../protocol/push.ts";
import { maxLineageBytes } from "../environment.ts";
import { keptAgain, type KeptArguments } from "./arguments.ts";
import { cancelledError } from "./cancels.ts";
import type { CoreContext } from "./core_context.ts";
import type { Entry } from "./entry.ts";
import { sequenceOf } from "./explain.ts";
import { type CallShape, OwnTask } from "./own_task.ts";

/** What it takes to submit a task again. */
interface Submission {
  readonly call: CallShape;
  readonly args: KeptArguments;
  attempt: number;
}

/** See the module's header. */
export class Rebuilds {
  readonly #core: CoreContext;
  readonly #resubmit: (task: OwnTask) => void;
  readonly #lineage: Lineage<Submission> = new Lineage(maxLineageBytes());
  /** Entries of freed arguments that were made anew, by their old ids. */
  readonly #anew: Map<ObjectId, WeakRef<Entry>> = new Map();

  constructor(core: CoreContext, resubmit: (task: OwnTask) => void) {
    this.#core = core;
    this.#resubmit = resubmit;
  }

  /** A task has ended well with these results, and its arguments are not let go yet. */
  keep(task: OwnTask, results: readonly ReplyResult[]): void {
    const { call, sequence, retriesLeft } = task;
    if (call.maxRetries === 0 || call.items !== null) return;
    const stored: number[] = [];
    for (const [index, { kind }] of results.entries()) {
      if (kind === ValueKind.stored && !task.returns[index]!.released) stored.push(index);
    }
    if (this.#lineage.remade(sequence, stored, retriesLeft) || stored.length === 0) return;
    const args = task.args.kept();
    if (args === null) return;
    const what = { call, args, attempt: task.attempt };
    const refs = args instanceof Uint8Array ? [] : args.flatMap((part) => {
      if (part instanceof Uint8Array) return [];
      const id = part.id as ObjectId;
      const sequence = this.#sequenceOf(id);
      return [{ id, task: sequence, owned: sequence !== null || this.#isOurs(id) }];
    });
    const parts = args instanceof Uint8Array ? [args] : args;
    let bytes = 0;
    for (const part of parts) if (part instanceof Uint8Array) bytes += part.length;
    this.#lineage.keep({ sequence, bytes, stored: refs, results: stored, retriesLeft, what });
  }

  /** This process refers to one of its stored objects no longer. */
  released(id: ObjectId): void {
    if (this.#lineage.size === 0) return;
    const sequence = this.#sequenceOf(id);
    if (sequence !== null) this.#lineage.released(sequence, Number(id.slice(id.lastIndexOf(".") + 1)));
  }

  /** CoreMethods.rebuildObject: somebody has found no copy of an object of ours. */
  async rebuild(
    { id, lost }: RebuildMethods["rebuildObject"]["params"],
  ): Promise<RebuildMethods["rebuildObject"]["result"]> {
    const entry = this.#held(id);
    if (entry === null || !entry.owned) {
      throw new ObjectLostError("its owner refers to it no longer", { objectId: id });
    }
    const sequence = this.#sequenceOf(id);
    if (entry.state === "stored") {
      if (entry.cancelled && sequence !== null) {
        throw cancelledError(entry.producer, taskId(this.#core.identity.self, sequence));
      }
      if (sequence === null) {
        throw new ObjectLostError("it was put, and put values cannot be made again", { objectId: id });
      }
      if (lost >= this.#lineage.made(sequence)) this.#makeAgain(entry, sequence);
    }
    if (entry.isPending) {
      await new Promise<void>((settled) => entry.onSettled({ entrySettled: () => settled() }));
    }
    const { node } = this.#core.identity;
    // One that came inline, or failed, is published here.
    const at = entry.state === "stored" ? entry.location ?? node : node;
    return { at, made: sequence === null ? 0 : this.#lineage.made(sequence) };
  }

  #makeAgain(lost: Entry, sequence: number): void {
    const { id } = lost;
    const plan = this.#lineage.plan(sequence, (argument) => this.#argument(argument) !== null);
    if (plan.type === "refused") throw errorOfCode(plan.code, plan.reason, { objectId: id });
    for (const rerun of plan.first) this.#makeAnew(rerun);
    const { call } = plan.last.what;
    const task = taskId(this.#core.identity.self, sequence);
    const fresh = this.#core.objects.newReturns(sequence, call.numReturns, call.name);
    const returns = fresh.map((unused, index) => {
      const entry = this.#held(returnId(task, index));
      // Of one that nobody refers to any more: what is stored of it goes at once.
      if (entry === null) unused.released = true;
      return entry ?? unused;
    });
    const again = this.#submission(plan.last, sequence, returns);
    for (const entry of returns) {
      // What lies elsewhere is not lost, as far as we know: it stays.
      if (entry.state === "stored" && entry.location === lost.location) entry.remake(again);
      else if (entry.isPending) entry.maker = again;
    }
    this.#resubmit(again);
  }

  /** A freed argument's task, as a new one: its old results' ids are over everywhere. */
  #makeAnew(rerun: Rerun<Submission>): void {
    const { objects, identity } = this.#core;
    const { call } = rerun.what;
    const sequence = this.#core.nextSequence();
    const returns = objects.newReturns(sequence, call.numReturns, call.name);
    const task = this.#submission(rerun, sequence, returns);
    for (const [index, entry] of returns.entries()) {
      entry.maker = task;
      this.#anew.set(returnId(taskId(identity.self, rerun.sequence), index), new WeakRef(entry));
    }
    this.#resubmit(task);
  }

  #submission(
    { what, retriesLeft }: Rerun<Submission>,
    sequence: number,
    returns: readonly Entry[],
  ): OwnTask {
    const core = this.#core;
    const args = keptAgain(
      core,
      what.args,
      (target) => this.#argument(target.id as ObjectId) ?? core.objects.arrived(target),
    );
    const task = new OwnTask(sequence, what.call, args, returns, null, core.nowMs());
    task.attempt = ++what.attempt;
    task.retriesLeft = retriesLeft;
    return task;
  }

  /** The entry of an argument that this process holds, or of what was made in its place. */
  #argument(id: ObjectId): Entry | null {
    const anew = this.#anew.get(id)?.deref();
    if (anew === undefined || anew.released) this.#anew.delete(id);
    else return anew;
    return this.#held(id);
  }

  #held(id: ObjectId): Entry | null {
    const entry = this.#core.objects.find(id);
    return entry === undefined || entry.released && !entry.isPending ? null : entry;
  }

  #sequenceOf(id: ObjectId): number | null {
    const task = taskOfObject(id);
    return task === null ? null : sequenceOf(task, this.#core.identity.self);
  }

  #isOurs(id: ObjectId): boolean {
    return id.startsWith(`o-${this.#core.identity.self.slice(2)}-`);
  }
}
