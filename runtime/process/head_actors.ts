/**
 * The bytes of actors, which the actor manager never sees: serialized constructor arguments, kept while the actor may be
 * (re)started, and the serialized error of a constructor that failed.
 * @module
 */
import type { ActorId } from "../common/ids.ts";
import type { ActorRecord } from "../core/actor/actor_events.ts";
import type { LoadedStore } from "../io/storage/rows.ts";
import type { GcsStore } from "../io/storage/store_client.ts";

const NOTHING: Uint8Array = new Uint8Array(0);
/** The block of a constructor without arguments: their number. */
const NO_ARGUMENTS: Uint8Array = new Uint8Array([0]);

export class ActorBytes {
  /** All and only actors that have arguments and are not dead for good, or whose creation is under way. */
  readonly #arguments: Map<ActorId, Uint8Array> = new Map();
  readonly #errors: Map<ActorId, Uint8Array> = new Map();
  /** Actors whose spec is in the store. */
  readonly #stored: Set<ActorId> = new Set();

  constructor(loaded: LoadedStore) {
    for (const { actorId, args } of loaded.actorSpecs) {
      this.#stored.add(actorId as ActorId);
      if (args.length > 0) this.#arguments.set(actorId as ActorId, args);
    }
    for (const { actorId, error } of loaded.actorErrors) this.#errors.set(actorId as ActorId, error);
  }

  /** Before the actor manager hears of a creation. A resent one brings the same bytes. */
  offer(actorId: ActorId, args: Uint8Array): void {
    if (this.#stored.has(actorId) || args.length === 0) return;
    // Most light actors have none, and there are many.
    const isNone = args.length === NO_ARGUMENTS.length && args[0] === NO_ARGUMENTS[0];
    this.#arguments.set(actorId, isNone ? NO_ARGUMENTS : args.slice());
  }

  /** The creation was refused, or another actor was found: its bytes are nobody's. */
  withdraw(actorId: ActorId): void {
    if (!this.#stored.has(actorId)) this.#arguments.delete(actorId);
  }

  /** Before the actor manager hears of a constructor's failure. */
  failed(actorId: ActorId, error: Uint8Array): void {
    this.#errors.set(actorId, error.slice());
  }

  argumentsOf(actorId: ActorId): Uint8Array {
    return this.#arguments.get(actorId) ?? NOTHING;
  }

  errorOf(actorId: ActorId): Uint8Array | null {
    return this.#errors.get(actorId) ?? null;
  }

  /** Writes what belongs to the actor's row, in the same batch: the spec once, the error, and no arguments for the dead. */
  persist({ spec, status, revivable }: ActorRecord, store: GcsStore): void {
    const { actorId } = spec;
    const isDead = status.state === "DEAD" && revivable !== true;
    const given = this.#arguments.get(actorId) ?? NO_ARGUMENTS;
    if (!this.#stored.has(actorId) || (isDead && given !== NO_ARGUMENTS)) {
      const args = isDead ? NOTHING : this.argumentsOf(actorId);
      store.write({ table: "actorSpecs", put: { actorId, spec: JSON.stringify(spec), args } });
      this.#stored.add(actorId);
    }
    if (!isDead) return;
    this.#arguments.delete(actorId);
    const error = this.#errors.get(actorId);
    if (status.hasErrorValue === true && error !== undefined) {
      store.write({ table: "actorErrors", put: { actorId, error } });
    } else this.#errors.delete(actorId);
  }

  forget(actorId: ActorId, store: GcsStore): void {
    this.#stored.delete(actorId);
    this.#arguments.delete(actorId);
    this.#errors.delete(actorId);
    store.write({ table: "actorSpecs", remove: [actorId] });
    store.write({ table: "actorErrors", remove: [actorId] });
  }
}
