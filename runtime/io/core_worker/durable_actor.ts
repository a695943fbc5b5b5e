/**
 * A durable actor at its worker: its state is saved at the head after every so many calls, or when a call asks for it, and
 * restored when it is constructed again. A checkpoint holds the state and which calls are in it (core/actor/applied_calls.ts).
 *
 *   a call ends --not due--> answered
 *               --due--> [saveState]() --> committed at the head --> answered --> callers hear what is covered
 *
 * Nothing else runs at the actor from the call's end to the commit. A save that fails is told in the worker's log, and fails
 * the call where that has asked for it.
 * @module
 */
import { restoreState, saveState } from "../../common/actor_hooks.ts";
import type { ActorId, ProcessId } from "../../common/ids.ts";
import type { ActorSpec } from "../../common/task_spec.ts";
import { AppliedCalls, type AppliedRecord } from "../../core/actor/applied_calls.ts";
import { CHECKPOINT_BYTES_MAX, checkpointKey } from "../../protocol/key_value_messages.ts";
import { PushType, writeCovered } from "../../protocol/push.ts";
import { ByteWriter } from "../../protocol/serialization/mod.ts";
import type { Caller } from "./caller.ts";
import type { CoreWorker } from "./core_worker.ts";
import type { TaskContext } from "./execution_context.ts";
import type { WorkItem } from "./work_item.ts";

/** The methods that make a class durable. */
interface Hooks {
  [saveState]?: () => unknown;
  [restoreState]?: (state: unknown) => unknown;
}

interface Checkpoint {
  readonly state: unknown;
  readonly calls: AppliedRecord;
}

/** Which durable actor a call runs in: for checkpoint(). */
const actors = new WeakMap<TaskContext, DurableActor>();

export function durableActorOf(context: TaskContext): DurableActor | null {
  return actors.get(context) ?? null;
}

/** See the module's header. */
export class DurableActor {
  readonly #core: CoreWorker;
  readonly actorId: ActorId;
  readonly #className: string;
  readonly #incarnation: number;
  readonly #instance: Hooks;
  readonly #calls: AppliedCalls;
  /** By process: its present connection. */
  readonly #callers = new Map<ProcessId, Caller>();

  constructor(
    core: CoreWorker,
    of: { readonly spec: ActorSpec; readonly incarnation: number; readonly instance: object },
    restored: AppliedRecord | null,
  ) {
    this.#core = core;
    this.actorId = of.spec.actorId;
    this.#className = of.spec.className;
    this.#incarnation = of.incarnation;
    this.#instance = of.instance;
    this.#calls = new AppliedCalls(of.spec.checkpointEvery ?? null, restored);
  }

  /** User code is called in this context. */
  enter(context: TaskContext): void {
    actors.set(context, this);
  }

  /** Save before the call that runs now is answered. */
  request(): void {
    this.#calls.request();
  }

  get isDue(): boolean {
    return this.#calls.isDue;
  }

  /** Whether the state contains this call already; then its answer, as far as it is kept. */
  find({ caller, sequence }: WorkItem): { readonly reply: Uint8Array | null } | null {
    this.#callers.set(caller.id, caller);
    return this.#calls.find(caller.id, sequence);
  }

  returned({ caller, sequence }: WorkItem, reply: Uint8Array | null): void {
    this.#calls.returned(caller.id, sequence, reply);
  }

  failed({ caller, sequence }: WorkItem): void {
    this.#calls.failed(caller.id, sequence);
  }

  /** Save now. Answers what tells the callers, or the error where the call that has just ended asked for it. */
  async save(): Promise<{ readonly tell: () => void } | { readonly error: unknown }> {
    try {
      await this.#save();
    } catch (error) {
      console.error(`mobula warning: ${this.#className} (${this.actorId}) could not save its state:`, error);
      const { isRequested } = this.#calls;
      this.#calls.notSaved();
      return isRequested ? { error } : { tell: () => undefined };
    }
    const covered = this.#calls.saved();
    return { tell: () => this.#tell(covered) };
  }

  async #save(): Promise<void> {
    const { actorId } = this;
    const className = this.#className;
    const state = await this.#instance[saveState]!();
    const checkpoint: Checkpoint = { state, calls: this.#calls.record() };
    const bytes = this.#core.codec.encodeAlone(checkpoint, `${className}'s checkpoint`);
    if (bytes.length > CHECKPOINT_BYTES_MAX) {
      throw new RangeError(
        `the state of ${className} (${actorId}) takes ${bytes.length} bytes, at most ${CHECKPOINT_BYTES_MAX}: ` +
          "spread it over several actors, or keep large parts in files",
      );
    }
    const params = { actorId, incarnation: this.#incarnation };
    await this.#core.link.request("head", { method: "saveCheckpoint", params }, [bytes]);
  }

  #tell(covered: readonly (readonly [caller: ProcessId, through: number])[]): void {
    const writer = new ByteWriter();
    for (const [id, through] of covered) {
      const caller = this.#callers.get(id);
      if (caller === undefined) continue; // Of an earlier incarnation; it has not come back.
      if (!caller.isOpen) {
        this.#callers.delete(id);
        continue;
      }
      writer.reset();
      writeCovered(writer, this.actorId, through);
      caller.send(PushType.covered, writer.bytes());
    }
  }
}

/** Whether makeDurable() must be asked. */
export function mayBeDurable(
  { checkpointEvery }: Pick<ActorSpec, "checkpointEvery">,
  instance: object,
): boolean {
  return checkpointEvery !== undefined || saveState in instance || restoreState in instance;
}

/**
 * After its constructor, before any call: null for an actor that is not durable. Restores the state of an actor that was
 * constructed before, where a checkpoint is there. Throws as its class does, and for a class that cannot be durable.
 */
export async function makeDurable(
  core: CoreWorker,
  of: { readonly spec: ActorSpec; readonly incarnation: number; readonly instance: object },
  restarted: boolean,
): Promise<DurableActor | null> {
  const { spec, instance } = of;
  const hooks = instance as Hooks;
  const has = [typeof hooks[saveState] === "function", typeof hooks[restoreState] === "function"];
  if (!mayBeDurable(spec, instance)) return null;
  if (!has[0] || !has[1]) {
    const missing = ["saveState", "restoreState"].filter((_, index) => !has[index]);
    throw new TypeError(
      `${spec.className} is to be durable and has no method ${
        missing.map((name) => `[${name}]`).join(" and ")
      }`,
    );
  }
  // Others may be in the middle of their work: there is no moment at which the state could be saved.
  if (spec.maxConcurrency > 1 || spec.concurrencyGroups !== undefined) return null;
  if (core.isRestricted) throw new TypeError(`${spec.className} is durable: it cannot be restricted`);
  const checkpoint = restarted ? await load(core, spec) : null;
  if (checkpoint !== null) await hooks[restoreState]!(checkpoint.state);
  return new DurableActor(core, of, checkpoint?.calls ?? null);
}

async function load(core: CoreWorker, { actorId }: ActorSpec): Promise<Checkpoint | null> {
  const params = { key: checkpointKey(actorId) };
  const { sections } = await core.link.request("head", { method: "kvGet", params });
  const bytes = sections[0]?.slice();
  if (bytes === undefined) return null;
  for (;;) {
    try {
      return core.codec.decode(bytes, null) as Checkpoint;
    } catch (error) {
      if (!await core.codec.recover(error)) throw error;
    }
  }
}
