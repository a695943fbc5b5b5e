/**
 * What keeps counted actors alive in this process: the handles of one actor together are one use, and so is every value
 * or call under way that contains a handle. The first use of an actor and the last one are told to its home, as for
 * objects; so a handle may be released while a task that was given it is still on its way.
 * @module
 */
import type { ActorId } from "../../common/ids.ts";
import type { RefTarget } from "../../protocol/messages.ts";
import type { AgentLink } from "./agent_link.ts";
import type { Entry } from "./entry.ts";
import { sendingRegistry } from "./finalizers.ts";

/** What lives as long as it is counted in this process: an object, or the use of an actor. */
export type Held = Entry | ActorUse;

/** One use; it ends when its count falls to 0, or when it is collected. */
export class ActorUse {
  count = 0;
  readonly target: RefTarget;
  readonly #uses: ActorUses;

  constructor(target: RefTarget, uses: ActorUses) {
    this.target = target;
    this.#uses = uses;
  }

  /** No longer needed. Once. */
  end(): void {
    this.#uses.ended(this);
  }
}

/** What an encoding met that is not kept: nobody has counted it yet. */
export function abandon(held: Held[]): void {
  for (const each of held.splice(0)) if (each instanceof ActorUse && each.count === 0) each.end();
}

/** What an entry's value contains, counted once more; null for none. */
export function heldAgain(entry: Entry | null): Held[] | null {
  const contained = entry === null ? null : entry.contained;
  if (contained !== null) { for (const held of contained) held.count++; }
  return contained === null ? null : [...contained];
}

/** See the module's header. */
export class ActorUses {
  readonly #link: AgentLink;
  readonly #counts = new Map<ActorId, { uses: number; owned: boolean }>();
  readonly #collected: FinalizationRegistry<RefTarget>;

  constructor(link: AgentLink) {
    this.#link = link;
    this.#collected = sendingRegistry((target) => this.#less(target));
  }

  /** `owned`: this process creates the actor now. */
  begin(target: RefTarget, owned: boolean = false): ActorUse {
    const id = target.id as ActorId;
    const count = this.#counts.get(id) ?? { uses: 0, owned: false };
    this.#counts.set(id, count);
    // A handle may be lent before its actor is registered.
    if (owned && !count.owned) this.#link.reference({ op: "own", id, home: target.home, at: null });
    else if (count.uses === 0) this.#link.reference({ op: "hold", id, home: target.home });
    count.owned ||= owned;
    count.uses++;
    const use = new ActorUse(target, this);
    this.#collected.register(use, target, use);
    return use;
  }

  /** For ActorUse.end. */
  ended(use: ActorUse): void {
    this.#collected.unregister(use);
    this.#less(use.target);
  }

  #less({ id, home }: RefTarget): void {
    const count = this.#counts.get(id as ActorId);
    if (count === undefined || --count.uses > 0) return;
    this.#counts.delete(id as ActorId);
    this.#link.reference({ op: count.owned ? "disown" : "drop", id, home });
  }
}
