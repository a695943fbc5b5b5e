/**
 * The light actors of one worker process. Each has its own mailbox, order and failures, as if it had the process to itself:
 * while it has calls it has an executor, which goes back to a pool when they are done, so that an idle actor is its instance
 * and a few fields.
 *
 *   hostActors --1--> constructing --2--> idle <--3--> running --4--> (gone)
 *
 *   1 In turns of the event loop, so that calls to others go on. One that waits for an argument holds nobody up.
 *   2 Told to the agent in batches; a constructor that throws ends its own actor.   3 Calls: with an executor.
 *   4 Dropped: at once, what runs goes on without a caller and is told by its signal; or after the calls that it has.
 * @module
 */
import { type BatchedActor, type CommonSpec, unpackActors } from "../../common/actor_batches.ts";
import { onShutdown } from "../../common/actor_hooks.ts";
import { Deque } from "../../common/deque.ts";
import { ActorDiedError, taskErrorOf } from "../../common/errors.ts";
import { type ActorId, creationTaskId, type NodeId } from "../../common/ids.ts";
import type { ActorSpec } from "../../common/task_spec.ts";
import type { ActorIncarnation, StartBatch } from "../../protocol/light_actor_messages.ts";
import { type Assignment, type CancelOrder, ReplyStatus } from "../../protocol/push.ts";
import { useUserStacks } from "../code_bundle/bundle_stacks.ts";
import { readArguments } from "./arguments.ts";
import { type Caller, type HostedItems, loadCode } from "./caller.ts";
import type { CoreWorker } from "./core_worker.ts";
import { type DurableActor, makeDurable, mayBeDurable } from "./durable_actor.ts";
import { type ExecutionContext, TaskContext } from "./execution_context.ts";
import { shutdownGraceMs } from "../environment.ts";
import { Executor } from "./executor.ts";
import { ItemInputs } from "./item_inputs.ts";
import { ReplyBatch } from "./reply_batch.ts";
import { runShutdownHook } from "./shutdown_hook.ts";
import type { VisibleDevices } from "./visible_devices.ts";
import type { HostedActor, WorkItem } from "./work_item.ts";
import type { ActorFacts } from "./worker_state.ts";

/** Constructors and calls run in a row for this long before the event loop has a turn. */
const TURN_MS = 5;
/** Executors without work that are kept. */
const POOL_MAX = 256;

const NO_BYTES = new Uint8Array(0);
const NOTHING = (): void => {};

type Class = new (...values: unknown[]) => Record<string, unknown>;

/** One of many: few fields, what they have in common is shared. */
class LightActor implements HostedActor, ActorFacts {
  readonly actorId: ActorId;
  readonly incarnation: number;
  readonly restarted: boolean;
  readonly common: CommonSpec;
  readonly assigned: Assignment;
  readonly concurrencyGroups?: Readonly<Record<string, number>>;
  durable?: DurableActor;
  /** Set when its constructor has run. */
  instance!: Record<string, unknown>;
  /** While it has calls. */
  executor: Executor | null = null;
  /** It ends after the calls that run. */
  isLeaving = false;
  /** It is no longer here: nothing is begun for it. */
  isGone = false;

  constructor({ spec }: BatchedActor, incarnation: number, restarted: boolean, shared: SharedParts) {
    this.actorId = spec.actorId;
    this.incarnation = incarnation;
    this.restarted = restarted;
    this.common = shared.common;
    this.assigned = shared.assigned;
    if (shared.common.concurrencyGroups !== undefined) {
      this.concurrencyGroups = shared.common.concurrencyGroups;
    }
  }

  get className(): string {
    return this.common.className;
  }
  get methods(): CommonSpec["methods"] {
    return this.common.methods;
  }
  get maxConcurrency(): number {
    return this.common.maxConcurrency;
  }
  get facts(): ActorFacts {
    return this;
  }
  /** Without its arguments, which are over. */
  get spec(): ActorSpec {
    return { ...this.common, actorId: this.actorId, args: [] };
  }
}

/** What the actors of one batch share. */
interface SharedParts {
  readonly common: CommonSpec;
  readonly assigned: Assignment;
}

/** Calls, or (null) the end of an actor after the calls before it. */
interface Mail {
  readonly actor: LightActor;
  items: WorkItem[] | null;
}

