/**
 * A simulated worker process: runs pushed tasks one at a time, blocks while its children run, hosts an actor, crashes.
 * @module
 */
import { type JobId, type ProcessId, returnId } from "../../runtime/common/ids.ts";
import type { ActorSpec } from "../../runtime/common/task_spec.ts";
import type { ObjectReport } from "../../runtime/protocol/messages.ts";
import type { SimAgent } from "./sim_agent.ts";
import { SimBorrower } from "./sim_borrower.ts";
import { type Push, type PushReply, SimSubmitter, type SimTask } from "./sim_submitter.ts";
import type { SimWorld } from "./sim_world.ts";

/** Of the tasks that are given stored arguments, in percent: those after which their worker keeps the refs. */
const KEEPS = 50;
/** Of the tasks whose worker was lost, in percent: those that crash the next one too. */
const CRASHES_AGAIN = 40;

interface Received {
  readonly push: Push;
  readonly task: SimTask;
  readonly attempt: number;
  readonly reply: (reply: PushReply) => void;
}

export class SimWorker {
  readonly id: ProcessId;
  readonly agent: SimAgent;
  alive: boolean = true;
  /** The actor that it hosts. */
  actor: { readonly spec: ActorSpec; readonly incarnation: number } | null = null;
  /** What its running task submits. */
  submitter: SimSubmitter | null = null;
  readonly #world: SimWorld;
  readonly #queue: Received[] = [];
  readonly #borrower: SimBorrower;
  #running: Received | null = null;
  #jobId: JobId | null = null;

  constructor(world: SimWorld, agent: SimAgent, id: ProcessId) {
    this.#world = world;
    this.agent = agent;
    this.id = id;
    this.#borrower = new SimBorrower(world, agent, id);
  }

  get keepsRefs(): boolean {
    return this.#borrower.keepsAny;
  }

  get isBusy(): boolean {
    return this.#running !== null;
  }

  receive(push: Push, reply: (reply: PushReply) => void): void {
    if (!this.alive) return;
    if (this.#jobId !== null && this.#jobId !== push.jobId) {
      this.#world.fail(`${this.id} of ${this.#jobId} gets work of ${push.jobId}`);
    }
    this.#jobId = push.jobId;
    for (const [index, task] of push.tasks.entries()) {
      this.#queue.push({ push, task, attempt: push.attempts[index]!, reply });
    }
    this.#next();
  }

  /** The process is gone; the agent tells the rest. */
  die(): void {
    this.alive = false;
    this.submitter?.vanish();
    this.#borrower.die();
    this.#world.workers.delete(this.id);
  }

  #next(): void {
    if (this.#running !== null) return;
    const received = this.#queue.shift();
    if (received === undefined) return;
    this.#running = received;
    const { plan } = received.task;
    this.#world.tasks.begun(received.task, received.attempt);
    const { loop, faults } = this.#world;
    if (this.#world.mishap(3) || this.#crashesAgain(received.task)) {
      return loop.after(faults.below(plan.durationMs + 1), () => this.agent.crashWorker(this));
    }
    if (plan.children.length === 0) return loop.after(plan.durationMs, () => this.#finish(true));
    loop.after(plan.durationMs >> 1, () => this.#block(received));
  }

  /** What has crashed a worker once is likely to crash the next. */
  #crashesAgain({ usedRetries }: SimTask): boolean {
    return usedRetries > 0 && this.#world.stormy && this.#world.sharing.chance(CRASHES_AGAIN);
  }

  #block({ push, task }: Received): void {
    if (!this.alive) return;
    // What it has not started may run elsewhere meanwhile.
    for (const other of this.#queue.splice(0)) {
      const { leaseId } = other.push;
      other.reply({ type: "handedBack", leaseId, sequences: [other.task.sequence] });
    }
    this.agent.blocked(this, true);
    const { id, agent } = this;
    this.submitter ??= new SimSubmitter(this.#world, { id, agent, jobId: push.jobId, depth: push.depth + 1 });
    this.submitter.run(task.plan.children, (ok) => {
      if (!this.alive) return;
      this.agent.blocked(this, false);
      this.#world.loop.after(task.plan.durationMs >> 1, () => this.#finish(ok));
    });
  }

  #finish(ok: boolean): void {
    const received = this.#running;
    if (!this.alive || received === null) return;
    const { storedArgs } = received.task;
    if (storedArgs.length === 0 || !this.#world.sharing.chance(KEEPS)) return this.#answer(received, ok);
    this.#borrower.keep(storedArgs, () => this.#answer(received, ok));
  }

  #answer(received: Received, ok: boolean): void {
    const { task, push } = received;
    if (ok && task.plan.outputBytes > 0) {
      const made: ObjectReport = {
        id: returnId(task.taskId, 0),
        bytes: task.plan.outputBytes,
        home: push.ownerNode,
        owner: push.owner,
        isError: false,
        primary: true,
      };
      const contains = task.plan.borrows ? task.storedArgs.map(({ id, home }) => ({ id, home })) : [];
      return this.agent.store.make(this.id, made, contains, (problem) => {
        if (this.alive) this.#reply(received, problem === null, problem === null ? made : null);
      });
    }
    this.#reply(received, ok, null);
  }

  #reply({ task, push, reply }: Received, ok: boolean, object: ObjectReport | null): void {
    this.#running = null;
    const { leaseId } = push;
    const { sequence, plan } = task;
    reply({ type: "done", leaseId, sequence, runMs: plan.durationMs, ok, object, at: this.agent.nodeId });
    this.#next();
  }
}
