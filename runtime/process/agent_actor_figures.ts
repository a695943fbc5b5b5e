/**
 * How the actors of this node fare: what their workers tell goes to the head with the next heartbeat, for people. A head that
 * is new is told of all.
 * @module
 */
import type { ActorId } from "../common/ids.ts";
import type { ActorFigures } from "../protocol/node_rows.ts";
import type { HeadLink } from "./agent_head_link.ts";

/** In one message; the rest goes with the next heartbeat. */
const FIGURES_MAX = 1_000;

/** See the module's header. */
export class ActorFigureTable {
  readonly #head: HeadLink;
  /** All and only actors that run here and were told of. */
  readonly #figures = new Map<ActorId, ActorFigures>();
  readonly #untold = new Set<ActorId>();

  constructor(head: HeadLink) {
    this.#head = head;
  }

  /** A worker's word. `isHosted`: whether it speaks of an actor that it hosts. */
  told(figures: readonly ActorFigures[], isHosted: (actor: ActorId) => boolean): void {
    for (const each of figures) {
      if (!isHosted(each.actorId)) continue; // Late: its end is known.
      this.#figures.set(each.actorId, each);
      this.#untold.add(each.actorId);
    }
  }

  ended(actorId: ActorId): void {
    this.#figures.delete(actorId);
    this.#untold.delete(actorId);
  }

  /** With each heartbeat, while the head can be reached. */
  tell(): void {
    if (this.#untold.size === 0) return;
    const figures: ActorFigures[] = [];
    for (const actorId of this.#untold) {
      if (figures.length >= FIGURES_MAX) break;
      this.#untold.delete(actorId);
      figures.push(this.#figures.get(actorId)!);
    }
    this.#head.notify("reportActorFigures", { figures });
  }

  /** The head may be a new one. */
  tellAgain(): void {
    for (const actorId of this.#figures.keys()) this.#untold.add(actorId);
  }
}