/** See the module's header. */
export class HostedActors {
  readonly #core: CoreWorker;
  readonly #context: ExecutionContext;
  readonly #devices: VisibleDevices | null;
  readonly #nodeId: NodeId;
  readonly #inputs: ItemInputs;
  readonly #replies = new ReplyBatch();
  /** All and only actors that were constructed, or are about to be, and are not gone. */
  readonly #actors: Map<ActorId, LightActor> = new Map();
  readonly #constructing: Deque<{ readonly actor: LightActor; readonly args: Uint8Array }> = new Deque();
  readonly #classes: Map<string, Class> = new Map();
  readonly #mail: Deque<Mail> = new Deque();
  readonly #pool: Executor[] = [];
  /** All and only executors that have work. */
  readonly #active: Set<Executor> = new Set();
  #hosted: ActorIncarnation[] = [];
  /** Those that ended in this turn, as they were told to and by themselves. */
  #left: ActorIncarnation[] = [];
  #exited: ActorIncarnation[] = [];
  #leftScheduled = false;
  #isConstructing = false;
  #isDelivering = false;
  #isHost = false;
  #whenIdle: (() => void)[] = [];

  constructor(core: CoreWorker, context: ExecutionContext, devices: VisibleDevices | null, nodeId: NodeId) {
    this.#core = core;
    this.#context = context;
    this.#devices = devices;
    this.#nodeId = nodeId;
    this.#inputs = new ItemInputs(core);
  }

  /** This process has been given light actors. */
  get isHost(): boolean {
    return this.#isHost;
  }

