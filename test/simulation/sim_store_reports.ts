/**
 * A simulated node's store as the directory sees it: which objects lie here (sizes only), reports of changes to the head in
 * order, pulls from other nodes, frees.
 * @module
 */
import type { NodeId, ObjectId, ProcessId } from "../../runtime/common/ids.ts";
import type { ArgumentRef } from "../../runtime/common/task_spec.ts";
import type { ObjectReport } from "../../runtime/protocol/messages.ts";
import type { SimAgent } from "./sim_agent.ts";
import type { SimWorld } from "./sim_world.ts";

export interface PullProblem {
  readonly code: string;
  readonly message: string;
}

export class SimStoreReports {
  readonly #world: SimWorld;
  readonly #agent: SimAgent;
  readonly #objects: Map<ObjectId, ObjectReport> = new Map();
  #added: ObjectReport[] = [];
  #removed: ObjectId[] = [];
  #reporting: boolean = false;
  #locates: number = 0;

  constructor(world: SimWorld, agent: SimAgent) {
    this.#world = world;
    this.#agent = agent;
  }

  get objects(): ReadonlyMap<ObjectId, ObjectReport> {
    return this.#objects;
  }

  add(object: ObjectReport): void {
    if (this.#objects.has(object.id)) return;
    this.#objects.set(object.id, object);
    this.#added.push(object);
    this.#report();
  }

  delete(ids: readonly ObjectId[]): void {
    for (const id of ids) if (this.#objects.delete(id)) this.#removed.push(id);
    this.#report();
  }

  free(ids: readonly ObjectId[]): void {
    this.#agent.link.request({ type: "freeObjects", ids: [...ids] }, () => undefined);
  }

  /** What a process of this node owned has no user left (the workload lends nothing). */
  ownerDied(owner: ProcessId): void {
    const owned = [...this.#objects.values()].filter((object) => object.owner === owner);
    if (owned.length > 0) this.free(owned.map((object) => object.id));
  }

  /** Brings one object here, from whichever node has it; `done` with the reason when that cannot be. */
  pull(arg: ArgumentRef, done: (problem: PullProblem | null) => void, tries: number = 0): void {
    const { nodeId, link } = this.#agent;
    const waitId = `x${++this.#locates}`;
    const request = {
      type: "locateObject",
      nodeId,
      waitId,
      id: arg.id,
      home: arg.home,
      at: arg.at,
      wait: true,
    } as const;
    link.request(request, (answer) => {
      if (!answer.ok) return done({ code: answer.code, message: answer.message });
      const nodes = answer.result["nodes"] as NodeId[];
      const from = nodes[tries % nodes.length]!;
      if (from === nodeId || this.#objects.has(arg.id)) return done(null);
      this.#agent.peers.fetch(from, arg.id, (object) => {
        if (!this.#agent.host.alive) return;
        if (object !== null) {
          this.add({ ...object, primary: false });
          return done(null);
        }
        if (tries > 40) return done({ code: "ObjectLostError", message: `${arg.id} could not be fetched` });
        this.#world.loop.after(250, () => {
          if (this.#agent.host.alive) this.pull(arg, done, tries + 1);
        });
      });
    });
  }

  /** Changes leave in batches, one at a time, so that their order is the store's. */
  #report(): void {
    if (this.#reporting) return;
    this.#reporting = true;
    this.#world.loop.after(5, () => {
      this.#reporting = false;
      if (!this.#agent.host.alive) return;
      // Absolute: what came and went, or went and came again, is told as it is now.
      const added = this.#added.filter((object) => this.#objects.has(object.id));
      const removed = this.#removed.filter((id) => !this.#objects.has(id));
      this.#added = [];
      this.#removed = [];
      if (added.length + removed.length === 0) return;
      const { nodeId, link } = this.#agent;
      link.request({ type: "objectsReported", nodeId, added, removed }, () => undefined);
    });
  }
}
