/**
 * Each attempt of a task runs once, retries are neither exceeded nor forgotten, and a task fails only for a reason that the
 * books know.
 * @module
 */
import type { DeathCause } from "../../../runtime/common/task_spec.ts";
import { MEMORY_RETRIES, type SimTask } from "../sim_submitter.ts";
import type { SimWorld } from "../sim_world.ts";

/** What tasks did, from the point of view of the processes that ran them. */
export class TaskLedger {
  readonly #world: SimWorld;
  /** Attempts that began to run. */
  readonly #begun: Set<string> = new Set();
  /** How often each task began to run. */
  readonly #starts: Map<string, number> = new Map();

  constructor(world: SimWorld) {
    this.#world = world;
  }

  get count(): number {
    return this.#begun.size;
  }

  /** A worker begins to run it. */
  begun(task: SimTask, attempt: number): void {
    const key = `${task.taskId} attempt ${attempt}`;
    if (this.#begun.has(key)) this.#world.fail(`${key} runs twice`);
    this.#begun.add(key);
    const starts = (this.#starts.get(task.taskId) ?? 0) + 1;
    this.#starts.set(task.taskId, starts);
    const allowed = 1 + task.plan.retries + task.freeRetries + task.memoryRetries;
    if (starts > allowed) {
      this.#world.fail(`${task.taskId} starts for the ${starts}th time, with ${task.plan.retries} retries`);
    }
  }

  /** Its submitter gave it up after a worker was lost. */
  lost(task: SimTask, cause: DeathCause | null): void {
    if (cause?.code === "OUT_OF_MEMORY") {
      if (task.plan.retries === 0 || task.memoryRetries >= MEMORY_RETRIES) return;
      this.#world.fail(`${task.taskId} is given up after ${task.memoryRetries} kills for low memory`);
    }
    if (task.usedRetries < task.plan.retries) {
      this.#world.fail(
        `${task.taskId} is given up after ${task.usedRetries} of ${task.plan.retries} retries`,
      );
    }
  }

  /** The scheduler refused it for good. */
  refused(task: SimTask, code: string, message: string): void {
    const { strategy } = task.shape;
    const { fallen } = this.#world;
    if (code === "TaskUnschedulableError") {
      const demanded = strategy.type === "nodeAffinity" && !strategy.soft ? strategy.nodeId : null;
      // A head that crashed may have forgotten a node that had just joined.
      if (demanded !== null && (fallen.has(demanded) || this.#world.head.lives > 1)) return;
      this.#world.fail(`${task.taskId} is refused although a node fits: ${message}`);
    }
    if (code.startsWith("Object") || code === "OwnerDiedError") {
      // A store that is full for long is not the machines' fault.
      if (fallen.size > 0 || code === "ObjectStoreFullError") return;
      // A head that was away itself may take longer to see a death than a pull tries to reach the dead.
      if (code === "ObjectLostError" && this.#lostIts(task)) return;
      this.#world.fail(`${task.taskId} has lost an argument although no node died: ${code} ${message}`);
    }
    if (code === "PlacementGroupRemovedError" && strategy.type === "group") return;
    this.#world.fail(`${task.taskId} is refused with ${code}: ${message}`);
  }

  /** Whether an argument was made on a node that ended, and lies nowhere now. */
  #lostIts({ storedArgs }: SimTask): boolean {
    const { ended, agents } = this.#world;
    const living = [...agents.values()].filter(({ host }) => host.alive);
    return storedArgs.some(({ id, at }) =>
      at !== undefined && ended.has(at) && !living.some(({ store }) => store.table.get(id) !== undefined)
    );
  }
}
