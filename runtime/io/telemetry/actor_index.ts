/**
 * Actors counted and found without looking at all of them: by state, by class, by placement group, and those that changed last.
 * Each change of an actor costs O(1), however many there are.
 * @module
 */
import type { ActorDto } from "../../../dashboard/api_types.ts";
import type { ActorClassDto, ActorsOverviewDto } from "../../../dashboard/api/entities.ts";

type State = ActorDto["state"];
type States = Partial<Record<State, number>>;

/** Classes that are counted each; those of more are counted under OTHER. */
const CLASSES_MAX = 1_000;
const OTHER = "(other classes)";
/** Classes of one answer. */
const CLASSES_SHOWN = 50;

/** What the index has to know of an actor. */
export interface IndexedActor {
  readonly actorId: string;
  readonly className: string;
  readonly state: State;
  readonly restarts: number;
  readonly groupId: string | null;
}

interface ClassCounts {
  total: number;
  restarts: number;
  readonly states: States;
}

/** See the module's header. */
export class ActorIndex {
  readonly #states: States = {};
  readonly #classes = new Map<string, ClassCounts>();
  readonly #byGroup = new Map<string, Set<string>>();
  /** Those that changed last, the newest last: of either kind at most `#cap`. */
  readonly #living = new Set<string>();
  readonly #dead = new Set<string>();
  readonly #cap: number;
  #total = 0;
  #isFull = false;

  /** `cap`: how many of those that changed last can be asked for. */
  constructor(cap: number) {
    this.#cap = cap;
  }

  /** `before`: what was said of it before; null for a new one. */
  apply(before: IndexedActor | null, now: IndexedActor): void {
    if (before !== null) this.#count(before, -1);
    this.#count(now, 1);
    this.#living.delete(now.actorId);
    this.#dead.delete(now.actorId);
    const recent = now.state === "DEAD" ? this.#dead : this.#living;
    recent.add(now.actorId);
    if (recent.size > this.#cap) recent.delete(recent.keys().next().value!);
    if (now.groupId === null) return;
    let inside = this.#byGroup.get(now.groupId);
    if (inside === undefined) this.#byGroup.set(now.groupId, inside = new Set());
    inside.add(now.actorId);
  }

  forget(actor: IndexedActor): void {
    this.#count(actor, -1);
    this.#living.delete(actor.actorId);
    this.#dead.delete(actor.actorId);
    if (actor.groupId === null) return;
    const inside = this.#byGroup.get(actor.groupId);
    inside?.delete(actor.actorId);
    if (inside?.size === 0) this.#byGroup.delete(actor.groupId);
  }

  /** Ids of the actors of a placement group. */
  inGroup(groupId: string): Iterable<string> {
    return this.#byGroup.get(groupId) ?? [];
  }

  /**
   * Those that changed last, at most `cap`, living ones first. `all`: every actor, in order of creation: asked when so many
   * living ones died that others take their places.
   */
  shown(all: Iterable<{ readonly actorId: string; readonly isDead: boolean }>): string[] {
    const living = this.#total - (this.#states.DEAD ?? 0);
    if (this.#living.size < Math.min(this.#cap, living)) this.#refill(all);
    const shown = [...this.#living].reverse();
    return [...shown, ...[...this.#dead].reverse().slice(0, this.#cap - shown.length)];
  }

  /** The dead are few (their memory is bounded): enough living ones are found soon. */
  #refill(all: Iterable<{ readonly actorId: string; readonly isDead: boolean }>): void {
    const newest = [...this.#living];
    this.#living.clear();
    const kept = new Set(newest);
    for (const { actorId, isDead } of all) {
      if (this.#living.size + kept.size >= this.#cap) break;
      if (!isDead && !kept.has(actorId)) this.#living.add(actorId);
    }
    for (const actorId of newest) this.#living.add(actorId);
  }

  /** The living and the dead that changed last: the newest `cap` of all are among them. */
  recent(): string[] {
    return [...this.#living, ...this.#dead];
  }

  get total(): number {
    return this.#total;
  }

  overview(): ActorsOverviewDto {
    const classes: ActorClassDto[] = [...this.#classes].map(([className, counts]) => ({
      className,
      total: counts.total,
      states: { ...counts.states },
      restarts: counts.restarts,
    }));
    classes.sort((a, b) => b.total - a.total || (a.className < b.className ? -1 : 1));
    return {
      total: this.#total,
      states: { ...this.#states },
      classes: classes.slice(0, CLASSES_SHOWN),
      classesTotal: classes.length,
    };
  }

  #count({ className, state, restarts }: IndexedActor, sign: 1 | -1): void {
    this.#total += sign;
    add(this.#states, state, sign);
    // What was counted under OTHER once is from then on: nothing is taken from where it was not added.
    if (!this.#isFull && this.#classes.size >= CLASSES_MAX) this.#isFull = true;
    const name = this.#classes.has(className) || !this.#isFull ? className : OTHER;
    let counts = this.#classes.get(name);
    if (counts === undefined) this.#classes.set(name, counts = { total: 0, restarts: 0, states: {} });
    counts.total += sign;
    counts.restarts += sign * restarts;
    add(counts.states, state, sign);
    if (counts.total === 0) this.#classes.delete(name);
  }
}

function add(states: States, state: State, sign: 1 | -1): void {
  const count = (states[state] ?? 0) + sign;
  if (count === 0) delete states[state];
  else states[state] = count;
}
