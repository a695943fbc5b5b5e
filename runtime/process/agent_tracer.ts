/**
 * What an agent tells the head for people: the steps of the journeys that it took part in, and its processes' task
 * events, in batches that are sent again until acknowledged.
 * @module
 */
import { TASK_EVENT_INTERVAL_MS } from "../common/config.ts";
import type { NodeId, ObjectId, ProcessId, TaskId } from "../common/ids.ts";
import { taskOfObject } from "../common/ids.ts";
import type { TaskEventBatch, TraceStep } from "../common/task_event.ts";
import { Creations } from "./agent_creations.ts";
import type { HeadLink } from "./agent_head_link.ts";

/** Steps of one interval, at most: a burst of leases must not become a burst of rows. */
const STEPS_PER_BATCH = 1_000;
/** Batches that wait for the head: beyond it processes wait for their acknowledgement, so that they hold back. */
const BATCHES_MAX = 500;
/** Batches in one message. */
const BATCHES_PER_MESSAGE = 50;

export class Tracer {
  /** Constructor calls of this node's actors. */
  readonly creations: Creations;
  readonly #nodeId: NodeId;
  /** Names this run of the agent: its counts begin anew with each. */
  readonly #processId: string;
  readonly #head: HeadLink;
  readonly #nowMs: () => number;
  #steps: TraceStep[] = [];
  #stepsDropped: number = 0;
  #sequence: number = 0;
  /** Not yet acknowledged by the head, in order, with whom to tell when they were taken. */
  readonly #batches: { readonly batch: TaskEventBatch; readonly taken: (() => void) | null }[] = [];
  #sending: boolean = false;
  /** The last task that asked for each object that is being fetched as an argument. */
  readonly #argumentTasks: Map<ObjectId, { readonly key: string; readonly taskId: TaskId }> = new Map();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(nodeId: NodeId, epoch: number, head: HeadLink, nowMs: () => number) {
    this.creations = new Creations(nodeId);
    this.#processId = `${nodeId}@${epoch.toString(36)}`;
    this.#nodeId = nodeId;
    this.#head = head;
    this.#nowMs = nowMs;
    this.#timer = setInterval(() => this.#flush(), TASK_EVENT_INTERVAL_MS);
  }

  /** A step of a journey, done by this agent. */
  step(
    step: Pick<TraceStep, "taskId" | "journey" | "step" | "name" | "detail">,
    processId: ProcessId | null,
  ): void {
    if (this.#steps.length >= STEPS_PER_BATCH) {
      this.#stepsDropped++;
      return;
    }
    this.#steps.push({ ...step, nodeId: this.#nodeId, processId, atMs: this.#nowMs() });
  }

  /** Steps that another process took and told. */
  steps(steps: readonly TraceStep[]): void {
    for (const step of steps) {
      if (this.#steps.length < STEPS_PER_BATCH) this.#steps.push(step);
      else this.#stepsDropped++;
    }
  }

  /** A step of an object's way to its reader. */
  objectStep(id: ObjectId, name: string, step: number, detail: string): void {
    const taskId = taskOfObject(id);
    if (taskId !== null) this.step({ taskId, journey: "get", step, name, detail }, null);
  }

  /** A task's arguments are being fetched under this name; steps on their way are the task's. */
  argumentsOf(key: string, taskId: TaskId, args: readonly ObjectId[]): void {
    for (const id of args) this.#argumentTasks.set(id, { key, taskId });
  }

  argumentsDone(key: string, args: readonly ObjectId[]): void {
    for (const id of args) if (this.#argumentTasks.get(id)?.key === key) this.#argumentTasks.delete(id);
  }

  /** A step of an argument's way to the task that needs it. */
  argumentStep(id: ObjectId, name: string, step: number, detail: string): void {
    const task = this.#argumentTasks.get(id);
    if (task === undefined) return;
    this.step({ taskId: task.taskId, journey: "submit", step, name, detail: `${id} ${detail}` }, null);
  }

  /** A process's batch; resolves when it is in good hands, which is at once unless too much waits for the head. */
  taskEvents(batch: TaskEventBatch): Promise<void> | void {
    if (this.#batches.length < BATCHES_MAX) {
      this.#push(batch, null);
      return;
    }
    return new Promise((resolve) => this.#push(batch, resolve));
  }

  /** Send what is left, without waiting for long. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#flush();
    await Promise.resolve();
  }

  #flush(): void {
    const created = this.creations.take();
    if (this.#steps.length === 0 && created === null) return;
    const steps = this.#steps;
    this.#steps = [];
    this.#push({
      processId: this.#processId,
      nodeId: this.#nodeId,
      jobId: null,
      sequence: ++this.#sequence,
      counts: created?.counts ?? [],
      edges: [],
      rows: created?.rows ?? [],
      steps,
      rowsDropped: this.#stepsDropped + this.creations.rowsDropped,
    }, null);
  }

  #push(batch: TaskEventBatch, taken: (() => void) | null): void {
    this.#batches.push({ batch, taken });
    void this.#send();
  }

  async #send(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      while (this.#batches.length > 0) {
        const some = this.#batches.slice(0, BATCHES_PER_MESSAGE);
        await this.#head.request("taskEvents", { batches: some.map(({ batch }) => batch) }, [], {
          keep: true,
        });
        this.#batches.splice(0, some.length);
        for (const { taken } of some) taken?.();
      }
    } catch {
      // The link is closing, or the head refused these rows: they are for people only, and what is next may be good.
      for (const { taken } of this.#batches.splice(0, BATCHES_PER_MESSAGE)) taken?.();
    } finally {
      this.#sending = false;
    }
  }
}
