/**
 * Lost results of this process's tasks are made again: what has ended well is remembered (core/worker/lineage.ts decides how
 * long, and what must run), and a lost object's task runs once more, under its own id, into the same entries.
 *
 * Of a generator the items that were lost are made again, by a run with a number of its own, because the first one may not
 * have ended (its worker died, and it was tried again elsewhere): the worker stores them under their old ids. The head says
 * which have a copy still.
 *
 * Arguments of such a run that this process holds are pulled as always: one that is lost too is rebuilt by that pull, and so
 * on. Arguments that were freed meanwhile are made anew by tasks of their own, whose results live as long as the run.
 * @module
 */
import { errorOfCode, ObjectLostError } from "../../common/errors.ts";
import {
  type ActorId,
  type NodeId,
  type ObjectId,
  type ProcessId,
  returnId,
  type TaskId,
  taskId,
  taskOfObject,
} from "../../common/ids.ts";
import { Lineage, type RebuildPlan, type Rerun } from "../../core/worker/lineage.ts";
import type { RefTarget } from "../../protocol/messages.ts";
import type { HeirMethods, RebuildHeadMethods, RebuildMethods } from "../../protocol/rebuild_messages.ts";
import { type MakesAgain, type ReplyResult, ValueKind } from "../../protocol/push.ts";
import { maxLineageBytes } from "../environment.ts";
import { keptAgain, type KeptArguments } from "./arguments.ts";
import { cancelledError } from "./cancels.ts";
import type { CoreContext } from "./core_context.ts";
import { Entry } from "./entry.ts";
import { sequenceOf } from "./explain.ts";
import { ItemReceiver } from "./item_receiver.ts";
import { OwnCall } from "./own_call.ts";
import { OwnTask } from "./own_task.ts";
import { RemadeItems } from "./remade_items.ts";
import { type AgainInit, CallSubmission, type Submission, TaskSubmission } from "./submissions.ts";
import type { TaskManager } from "./tasks.ts";
import { readLineage, tellLineage } from "./travelling_lineage.ts";

type Plan = Extract<RebuildPlan<Submission>, { type: "rebuild" }>;

/** Asked of the head in one message. */
const ASKED_TOGETHER = 10_000;

