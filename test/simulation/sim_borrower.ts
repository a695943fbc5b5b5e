/**
 * Refs that a simulated worker keeps for a while after the task that was given them, as an actor's fields or a module's
 * cache would: its node holds them at their homes, until it lets go, exits, or dies with its node.
 * @module
 */
import type { ObjectId, ProcessId } from "../../runtime/common/ids.ts";
import type { ArgumentRef } from "../../runtime/common/task_spec.ts";
import type { SimAgent } from "./sim_agent.ts";
import type { SimWorld } from "./sim_world.ts";

/** The longest. */
const KEPT_MS_MAX = 8_000;

export class SimBorrower {
  readonly #world: SimWorld;
  readonly #agent: SimAgent;
  readonly #process: ProcessId;
  /** How many tasks' refs of it are kept. */
  readonly #kept: Map<ObjectId, number> = new Map();
  #alive: boolean = true;

  constructor(world: SimWorld, agent: SimAgent, process: ProcessId) {
    this.#world = world;
    this.#agent = agent;
    this.#process = process;
  }

  get keepsAny(): boolean {
    return this.#kept.size > 0;
  }

  /** `held` once the homes have counted it, as before a task's reply: its owner may let go after that. */
  keep(refs: readonly ArgumentRef[], held: () => void): void {
    for (const { id } of refs) this.#kept.set(id, (this.#kept.get(id) ?? 0) + 1);
    this.#agent.references(this.#process, refs.map(({ id, home }) => ({ op: "hold", id, home })));
    this.#agent.store.references.flush(() => {
      if (!this.#alive) return;
      for (const { id } of refs) this.#world.refs.borrowed(id, this.#process);
      const keptMs = this.#world.sharing.between(200, KEPT_MS_MAX);
      this.#world.loop.after(keptMs, () => this.#letGo(refs));
      held();
    });
  }

  /** The process is gone; its agent hears of that. */
  die(): void {
    this.#alive = false;
    for (const id of this.#kept.keys()) this.#world.refs.returned(id, this.#process);
  }

  #letGo(refs: readonly ArgumentRef[]): void {
    if (!this.#alive) return;
    for (const { id, home } of refs) {
      const others = this.#kept.get(id)! - 1;
      if (others > 0) this.#kept.set(id, others);
      else {
        this.#kept.delete(id);
        this.#world.refs.returned(id, this.#process);
        this.#agent.references(this.#process, [{ op: "drop", id, home }]);
      }
    }
  }
}
