/**
 * The simulated store: writes become durable in groups, in order, a while after they were queued. A crash loses what was
 * not durable. Built like the head's real one: a batch is what was queued while the last commit ran.
 * @module
 */
import type { GcsEffect, GcsRecords } from "../../runtime/core/gcs/gcs_events.ts";
import type { Prng } from "../../runtime/common/prng.ts";
import type { EventLoop } from "./event_loop.ts";

export type StoreEffect = Extract<
  GcsEffect,
  {
    type:
      | "persistNode"
      | "forgetNode"
      | "persistJob"
      | "forgetJob"
      | "persistActor"
      | "persistName"
      | "forgetActor"
      | "persistGroup"
      | "forgetGroup"
      | "persistObjects";
  }
>;

export class SimStore {
  readonly #loop: EventLoop;
  readonly #prng: Prng;
  /** Some disks are slow: then much is under way when the head dies. */
  readonly #isSlow: boolean;
  readonly #nodes: Map<string, GcsRecords["nodes"][number]> = new Map();
  readonly #jobs: Map<string, GcsRecords["jobs"][number]> = new Map();
  readonly #actors: Map<string, GcsRecords["actors"][number]> = new Map();
  readonly #groups: Map<string, GcsRecords["groups"][number]> = new Map();
  readonly #names: Map<string, string> = new Map();
  readonly #locations: Map<string, GcsRecords["objects"][number]> = new Map();
  #queue: StoreEffect[] = [];
  #queued: number = 0;
  /** Writes that are durable: the head's barriers are numbers of this count. */
  committed: number = 0;
  #committing: boolean = false;
  /** Which life of the head the running commit belongs to. */
  #life: number = 0;
  onCommit: () => void = () => undefined;
  /** An actor's record is durable. */
  onActor: (record: GcsRecords["actors"][number]) => void = () => undefined;

  constructor(loop: EventLoop, prng: Prng) {
    this.#loop = loop;
    this.#prng = prng;
    this.#isSlow = prng.chance(30);
  }

  /** All writes so far; durable when `committed` has reached it. */
  get queued(): number {
    return this.#queued;
  }

  write(effect: StoreEffect): void {
    this.#queue.push(effect);
    this.#queued++;
    if (!this.#committing) this.#commit();
  }

  /** The head died: what was not durable is lost. A commit under way may still succeed. */
  crash(): void {
    this.#life++;
    this.#committing = false;
    this.#queue = [];
    this.#queued = this.committed;
    this.onCommit = () => undefined;
  }

  records(): GcsRecords {
    return {
      nodes: [...this.#nodes.values()],
      jobs: [...this.#jobs.values()],
      actors: [...this.#actors.values()],
      groups: [...this.#groups.values()],
      objects: [...this.#locations.values()],
    };
  }

  /** The actor that has the name by the store, or null. */
  nameHolder(namespace: string, name: string): string | null {
    return this.#names.get(`${namespace}\n${name}`) ?? null;
  }

  #commit(): void {
    const batch = this.#queue;
    this.#queue = [];
    this.#committing = true;
    const life = this.#life;
    const isSlow = this.#isSlow || this.#prng.chance(3);
    const ms = isSlow ? this.#prng.between(20, 300) : this.#prng.between(1, 4);
    this.#loop.after(ms, () => {
      if (life !== this.#life) return;
      for (const effect of batch) this.#apply(effect);
      this.committed += batch.length;
      this.#committing = false;
      this.onCommit();
      if (this.#queue.length > 0 && !this.#committing) this.#commit();
    });
  }

  #apply(effect: StoreEffect): void {
    switch (effect.type) {
      case "persistNode":
        this.#nodes.set(effect.record.facts.nodeId, effect.record);
        break;
      case "forgetNode":
        this.#nodes.delete(effect.nodeId);
        break;
      case "persistJob":
        this.#jobs.set(effect.job.jobId, effect.job);
        break;
      case "forgetJob":
        this.#jobs.delete(effect.jobId);
        break;
      case "persistActor":
        this.#actors.set(effect.record.spec.actorId, effect.record);
        this.onActor(effect.record);
        break;
      case "forgetActor":
        this.#actors.delete(effect.actorId);
        break;
      case "persistGroup":
        this.#groups.set(effect.record.spec.groupId, effect.record);
        break;
      case "forgetGroup":
        this.#groups.delete(effect.groupId);
        break;
      case "persistName": {
        const key = `${effect.namespace}\n${effect.name}`;
        if (effect.actorId === null) this.#names.delete(key);
        else this.#names.set(key, effect.actorId);
        break;
      }
      case "persistObjects":
        for (const { nodeId, object } of effect.added) {
          this.#locations.set(`${object.id}@${nodeId}`, { nodeId, object });
        }
        for (const { nodeId, id } of effect.removed) this.#locations.delete(`${id}@${nodeId}`);
        break;
      default:
        effect satisfies never;
    }
  }
}
