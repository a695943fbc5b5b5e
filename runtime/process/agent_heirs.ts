/**
 * Objects whose owners are gone, or refer to them no longer, while others do: their home has the lineage of those whose refs
 * have left their owners, and has them made again by a process that holds one: one of this node, or of another.
 * @module
 */
import {
  errorOfCode,
  isErrorCode,
  ObjectLostError,
  OwnerDiedError,
  TaskCancelledError,
} from "../common/errors.ts";
import {
  type NodeId,
  type ObjectId,
  type ProcessId,
  returnId,
  type TaskId,
  taskOfObject,
} from "../common/ids.ts";
import { Lineage, type Rerun } from "../core/worker/lineage.ts";
import { maxLineageBytes } from "../io/environment.ts";
import type { ObjectStore } from "../io/store/store_host.ts";
import type {
  HeirMethods,
  LineageMethods,
  LineageTask,
  RebuildMethods,
} from "../protocol/rebuild_messages.ts";
import type { HeadLink } from "./agent_head_link.ts";
import type { Peers } from "./agent_peers.ts";
import type { AttachedProcess, ProcessTable } from "./agent_processes.ts";

type Order = HeirMethods["remakeObjects"]["params"];
type Made = HeirMethods["remakeObjects"]["result"];

/** A task of a process of this node. */
interface Inherited {
  readonly task: LineageTask;
  readonly owner: ProcessId;
  /** Arguments by value, in order. */
  readonly sections: readonly Uint8Array[];
  /** Where its results were made again. */
  readonly at: Map<ObjectId, NodeId>;
  /** By its owner, for good. */
  isCancelled: boolean;
}

export interface HeirsParts {
  readonly nodeId: NodeId;
  readonly head: HeadLink;
  readonly peers: Peers;
  readonly processes: ProcessTable;
  readonly store: () => ObjectStore;
}

export class Heirs {
  readonly #parts: HeirsParts;
  readonly #lineage: Lineage<Inherited, TaskId> = new Lineage(maxLineageBytes());
  readonly #running: Map<TaskId, Promise<void>> = new Map();

  constructor(parts: HeirsParts) {
    this.#parts = parts;
  }