/** See the module's header. */
export class Rebuilds {
  readonly #core: CoreContext;
  readonly #lineage: Lineage<Submission> = new Lineage(maxLineageBytes(), (what) => {
    this.#told.delete(this.#sequenceOfTask(what.task)!);
    if (what instanceof CallSubmission) this.#core.actorRebuilds.forget(what.actorId, what.sequence);
  });
  /** Entries of freed arguments that were made anew, by their old ids. */
  readonly #anew: Map<ObjectId, WeakRef<Entry>> = new Map();
  /** Generators, and actors, whose lost results are being found out. */
  readonly #looking: Map<number | ActorId, Promise<void>> = new Map();

  /** Tasks whose lineage this process's agent has, too. */
  readonly #told: Set<number> = new Set();
  /** Generators that have not ended, and of which refs have left. */
  readonly #lentEarly: Set<number> = new Set();
  readonly #manager: TaskManager;

  constructor(core: CoreContext, manager: TaskManager) {
    this.#core = core;
    this.#manager = manager;
  }

  /** A task or call has ended with these results, and its arguments are not let go yet. A generator's say nothing. */
  keep(task: OwnTask | OwnCall, results: readonly ReplyResult[] | null): void {
    if (task.maxRetries === 0) return;
    if (task.isGenerator) return this.#keepItems(task);
    const stored: number[] = [];
    for (const [index, { kind }] of (results ?? []).entries()) {
      if (kind === ValueKind.stored && !task.returns[index]!.released) stored.push(index);
    }
    if (!this.#lineage.remade(task.sequence, stored, task.retriesLeft)) {
      this.#remember(task, stored, task.retriesLeft);
    }
  }

  /** A generator has ended, or one of its items was lost before that. */
  #keepItems(task: OwnTask | OwnCall): void {
    const taker = this.#core.itemCalls.takerOf(task.sequence);
    if (taker instanceof RemadeItems) {
      const stored = taker.storedReturns();
      if (!this.#lineage.more(taker.of, stored, task.retriesLeft) && taker.of === task.sequence) {
        this.#remember(task, stored, task.retriesLeft);
      }
    } else if (taker instanceof ItemReceiver) {
      const stored = taker.storedReturns();
      const retriesLeft = taker.retriesAtLeave ?? task.retriesLeft;
      if (!this.#lineage.more(task.sequence, stored, retriesLeft)) this.#remember(task, stored, retriesLeft);
    }
  }

  #remember(task: OwnTask | OwnCall, results: readonly number[], retriesLeft: number): void {
    if (results.length === 0) return;
    const isCall = task instanceof OwnCall;
    // Only its agent may speak to the head for it.
    if (isCall && this.#core.isRestricted) return;
    const args = task.args.kept();
    if (args === null) return;
    const parts = partsOf(args);
    let bytes = 0;
    for (const part of parts) if (part instanceof Uint8Array) bytes += part.length;
    const stored = argumentIds(args).map((id) => {
      const made = this.#sequenceOf(id);
      return { id, task: made, owned: made !== null || this.#isOurs(id) };
    });
    const what = isCall
      ? new CallSubmission(this.#core, task, args)
      : new TaskSubmission(this.#core, task, args);
    if (what instanceof CallSubmission) this.#core.actorRebuilds.keep(what.actorId, task.sequence);
    this.#lineage.keep({ sequence: task.sequence, bytes, stored, results, retriesLeft, what });
    // A ref left before there was a result, if its home knows of it already.
    const left = task.isGenerator ? this.#lentEarly.delete(task.sequence) : task.returns.some(isKnown);
    if (left) this.#tell(task.sequence);
  }

  /** A ref of one of this process's stored objects leaves it. */
  lent(id: ObjectId): void {
    const sequence = this.#sequenceOf(id);
    if (sequence === null || this.#told.has(sequence) || this.#core.objects.find(id)?.cancelled) return;
    if (this.#lineage.whatOf(sequence) !== null) this.#tell(sequence);
    else this.#lentBefore(sequence);
  }

  /** An object of this process is cancelled: it is not made again, not after this process's end either. */
  cancelled(id: ObjectId): void {
    const sequence = this.#sequenceOf(id);
    if (sequence === null || !this.#told.has(sequence)) return;
    this.#core.link.notify("cancelLineage", { task: taskOfObject(id)! });
  }

  /** It is told when the generator has ended. */
  #lentBefore(sequence: number): void {
    const taker = this.#core.itemCalls.takerOf(sequence);
    if (taker === null || this.#lentEarly.has(sequence)) return;
    this.#lentEarly.add(sequence);
    taker.ended.onSettled({ entrySettled: () => this.#lentEarly.delete(sequence) });
  }

  /** Should this process end before those who hold its results, they can be made again without it. */
  #tell(sequence: number): void {
    if (this.#core.isRestricted || this.#told.has(sequence)) return;
    const family = this.#lineage.family(sequence, (needed) => this.#told.has(needed));
    for (const { sequence: told } of family) this.#told.add(told);
    // With the agent gone, so is what it would be for; with an environment that cannot be had, so is the task.
    tellLineage(this.#core, family).catch(() => undefined);
  }

  /** This process refers to one of its stored objects no longer. */
  released(id: ObjectId): void {
    if (this.#lineage.size === 0) return;
    const sequence = this.#sequenceOf(id);
    if (sequence !== null) this.#lineage.released(sequence, indexOf(id));
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
      if (lost >= this.#lineage.made(sequence)) {
        if (this.#isGenerator(sequence)) await this.#lookForItems(entry, sequence);
        else await this.#lookForCalls(entry, sequence);
      }
    }
    if (entry.isPending) {
      await new Promise<void>((settled) => entry.onSettled({ entrySettled: () => settled() }));
    }
    const { node } = this.#core.identity;
    // One that came inline, or failed, is published here.
    const at = entry.state === "stored" ? entry.location ?? node : node;
    return { at, made: sequence === null ? 0 : this.#lineage.made(sequence) };
  }

  /** Throws with why there is none. */
  #planFor(lost: Entry, sequence: number): Plan {
    const plan = this.#lineage.plan(sequence, (argument) => this.#argument(argument) !== null);
    if (plan.type === "refused") throw errorOfCode(plan.code, plan.reason, { objectId: lost.id });
    return plan;
  }

  #makeAgain(lost: Entry, sequence: number): void {
    const plan = this.#planFor(lost, sequence);
    this.#runFirst(plan);
    const { name, numReturns } = plan.last.what;
    const task = taskId(this.#core.identity.self, sequence);
    const fresh = this.#core.objects.newReturns(sequence, numReturns, name);
    const returns = fresh.map((unused, index) => {
      const entry = this.#held(returnId(task, index));
      // Of one that nobody refers to any more: what is stored of it goes at once.
      if (entry === null) unused.released = true;
      return entry ?? unused;
    });
    // What lies elsewhere is not lost, as far as we know: it stays.
    const wanted = returns.filter(({ state, isPending, location }) =>
      isPending || state === "stored" && location === lost.location
    );
    this.#run(plan.last, { sequence, as: null, returns }, wanted);
  }

  /** Freed arguments' tasks, as new ones: their old results' ids are over everywhere. */
  #runFirst({ first, last }: Pick<Plan, "first" | "last">): void {
    if (first.length === 0) return;
    const { objects, identity } = this.#core;
    const wanted = new Set([...first, last].flatMap(({ what }) => argumentIds(what.args)));
    for (const rerun of first) {
      const { name, numReturns, items, task } = rerun.what;
      const sequence = this.#core.nextSequence();
      if (items === null) {
        const returns = objects.newReturns(sequence, numReturns, name);
        for (const [index, entry] of returns.entries()) {
          this.#anew.set(returnId(task, index), new WeakRef(entry));
        }
        this.#run(rerun, { sequence, as: null, returns }, returns);
        continue;
      }
      const entries = new Map<number, Entry>();
      for (const id of wanted) {
        if (taskOfObject(id) !== task || this.#argument(id) !== null) continue;
        const entry = Entry.ofReturn(identity, sequence, indexOf(id), name);
        entries.set(indexOf(id) - 1, entry);
        this.#anew.set(id, new WeakRef(entry));
        objects.register(entry); // What an attempt stores before it crashes is counted.
      }
      this.#runItems(rerun, { sequence, of: sequence, as: null }, entries);
    }
  }

  // ---- calls of actors -----------------------------------------------------------------------------------------------------

  /** An actor that must be brought back for one call is brought back for all whose results were lost with it. */
  async #lookForCalls(lost: Entry, sequence: number): Promise<void> {
    const what = this.#lineage.whatOf(sequence);
    const { actorRebuilds } = this.#core;
    if (!(what instanceof CallSubmission)) return this.#makeAgain(lost, sequence);
    const calls = actorRebuilds.revivedWith(what.actorId);
    if (calls === null) return this.#makeAgain(lost, sequence);
    return await this.#lookOnce(what.actorId, async () => {
      const suspects = await this.#lostAmong(calls.flatMap((call) => this.#suspects(lost, call)));
      for (const entry of suspects) {
        const call = this.#sequenceOf(entry.id)!;
        // Lost with another result of its call; or items, which are looked for when they are wanted.
        if (entry.isPending || this.#isGenerator(call)) continue;
        try {
          this.#makeAgain(entry, call);
        } catch (error) {
          if (entry === lost) throw error;
        }
      }
    });
  }

  // ---- generators ----------------------------------------------------------------------------------------------------------

  #isGenerator(sequence: number): boolean {
    const known = this.#lineage.whatOf(sequence);
    if (known !== null) return known.items !== null;
    const work = this.#core.itemCalls.takerOf(sequence)?.ended.maker ?? null;
    if (!(work instanceof OwnTask || work instanceof OwnCall) || work.maxRetries === 0) return false;
    this.#keepItems(work); // It runs still.
    return this.#lineage.whatOf(sequence) !== null;
  }

  #lookForItems(lost: Entry, sequence: number): Promise<void> {
    return this.#lookOnce(sequence, () => this.#makeItemsAgain(lost, sequence));
  }

  /** Once for all who find results of one generator, or one actor, lost at the same time. */
  #lookOnce(key: number | ActorId, look: () => Promise<void>): Promise<void> {
    const looking = this.#looking.get(key) ?? look().finally(() => this.#looking.delete(key));
    this.#looking.set(key, looking);
    return looking;
  }

  async #makeItemsAgain(lost: Entry, sequence: number): Promise<void> {
    const entries = new Map<number, Entry>();
    for (const entry of await this.#lostAmong(this.#suspects(lost, sequence))) {
      entries.set(indexOf(entry.id) - 1, entry);
    }
    if (entries.size === 0) return; // Somebody else has them, or nobody wants them any more.
    const plan = this.#planFor(lost, sequence);
    this.#runFirst(plan);
    this.#lineage.remaking(sequence);
    const { self: owner, node: home } = this.#core.identity;
    const as = { task: taskId(owner, sequence), home, owner };
    this.#runItems(plan.last, { sequence: this.#core.nextSequence(), of: sequence, as }, entries);
  }

  /** A task's results that were where the lost one was. */
  #suspects(lost: Entry, sequence: number): Entry[] {
    const task = taskId(this.#core.identity.self, sequence);
    const suspects: Entry[] = [];
    for (const index of this.#lineage.live(sequence)) {
      const entry = this.#held(returnId(task, index));
      if (entry?.state === "stored" && entry.location === lost.location) suspects.push(entry);
    }
    return suspects;
  }

  async #lostAmong(suspects: readonly Entry[]): Promise<Entry[]> {
    const stored = await this.#storedAmong(suspects.map(({ id }) => id));
    return suspects.filter(({ id, state, released }) => !stored.has(id) && state === "stored" && !released);
  }

  async #storedAmong(ids: readonly ObjectId[]): Promise<ReadonlySet<ObjectId>> {
    const all = new Set<ObjectId>();
    // Only its agent may speak to the head for it.
    if (this.#core.isRestricted) return all;
    for (let from = 0; from < ids.length; from += ASKED_TOGETHER) {
      const params = { ids: ids.slice(from, from + ASKED_TOGETHER) };
      const { result } = await this.#core.link.request("head", { method: "storedAmong", params });
      const { stored } = result as RebuildHeadMethods["storedAmong"]["result"];
      for (const id of stored) all.add(id);
    }
    return all;
  }

  /** `of`: the number of the call whose items they are; the run's own for items with new ids, or of another process. */
  #runItems(
    rerun: Rerun<Submission>,
    { sequence, of, as }: { readonly sequence: number; readonly of: number; readonly as: MakesAgain | null },
    entries: ReadonlyMap<number, Entry>,
  ): void {
    const core = this.#core;
    const { name, items } = rerun.what;
    const taker = new RemadeItems({ core, sequence, of, name, limit: items!.limit, entries });
    core.itemCalls.again(sequence, taker);
    this.#run(rerun, { sequence, as, returns: [taker.ended] }, [taker.ended, ...entries.values()]);
  }

  // ---- for a process that is gone ------------------------------------------------------------------------------------------

  /** CoreMethods.remakeObjects: this process holds results of a task whose owner is gone, and runs it in its place. */
  async remake(
    { as, tasks, wanted }: HeirMethods["remakeObjects"]["params"],
    sections: readonly Uint8Array[],
  ): Promise<HeirMethods["remakeObjects"]["result"]> {
    const { objects, identity } = this.#core;
    const sequence = this.#core.nextSequence();
    const reruns = readLineage(this.#core, this.#manager, tasks, sections).map((rerun) => {
      return { ...rerun, sequence };
    });
    const last = reruns.pop()!;
    this.#runFirst({ first: reruns, last });
    const { name, numReturns, items } = last.what;
    const made = new Map<number, Entry>();
    if (items === null) {
      const returns = objects.newReturns(sequence, numReturns, name);
      for (const [index, entry] of returns.entries()) made.set(index, entry);
      this.#run(last, { sequence, as, returns }, returns);
    } else {
      for (const index of wanted) made.set(index, Entry.ofReturn(identity, sequence, index, name));
      const entries = new Map([...made].map(([index, entry]) => [index - 1, entry]));
      this.#runItems(last, { sequence, of: sequence, as }, entries);
    }
    return {
      made: await Promise.all([...made].map(async ([index, entry]) => {
        const id = returnId(as.task, index);
        return { id, at: await this.#settledAs(entry, { ...as, id }) };
      })),
    };
  }

  /** Where the object is that an entry of this process's stands for. */
  async #settledAs(
    entry: Entry,
    as: { readonly id: ObjectId; readonly home: NodeId; readonly owner: ProcessId },
  ): Promise<NodeId> {
    const { objects, identity } = this.#core;
    entry.count++;
    if (entry.isPending) {
      await new Promise<void>((settled) => entry.onSettled({ entrySettled: () => settled() }));
    }
    const isStored = entry.state === "stored";
    if (!isStored) await objects.publishAs(entry, as);
    const at = isStored ? entry.location! : identity.node;
    objects.drop(entry);
    return at;
  }

  // ---- runs ----------------------------------------------------------------------------------------------------------------

  /** `pending`: what it settles. */
  #run(
    { what, retriesLeft }: Rerun<Submission>,
    init: Pick<AgainInit, "sequence" | "as" | "returns">,
    pending: readonly Entry[],
  ): void {
    const core = this.#core;
    const args = keptAgain(
      core,
      what.args,
      (target) => this.#argument(target.id as ObjectId) ?? core.objects.arrived(target),
    );
    const work = what.make({ ...init, args, retriesLeft });
    for (const entry of pending) {
      if (entry.isPending) entry.maker = work;
      else entry.remake(work);
    }
    what.start(work);
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
    return task === null ? null : this.#sequenceOfTask(task);
  }

  #sequenceOfTask(task: TaskId): number | null {
    return sequenceOf(task, this.#core.identity.self);
  }

  #isOurs(id: ObjectId): boolean {
    return id.startsWith(`o-${this.#core.identity.self.slice(2)}-`);
  }
}

/** Its home counts it. */
function isKnown({ registered }: Entry): boolean {
  return registered;
}

function partsOf(args: KeptArguments): readonly (Uint8Array | RefTarget)[] {
  return args instanceof Uint8Array ? [args] : args;
}

/** Of stored arguments. */
function argumentIds(args: KeptArguments): ObjectId[] {
  return partsOf(args).flatMap((part) => part instanceof Uint8Array ? [] : [part.id as ObjectId]);
}

/** Of a result among its task's. */
function indexOf(id: ObjectId): number {
  return Number(id.slice(id.lastIndexOf(".") + 1));
}
