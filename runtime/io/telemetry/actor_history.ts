/**
 * What happened to actors: their states with times, and why they restarted. The first and the newest events of each are kept.
 * Of a light actor that lived and died once nothing is kept at all: its times say the same, and there may be a hundred
 * thousand.
 * @module
 */
import type { ActorStatus, DeathCause } from "../../common/task_spec.ts";
import type { ActorEventDto } from "../../../dashboard/api/entities.ts";

/** Events of one actor: the first ones, and the newest. */
const FIRST_KEPT = 8;
const NEWEST_KEPT = 56;
const MESSAGE_LENGTH_MAX = 500;

interface History {
  readonly first: ActorEventDto[];
  readonly newest: ActorEventDto[];
  dropped: number;
}

/** Times that an actor's row has. */
interface Times {
  readonly createdMs: number;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
}

/** See the module's header. */
export class ActorHistory {
  /** Bounded by the actors that the view keeps. */
  readonly #histories = new Map<string, History>();

  /**
   * The actor's row is this now. `cause`: why its last incarnation ended. True when something happened that the row alone
   * would not tell after a restart of the head.
   */
  apply(
    status: ActorStatus,
    times: Times,
    cause: DeathCause | null,
    nowMs: number,
  ): boolean {
    const { actorId, state, incarnation } = status;
    let history = this.#histories.get(actorId);
    if (history === undefined) {
      if (status.shared === true && incarnation === 1) return false;
      this.#histories.set(actorId, history = { first: born(status, times), newest: [], dropped: 0 });
      // What it is now follows from the times as well.
      if (incarnation === 1 && state !== "PENDING_CREATION") return false;
    }
    const last = history.newest.at(-1) ?? history.first.at(-1);
    const isSame = last !== undefined && last.state === state && last.incarnation === incarnation;
    // It was given a place, or a figure of it changed.
    if (isSame && (last.nodeId === status.nodeId || status.nodeId === null)) return false;
    const why = state === "DEAD" ? status.deathCause : state === "RESTARTING" ? cause : null;
    const event: ActorEventDto = {
      atMs: state === "DEAD" ? times.endedMs ?? nowMs : nowMs,
      state,
      incarnation,
      nodeId: status.nodeId,
      workerId: status.workerId,
      cause: why?.code ?? null,
      message: why?.message.slice(0, MESSAGE_LENGTH_MAX) ?? null,
    };
    add(history, event);
    return incarnation > 1 && state !== "DEAD";
  }

  /** What the store kept of an actor, oldest first, before its row is told of: what that says beyond it is added then. */
  restore(actorId: string, events: readonly ActorEventDto[]): void {
    const history: History = { first: [], newest: [], dropped: 0 };
    for (const event of events) add(history, event);
    this.#histories.set(actorId, history);
  }

  forget(actorId: string): void {
    this.#histories.delete(actorId);
  }

  /** Oldest first. `status` and `times`: what its row says, for one of which nothing was kept. */
  of(status: ActorStatus, times: Times): { events: readonly ActorEventDto[]; dropped: number } {
    const history = this.#histories.get(status.actorId);
    if (history === undefined) return { events: born(status, times), dropped: 0 };
    return { events: [...history.first, ...history.newest], dropped: history.dropped };
  }
}

function add(history: History, event: ActorEventDto): void {
  if (history.newest.length === 0 && history.first.length < FIRST_KEPT) {
    history.first.push(event);
    return;
  }
  history.newest.push(event);
  if (history.newest.length <= NEWEST_KEPT) return;
  history.newest.shift();
  history.dropped++;
}

/** What the times of an actor's row say: its creation, its first start and its end. */
function born(status: ActorStatus, { createdMs, startedMs, endedMs }: Times): ActorEventDto[] {
  const nothing = { nodeId: null, workerId: null, cause: null, message: null };
  const events: ActorEventDto[] = [
    { atMs: createdMs, state: "DEPENDENCIES_UNREADY", incarnation: 1, ...nothing },
  ];
  const isFirst = status.incarnation === 1;
  if (startedMs !== null) {
    const { nodeId, workerId } = isFirst ? status : nothing;
    events.push({ ...nothing, atMs: startedMs, state: "ALIVE", incarnation: 1, nodeId, workerId });
  }
  if (status.state === "DEAD") {
    const { deathCause, incarnation, nodeId, workerId } = status;
    events.push({
      atMs: endedMs ?? startedMs ?? createdMs,
      state: "DEAD",
      incarnation,
      nodeId,
      workerId,
      cause: deathCause?.code ?? null,
      message: deathCause?.message.slice(0, MESSAGE_LENGTH_MAX) ?? null,
    });
  }
  return events;
}
