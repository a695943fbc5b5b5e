/**
 * Histories of actors that restarted, kept over restarts of the head: a row of the key-value table each, written when such an
 * actor's state changes. What an actor's own row tells (its creation, first start and end) is not kept twice, so that actors
 * that never restart cost nothing here.
 * @module
 */
import type { ActorEventDto } from "../../dashboard/api/entities.ts";
import type { ActorId } from "../common/ids.ts";
import type { LoadedStore } from "../io/storage/rows.ts";
import type { ActorHistory } from "../io/telemetry/actor_history.ts";
import { ACTOR_EVENTS_PREFIX } from "../protocol/key_value_messages.ts";
import type { KeyValueTable } from "./head_kv.ts";

/** Actors whose histories are kept; those of more end with this head. */
const ACTORS_MAX = 2_000;
/** Events of one actor that are kept: the newest. */
const EVENTS_MAX = 32;

/** See the module's header. */
export class ActorEvents {
  readonly #kv: KeyValueTable;
  readonly #stored = new Set<ActorId>();

  /** Gives the histories that the store has to the view, before it hears of the actors themselves. */
  constructor(kv: KeyValueTable, loaded: LoadedStore, history: ActorHistory) {
    this.#kv = kv;
    for (const { key, value } of loaded.kv) {
      if (!key.startsWith(ACTOR_EVENTS_PREFIX)) continue;
      const actorId = key.slice(ACTOR_EVENTS_PREFIX.length) as ActorId;
      this.#stored.add(actorId);
      const events = eventsOf(value);
      if (events !== null) history.restore(actorId, events);
    }
  }

  /** The actor's history now. */
  changed(actorId: ActorId, events: readonly ActorEventDto[]): void {
    if (!this.#stored.has(actorId) && this.#stored.size >= ACTORS_MAX) return;
    this.#stored.add(actorId);
    const value = new TextEncoder().encode(JSON.stringify(events.slice(-EVENTS_MAX)));
    // For people: while the store takes no writes, or its table is full, it is left out.
    this.#kv.put(ACTOR_EVENTS_PREFIX + actorId, value, true).catch(() => undefined);
  }

  forget(actorId: ActorId): void {
    if (this.#stored.delete(actorId)) this.#kv.delete(ACTOR_EVENTS_PREFIX + actorId).catch(() => undefined);
  }

  /** Histories whose actors this head does not know. */
  sweep(isKnown: (actorId: ActorId) => boolean): void {
    for (const actorId of [...this.#stored]) if (!isKnown(actorId)) this.forget(actorId);
  }
}

/** Null for what was not written here: any process may write to the table. */
function eventsOf(value: Uint8Array): ActorEventDto[] | null {
  try {
    const events = JSON.parse(new TextDecoder().decode(value)) as ActorEventDto[];
    const isGood = Array.isArray(events) && events.length <= EVENTS_MAX && events.every(isEvent);
    return isGood ? events : null;
  } catch {
    return null;
  }
}

function isEvent(event: ActorEventDto | null): boolean {
  const isText = (value: unknown): boolean => value === null || typeof value === "string";
  return typeof event === "object" && event !== null && Number.isFinite(event.atMs) &&
    Number.isInteger(event.incarnation) && typeof event.state === "string" && isText(event.nodeId) &&
    isText(event.workerId) && isText(event.cause) && isText(event.message);
}
