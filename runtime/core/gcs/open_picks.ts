/**
 * Who asked the global scheduler for a place: agents' requests and actors, by the scheduler's keys.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { ActorId, JobId, NodeId, TaskId } from "../../common/ids.ts";
import type { ActorStatus } from "../../common/task_spec.ts";

export interface TaskPick {
  readonly requestId: string;
  readonly asker: NodeId;
  readonly jobId: JobId;
  readonly taskId: TaskId;
}

export interface ActorPick {
  readonly actorId: ActorId;
  readonly incarnation: number;
}

export class OpenPicks {
  readonly #tasks: Map<string, TaskPick> = new Map();
  readonly #actors: Map<string, ActorPick> = new Map();

  /** The key must be free: take it first. */
  addTask(key: string, pick: TaskPick): void {
    this.#tasks.set(key, pick);
  }

  addActor(key: string, pick: ActorPick): void {
    this.#actors.set(key, pick);
  }

  takeTask(key: string): TaskPick | undefined {
    const pick = this.#tasks.get(key);
    this.#tasks.delete(key);
    return pick;
  }

  takeActor(key: string): ActorPick | undefined {
    const pick = this.#actors.get(key);
    this.#actors.delete(key);
    return pick;
  }

  /** Nobody waits for the answers to this node's requests any more. */
  dropAsker(nodeId: NodeId): void {
    for (const [key, pick] of this.#tasks) if (pick.asker === nodeId) this.#tasks.delete(key);
  }

  /** The job's requests, which are open no longer. */
  takeJob(jobId: JobId): TaskPick[] {
    const picks = [...this.#tasks].filter(([, pick]) => pick.jobId === jobId);
    for (const [key] of picks) this.#tasks.delete(key);
    return picks.map(([, pick]) => pick);
  }

  /** Throws unless every actor here is still to be placed. */
  check(statusOf: (actorId: ActorId) => ActorStatus | undefined): void {
    for (const { actorId, incarnation } of this.#actors.values()) {
      const status = statusOf(actorId);
      const waits = status?.incarnation === incarnation && status.state !== "DEAD";
      assert(waits, `${actorId} is still to be placed`);
    }
  }
}
