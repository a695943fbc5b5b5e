/**
 * What an actor's history says of the machine of its states: how often it was in each, how long, and by which ways it went.
 * @module
 */
import type { ActorEventDto } from "../../api/entities.ts";

export type ActorState = ActorEventDto["state"];

export const ACTOR_STATES: readonly ActorState[] = [
  "DEPENDENCIES_UNREADY",
  "PENDING_CREATION",
  "ALIVE",
  "RESTARTING",
  "DEAD",
];

export interface StateTime {
  /** Times that it came into the state. */
  readonly visits: number;
  /** In all; of the present state until now. */
  readonly ms: number;
}

export interface MachineHistory {
  readonly states: Readonly<Record<ActorState, StateTime>>;
  /** "FROM>TO" and how often. */
  readonly ways: ReadonlyMap<string, number>;
  readonly now: ActorState | null;
  /** Since when it is in the present state. */
  readonly sinceMs: number | null;
}

/** `events`: oldest first. A repeated state (moved to another node before it began) is one visit. */
export function machineHistory(events: readonly ActorEventDto[], nowMs: number): MachineHistory {
  const states = Object.fromEntries(ACTOR_STATES.map((state) => [state, { visits: 0, ms: 0 }])) as Record<
    ActorState,
    { visits: number; ms: number }
  >;
  const ways = new Map<string, number>();
  let sinceMs: number | null = null;
  events.forEach((event, i) => {
    const before = events[i - 1];
    const after = events[i + 1];
    const isNew = before === undefined || before.state !== event.state;
    if (isNew) {
      states[event.state].visits++;
      sinceMs = event.atMs;
      if (before !== undefined) {
        const way = `${before.state}>${event.state}`;
        ways.set(way, (ways.get(way) ?? 0) + 1);
      }
    }
    // What is over for good takes no time.
    const untilMs = after?.atMs ?? (event.state === "DEAD" ? event.atMs : nowMs);
    states[event.state].ms += Math.max(0, untilMs - event.atMs);
  });
  return { states, ways, now: events.at(-1)?.state ?? null, sinceMs };
}