  /** CoreMethods.hostActors. */
  host(batch: StartBatch, block: Uint8Array): void {
    if (!this.#isHost) this.#context.interleave();
    this.#isHost = true;
    const shared: SharedParts = { common: batch.common, assigned: assignmentOf(batch.common, []) };
    for (const [index, batched] of unpackActors(batch, block).entries()) {
      const { actorId } = batched.spec;
      const known = this.#actors.get(actorId);
      // The agent knows better: what is here is over.
      if (known !== undefined) this.#end(known);
      const actor = new LightActor(batched, batch.incarnations[index]!, batch.restarted[index]!, shared);
      this.#actors.set(actorId, actor);
      this.#constructing.push({ actor, args: batched.args });
    }
    if (!this.#isConstructing) void this.#construct();
  }

  /** CoreMethods.dropActors. Late orders find another incarnation, or none. */
  drop(actors: readonly ActorIncarnation[], graceful: boolean): void {
    for (const [actorId, incarnation] of actors) {
      const actor = this.#actors.get(actorId);
      if (actor?.incarnation !== incarnation) continue;
      if (graceful) this.#mail.push({ actor, items: null });
      else this.#end(actor);
    }
    this.#deliverSoon();
  }

  /** The actor whose call runs ends after what runs of it. False while it is being constructed. */
  leaveCurrent(): boolean {
    const actor = this.#actors.get(this.#context.current?.actor?.spec.actorId as ActorId);
    // A late word of one that has ended, or that does.
    if (actor === undefined || actor.isLeaving) return true;
    if (actor.instance === undefined) return false;
    actor.isLeaving = true;
    actor.executor?.leave();
    this.#endWhenIdle(actor, true);
    return true;
  }

  /** Whether calls to it are taken. */
  hosts(actorId: ActorId, incarnation: number): boolean {
    const actor = this.#actors.get(actorId);
    return actor?.incarnation === incarnation && actor.instance !== undefined && !actor.isLeaving;
  }

  receive(runs: readonly HostedItems[]): void {
    for (const { actorId, items } of runs) {
      const actor = this.#actors.get(actorId);
      if (actor !== undefined) this.#mail.push({ actor, items });
    }
    this.#deliverSoon();
  }

  /** A caller wants these to end. */
  cancel(caller: Caller, order: CancelOrder): void {
    if (!this.#isHost) return;
    const sequences = new Set(order.sequences);
    for (const item of this.#take((each) => each.caller === caller && sequences.has(each.sequence))) {
      const head = { startMs: Date.now(), runUs: 0, status: ReplyStatus.cancelled };
      this.#replies.add(caller, { sequence: item.sequence, ...head }, NO_BYTES);
    }
    this.#replies.flush();
    for (const executor of this.#active) executor.cancel(caller, order);
  }

  /** A caller is gone: nobody waits for its calls. */
  forget(caller: Caller): void {
    if (!this.#isHost) return;
    this.#take((item) => item.caller === caller);
    for (const executor of this.#active) executor.forget(caller);
    this.#replies.forget(caller);
  }

  /** Remove calls that no executor has. */
  #take(predicate: (item: WorkItem) => boolean): WorkItem[] {
    const taken: WorkItem[] = [];
    for (const mail of this.#mail) {
      if (mail.items === null) continue;
      const kept = mail.items.filter((item) => !predicate(item) || taken.push(item) === 0);
      if (kept.length < mail.items.length) mail.items = kept;
    }
    return taken;
  }

  /** Resolves when no call runs or waits. */
  idle(): Promise<void> {
    if (this.#isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  get #isIdle(): boolean {
    return this.#mail.length === 0 && this.#active.size === 0;
  }

  // ---- calls -------------------------------------------------------------------------------------------------------------

  #deliverSoon(): void {
    if (!this.#isDelivering) void this.#deliver();
  }

  /** Give each call to its actor's executor, in order; what does not wait runs at once. */
  async #deliver(): Promise<void> {
    this.#isDelivering = true;
    let turnMs = performance.now();
    this.#replies.isHeld = true;
    while (this.#mail.length > 0) {
      const { actor, items } = this.#mail.shift()!;
      if (actor.isGone || (actor.isLeaving && items !== null)) continue;
      if (items === null) this.#endWhenIdle(actor, false);
      else if (items.length > 0) this.#executorOf(actor).receive(items);
      if (performance.now() - turnMs < TURN_MS) continue;
      this.#releaseReplies();
      await new Promise((resolve) => setImmediate(resolve));
      turnMs = performance.now();
      this.#replies.isHeld = true;
    }
    this.#isDelivering = false;
    this.#releaseReplies();
    this.#tellIdle();
  }

  #releaseReplies(): void {
    this.#replies.isHeld = false;
    this.#replies.flush();
  }

  #executorOf(actor: LightActor): Executor {
    if (actor.executor !== null) return actor.executor;
    const executor = this.#pool.pop() ??
      new Executor(this.#core, this.#context, this.#devices, NOTHING, this.#replies);
    executor.host(actor);
    executor.onIdle = () => this.#executorIdle(actor, executor);
    this.#active.add(executor);
    return actor.executor = executor;
  }

  #executorIdle(actor: LightActor, executor: Executor): void {
    if (!this.#active.delete(executor)) return;
    actor.executor = null;
    if (this.#pool.length < POOL_MAX) this.#pool.push(executor);
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (this.#whenIdle.length > 0 && this.#isIdle) { for (const tell of this.#whenIdle.splice(0)) tell(); }
  }

  // ---- ends --------------------------------------------------------------------------------------------------------------

  /** After the calls that it has, and its hook. */
  #endWhenIdle(actor: LightActor, exited: boolean): void {
    actor.isLeaving = true;
    void this.#endInOrder(actor, exited);
  }

  async #endInOrder(actor: LightActor, exited: boolean): Promise<void> {
    await actor.executor?.idle();
    if (actor.isGone) return;
    if (actor.instance !== undefined && onShutdown in actor.instance) await this.#runHook(actor);
    if (actor.isGone) return;
    this.#end(actor);
    (exited ? this.#exited : this.#left).push([actor.actorId, actor.incarnation]);
    if (this.#leftScheduled) return;
    this.#leftScheduled = true;
    setImmediate(() => this.#tellLeft());
  }

  async #runHook(actor: LightActor): Promise<void> {
    const name = `${actor.className} ends`;
    const context = new TaskContext(() => creationTaskId(actor.actorId), name, 0, 0, actor.assigned);
    context.actor = actor;
    const late = new Promise<void>((resolve) => setTimeout(resolve, shutdownGraceMs()).unref());
    await Promise.race([this.#context.run(context, () => runShutdownHook(actor)), late]);
  }

  #tellLeft(): void {
    this.#leftScheduled = false;
    const { link } = this.#core;
    const [left, exited] = [this.#left, this.#exited];
    this.#left = [];
    this.#exited = [];
    if (left.length > 0) link.notify("actorsLeft", { actors: left, exited: false });
    if (exited.length > 0) link.notify("actorsLeft", { actors: exited, exited: true });
  }

  #end(actor: LightActor): void {
    if (actor.isGone) return;
    actor.isGone = true;
    this.#actors.delete(actor.actorId);
    actor.executor?.abandon(
      new ActorDiedError(`Actor ${actor.className} (${actor.actorId}) has ended`, { actorId: actor.actorId }),
    );
  }

  // ---- construction ------------------------------------------------------------------------------------------------------

  async #construct(): Promise<void> {
    this.#isConstructing = true;
    let turnMs = performance.now();
    while (this.#constructing.length > 0) {
      const { actor, args } = this.#constructing.shift()!;
      if (actor.isGone) continue;
      const cls = this.#classes.get(actor.common.classHash) ?? await this.#classOf(actor);
      if (cls === null || actor.isGone) continue; // It has failed, or ended meanwhile.
      const values = this.#valuesNow(args);
      if (values === null) void this.#constructSlowly(actor, cls, args);
      else this.#constructNow(actor, cls, values);
      if (performance.now() - turnMs < TURN_MS) continue;
      this.#tellHosted();
      await new Promise((resolve) => setImmediate(resolve));
      turnMs = performance.now();
    }
    this.#isConstructing = false;
    this.#tellHosted();
  }

  /** Arguments that need no waiting; null for others. */
  #valuesNow(args: Uint8Array): unknown[] | null {
    try {
      const values: unknown[] = [];
      for (const argument of readArguments(this.#core, args)) {
        if (!("value" in argument)) return null;
        values.push(argument.value);
      }
      return values;
    } catch {
      return null; // Says what is wrong, or loads a missing codec.
    }
  }

  async #constructSlowly(actor: LightActor, cls: Class, args: Uint8Array): Promise<void> {
    try {
      const values = await this.#inputs.loadValues(args);
      if (!actor.isGone) this.#constructNow(actor, cls, values);
    } catch (error) {
      this.#failed(actor, error);
    }
    this.#tellHosted();
  }

  /** Loads an actor's class; null when it cannot be had, and the actor has failed of that. */
  async #classOf(actor: LightActor): Promise<Class | null> {
    const { classHash: hash, className: name } = actor.common;
    try {
      const cls = await loadCode(this.#core, { hash, kind: "class", name }, []) as Class;
      this.#classes.set(hash, cls);
      return cls;
    } catch (error) {
      this.#failed(actor, error);
      return null;
    }
  }

  #constructNow(actor: LightActor, cls: Class, values: readonly unknown[]): void {
    const id = creationTaskId(actor.actorId);
    const name = `new ${actor.className}`;
    const context = new TaskContext(() => id, name, actor.incarnation - 1, 0, actor.assigned);
    context.actor = actor;
    try {
      actor.instance = this.#context.run(context, () => new cls(...values));
      if (mayBeDurable(actor.common, actor.instance)) return void this.#makeDurable(actor, context);
      this.#hosted.push([actor.actorId, actor.incarnation]);
    } catch (error) {
      this.#failed(actor, error);
    }
  }

  async #makeDurable(actor: LightActor, context: TaskContext): Promise<void> {
    try {
      const durable = await this.#context.run(context, () => makeDurable(this.#core, actor, actor.restarted));
      if (actor.isGone) return;
      if (durable !== null) actor.durable = durable;
      this.#hosted.push([actor.actorId, actor.incarnation]);
    } catch (error) {
      this.#failed(actor, error);
    }
    this.#tellHosted();
  }

  #failed(actor: LightActor, thrown: unknown): void {
    if (actor.isGone) return;
    this.#end(actor);
    useUserStacks(thrown);
    const error = taskErrorOf(thrown, {
      taskName: `new ${actor.className}`,
      taskId: creationTaskId(actor.actorId),
      nodeId: this.#nodeId,
      attempt: actor.incarnation - 1,
    });
    this.#core.link.notify(
      "actorsHosted",
      { hosted: [], failed: [[actor.actorId, actor.incarnation, error.message]] },
      [this.#core.codec.encodeError(error)],
    );
  }

  #tellHosted(): void {
    if (this.#hosted.length === 0) return;
    const hosted = this.#hosted;
    this.#hosted = [];
    this.#core.link.notify("actorsHosted", { hosted, failed: [] });
  }
}

/** What an actor's calls may use. */
export function assignmentOf(
  { group: info, strategy, resources }: CommonSpec,
  gpuIds: readonly number[],
): Assignment {
  const capture = strategy.type === "group" && strategy.capture;
  return { resources, gpuIds, ...(info === undefined ? {} : { group: { info, capture } }) };
}
