/**
 * What a simulated node tells the head of its store: changes in batches, one at a time, the last word on each object.
 * @module
 */
import type { ObjectId } from "../../runtime/common/ids.ts";
import type { ObjectReport } from "../../runtime/protocol/messages.ts";
import type { SimAgent } from "./sim_agent.ts";
import type { SimWorld } from "./sim_world.ts";

export class SimReports {
  readonly #world: SimWorld;
  readonly #agent: SimAgent;
  #added: Map<ObjectId, ObjectReport> = new Map();
  #removed: Set<ObjectId> = new Set();
  #reporting: boolean = false;

  constructor(world: SimWorld, agent: SimAgent) {
    this.#world = world;
    this.#agent = agent;
  }

  changed(added: readonly ObjectReport[], removed: readonly ObjectId[]): void {
    for (const report of added) {
      this.#removed.delete(report.id);
      this.#added.set(report.id, report);
    }
    for (const id of removed) {
      this.#added.delete(id);
      this.#removed.add(id);
    }
    if (this.#reporting) return;
    this.#reporting = true;
    this.#world.loop.after(0, () => this.#send());
  }

  #send(): void {
    this.#reporting = false;
    if (!this.#agent.host.alive || this.#added.size + this.#removed.size === 0) return;
    const added = [...this.#added.values()];
    const removed = [...this.#removed];
    this.#added = new Map();
    this.#removed = new Set();
    this.#reporting = true;
    const { nodeId, link } = this.#agent;
    link.request({ type: "objectsReported", nodeId, added, removed }, () => this.#send());
  }
}