  /** AgentMethods.keepLineage. */
  told(
    { id: owner }: AttachedProcess,
    { tasks }: LineageMethods["keepLineage"]["params"],
    all: readonly Uint8Array[],
  ): void {
    let from = 0;
    this.#lineage.keepTogether(tasks.map(({ results, stored, ...task }) => {
      const id = task.task;
      checkOwner(owner, id);
      const count = task.args === "block" ? 1 : task.args.filter((part) => part === null).length;
      const sections = all.slice(from, from += count).map((section) => section.slice());
      const bytes = sections.reduce((sum, { length }) => sum + length, JSON.stringify(task).length);
      const what = { task, owner, sections, at: new Map(), isCancelled: false };
      return { sequence: id, bytes, stored, results, retriesLeft: task.retriesLeft, what };
    }));
  }

  /** AgentMethods.cancelLineage. */
  cancelled({ id: owner }: AttachedProcess, task: TaskId): void {
    checkOwner(owner, task);
    const inherited = this.#lineage.whatOf(task);
    if (inherited !== null) inherited.isCancelled = true;
  }

  /** Nobody refers to these any more. */
  freed(ids: readonly ObjectId[]): void {
    if (this.#lineage.size === 0) return;
    for (const id of ids) {
      const task = taskOfObject(id);
      if (task !== null) this.#lineage.released(task, indexOf(id));
    }
  }

  has(id: ObjectId): boolean {
    const task = taskOfObject(id);
    return task !== null && this.#lineage.whatOf(task) !== null;
  }

  /** A lost object whose owner cannot be asked. Rejects as RebuildMethods.rebuildObject. */
  async rebuild(
    { id, lost }: RebuildMethods["rebuildObject"]["params"],
  ): Promise<RebuildMethods["rebuildObject"]["result"]> {
    const task = taskOfObject(id);
    const inherited = task === null ? null : this.#lineage.whatOf(task);
    if (task === null || inherited === null) {
      const why = task === null
        ? "it was put, and put values cannot be made again"
        : "its lineage is not known";
      throw new OwnerDiedError(`its owner has ended, and ${why}`, { objectId: id });
    }
    if (inherited.isCancelled) {
      throw new TaskCancelledError(`${inherited.task.call.name} (${task}) was cancelled`, { taskId: task });
    }
    if (lost >= this.#lineage.made(task) || !inherited.at.has(id)) {
      const running = this.#running.get(task) ??
        this.#remake(id, task).finally(() => this.#running.delete(task));
      this.#running.set(task, running);
      await running;
    }
    const at = inherited.at.get(id);
    if (at === undefined) {
      throw new ObjectLostError("it was not made again with others of its task", { objectId: id });
    }
    return { at, made: this.#lineage.made(task) };
  }

  async #remake(id: ObjectId, task: TaskId): Promise<void> {
    const { nodeId: home } = this.#parts;
    const wanted = await this.#lostOf(id, task);
    const plan = this.#lineage.plan(task, (argument) => this.#parts.store().holdersOf(argument) !== null);
    if (plan.type === "refused") throw errorOfCode(plan.code, plan.reason, { objectId: id });
    const reruns = [...plan.first, plan.last];
    const { owner, at } = plan.last.what;
    const order: Order = { id, as: { task, home, owner }, tasks: reruns.map(travelling), wanted };
    const made = await this.#order(order, reruns.flatMap(({ what }) => what.sections));
    for (const one of made) at.set(one.id, one.at);
    this.#lineage.remade(task, [], plan.last.retriesLeft);
  }

  /** Which returns of a task are wanted: those that somebody refers to and that no node has. */
  async #lostOf(id: ObjectId, task: TaskId): Promise<number[]> {
    const ids = [...this.#lineage.live(task)].map((index) => returnId(task, index));
    const { result: { stored } } = await this.#parts.head.request("storedAmong", { ids });
    const lost = new Set(ids.filter((one) => !stored.includes(one)));
    return [...lost.add(id)].map(indexOf).sort((a, b) => a - b);
  }

  /** By the first process that can. One that dies of it is not the last. */
  async #order(order: Order, sections: readonly Uint8Array[]): Promise<Made["made"]> {
    const { store, peers } = this.#parts;
    const nodes = store().holdersOf(order.id)?.nodes ?? [];
    const tries = [
      () => this.remake(order, sections),
      ...nodes.map((node) => async () =>
        (await peers.request(node, "remakeObjects", order, sections)).result
      ),
    ];
    for (const attempt of tries) {
      try {
        return (await attempt()).made;
      } catch (error) {
        const { code = "" } = error as { code?: string };
        if (isErrorCode(code) && !(error instanceof ObjectLostError) && code !== "NodeDiedError") throw error;
      }
    }
    const why = "its owner has ended, and no process that holds it can run its task again";
    throw new OwnerDiedError(why, { objectId: order.id });
  }

  /** PeerMethods.remakeObjects: by a process of this node that holds it. */
  async remake(order: Order, sections: readonly Uint8Array[]): Promise<Made> {
    const { store, processes, nodeId } = this.#parts;
    for (const holder of store().holdersOf(order.id)?.processes ?? []) {
      const process = processes.get(holder);
      // Its code is for restricted workers only.
      if (process === undefined || process.sandbox !== null) continue;
      return (await process.rpc.request("remakeObjects", order, sections)).result;
    }
    throw new ObjectLostError(`no process of ${nodeId} holds it`, { objectId: order.id });
  }
}

function checkOwner(owner: ProcessId, task: TaskId): void {
  if (!task.startsWith(`t-${owner.slice(2)}-`)) throw new TypeError(`${owner} cannot speak of ${task}.`);
}

function travelling({ what, retriesLeft }: Rerun<Inherited, TaskId>): LineageTask {
  return { ...what.task, retriesLeft };
}

function indexOf(id: ObjectId): number {
  return Number(id.slice(id.lastIndexOf(".") + 1));
}
