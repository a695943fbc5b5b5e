/**
 * The actor queue: one process's calls to one actor, in order.
 *
 * It owns: what waits, what is in flight to which incarnation, and what becomes of calls when the actor restarts or dies.
 * It does not own: connections, values, the actor's life (that is the GCS's actor manager; its word comes as `status`).
 *
 *   submitted --1--> waiting --2--> in flight --3--> done
 *                       ^              |
 *                       +------4-------+--5--> failed
 *
 *   1 submit(). Calls wait while the actor is being created or restarted, or an argument is not ready; with
 *     maxConcurrency 1 an unready call holds back those behind it (Ray: one order per caller), above 1 it does not. With
 *     concurrency groups, it holds back those of its own lane, if it has one.
 *   2 The actor is alive and its worker connected: what may go leaves at once, in order, up to a window of calls and bytes
 *     in flight, so that a burst waits here and not in the connection.
 *   3 completed().
 *   4 The incarnation ended, or the connection to it was replaced, and the call may be retried: back to the front, in order.
 *   5 It may not: "may or may not have run" (ActorUnavailable) when the actor comes back, ActorDied when it does not.
 *
 * Of a durable actor, answered calls are kept until a checkpoint holds them (core/actor/applied_calls.ts): when it restarts
 * before, they go back too, as far as they may be retried, and all calls leave in the order of their numbers.
 *
 * A cancelled call never goes back to waiting. Whoever cancels a waiting one settles it and says withdrawn().
 * @module
 */
import { Deque } from "../../common/deque.ts";
import type { ActorStatus, DeathCause } from "../../common/task_spec.ts";

/** In flight to one actor from one process, at most: far more than hides a round trip. */
export const WINDOW_CALLS: number = 16_384;
/** Arguments of the calls in flight together, at most; one call may always go. */
export const WINDOW_BYTES: number = 16 * 1024 * 1024;

/** Answered calls that are kept for a durable actor, at most: it saves far more often, unless that fails. */
export const KEPT_MAX: number = 100_000;

/** What the queue must know of a call; the caller's own objects extend it. */
export interface QueuedCall {
  readonly sequence: number;
  /** Of its arguments, as they are pushed; known when it is ready. */
  readonly bytes: number;
  /** Arguments are known: it may leave. */
  ready: boolean;
  /** -1 without end. */
  retriesLeft: number;
  /** For good: see cancellation.ts. */
  readonly cancelled: boolean;
}

export interface ActorQueueEffects<C extends QueuedCall> {
  /** Open a connection to the worker of this incarnation, then tell connected() or disconnected(). */
  connect(status: ActorStatus): void;
  push(calls: C[]): void;
  fail(call: C, kind: "died" | "unavailable", cause: DeathCause | null): void;
  /** A retry was used: the attempt number grows. */
  retried(call: C): void;
  /** A call that was kept is of no use any more. */
  letGo(call: C): void;
}

/** Of queues with nothing in flight; never written. */
// deno-lint-ignore no-explicit-any -- of queues of any calls
const NONE: Map<number, any> = new Map();
/** Empty maps that were used. */
const spares: Map<number, QueuedCall>[] = [];
const SPARES_MAX = 64;

const oneLane = (): string => "";
const noLane = (): null => null;

type LinkState = "none" | "connecting" | "connected" | "lost";

/** See the module's header. */
export class ActorQueue<C extends QueuedCall> {
  readonly #effects: ActorQueueEffects<C>;
  /** Every call is in one lane. */
  readonly #ordered: boolean;
  readonly #laneOf: (call: C) => string | null;
  readonly #waiting: Deque<C> = new Deque();
  /** All and only calls pushed to `#incarnation` and not answered. */
  #inFlight: Map<number, C> = NONE;
  #inFlightBytes = 0;
  /** Answered, and in no checkpoint yet. */
  readonly #kept: Deque<C> = new Deque();
  #status: ActorStatus | null = null;
  #link: LinkState = "none";
  /** The incarnation that the link is for. */
  #incarnation = 0;
  /** Waiting calls that were cancelled: they leave with the next pump. */
  #withdrawn = 0;

  /** `laneOf`: calls of one lane leave in order, those of none (null) as soon as they are ready. True: one lane for all;
   *  false: none has one. */
  constructor(effects: ActorQueueEffects<C>, { laneOf }: { laneOf: boolean | ((call: C) => string | null) }) {
    this.#effects = effects;
    this.#ordered = laneOf === true;
    this.#laneOf = typeof laneOf === "function" ? laneOf : laneOf ? oneLane : noLane;
  }

  get status(): ActorStatus | null {
    return this.#status;
  }
  /** Calls without an answer. */
  get pending(): number {
    return this.#waiting.length - this.#withdrawn + this.#inFlight.size;
  }
  get inFlight(): ReadonlyMap<number, C> {
    return this.#inFlight;
  }

  /** Where a call stands, for people; null when it is done or unknown. `ahead`: calls before it that are sent too, or that
   *  wait too. `holdsBack`: the first that waits, when that is another one whose arguments are not ready. */
  find(sequence: number): { call: C; isSent: boolean; ahead: number; holdsBack: C | null } | null {
    const sent = this.#inFlight.get(sequence);
    if (sent !== undefined) {
      const ahead = [...this.#inFlight.keys()].indexOf(sequence);
      return { call: sent, isSent: true, ahead, holdsBack: null };
    }
    const unready: C[] = [];
    let ahead = 0;
    for (const call of this.#waiting) {
      if (call.sequence === sequence) {
        const lane = this.#laneOf(call);
        const holdsBack = lane === null
          ? null
          : unready.find((other) => this.#laneOf(other) === lane) ?? null;
        return { call, isSent: false, ahead, holdsBack };
      }
      if (!call.ready) unready.push(call);
      ahead++;
    }
    return null;
  }

  /** Calls without an answer, those sent first. */
  *all(): Iterable<C> {
    yield* this.#inFlight.values();
    yield* this.#waiting;
  }

  submit(call: C): void {
    if (this.#status?.state === "DEAD") return this.#effects.fail(call, "died", this.#status.deathCause);
    this.#waiting.push(call);
  }

  /** Let go what may leave; once per tick, after any number of the other calls. */
  pump(): void {
    if (this.#withdrawn > 0) this.#sweep();
    if (this.#link !== "connected") return;
    const batch: C[] = [];
    while (this.#waiting.peek()?.ready && this.#hasRoom) this.#leave(this.#waiting.shift()!, batch);
    if (!this.#ordered && this.#waiting.length > 0 && this.#hasRoom) {
      const stuck = new Set<string>();
      this.#waiting.removeWhere((call) => {
        const lane = this.#laneOf(call);
        if (lane !== null && stuck.has(lane)) return false;
        if (call.ready && this.#hasRoom) {
          this.#leave(call, batch);
          return true;
        }
        if (lane !== null) stuck.add(lane);
        return false;
      });
    }
    if (batch.length > 0) this.#effects.push(batch);
  }

  get #hasRoom(): boolean {
    return this.#inFlight.size < WINDOW_CALLS && this.#inFlightBytes < WINDOW_BYTES;
  }

  #leave(call: C, batch: C[]): void {
    if (this.#inFlight === NONE) this.#inFlight = (spares.pop() ?? new Map()) as Map<number, C>;
    this.#inFlight.set(call.sequence, call);
    this.#inFlightBytes += call.bytes;
    batch.push(call);
  }

  /** Its answer is here: pump() again, there may be room now. */
  completed(sequence: number): C | undefined {
    const call = this.#inFlight.get(sequence);
    if (call === undefined) return undefined; // A late answer of an incarnation that was given up.
    this.#inFlight.delete(sequence);
    this.#inFlightBytes -= call.bytes;
    if (this.#inFlight.size === 0) this.#spare();
    return call;
  }

  /** It was answered, by a durable actor that may lose it: keep it until covered(). */
  keep(call: C): void {
    this.#kept.push(call);
    if (this.#kept.length > KEPT_MAX) this.#effects.letGo(this.#kept.shift()!);
  }

  /** A checkpoint holds every call that was answered so far and has a number up to this one. */
  covered(through: number): void {
    for (const call of this.#kept.removeWhere(({ sequence }) => sequence <= through)) {
      this.#effects.letGo(call);
    }
  }

  /** Nobody here cares for the actor any more. */
  dropKept(): void {
    this.covered(Infinity);
  }

  /** The incarnation that answered them is gone. */
  #replayKept(): void {
    let call: C | undefined;
    const replayed: C[] = [];
    while ((call = this.#kept.shift()) !== undefined) {
      if (call.retriesLeft === 0 || this.#status?.state === "DEAD") this.#effects.letGo(call);
      else replayed.push(call);
    }
    for (let i = replayed.length - 1; i >= 0; i--) this.#retry(replayed[i]!);
    if (!this.#ordered) return;
    // Also those whose exception is to be retried: what is restored knows of each caller only how far it has come.
    const calls = [...this.#waiting].sort((a, b) => a.sequence - b.sequence);
    this.#waiting.clear();
    for (const each of calls) this.#waiting.push(each);
  }

  #retry(call: C): void {
    if (call.retriesLeft > 0) call.retriesLeft--;
    this.#effects.retried(call);
    this.#waiting.unshift(call);
  }

  /** Run it again (its exception is to be retried): before everything that waits. */
  requeue(call: C): void {
    if (this.#status?.state === "DEAD") return this.#effects.fail(call, "died", this.#status.deathCause);
    this.#effects.retried(call);
    this.#waiting.unshift(call);
  }

  /** Remove a call that has not left. False when it is in flight or done. */
  remove(call: C): boolean {
    return this.#waiting.removeWhere((other) => other === call).length > 0;
  }

  /** A call that waits here was cancelled: it leaves with the next pump. */
  withdrawn(): void {
    this.#withdrawn++;
  }

  #sweep(): void {
    this.#withdrawn = 0;
    this.#waiting.removeWhere((call) => call.cancelled);
  }

  /** The GCS's word on the actor. Old news (a lower incarnation, or anything after DEAD) is ignored. */
  updated(status: ActorStatus): void {
    const known = this.#status;
    if (known !== null && (known.state === "DEAD" || status.incarnation < known.incarnation)) return;
    if (this.#withdrawn > 0) this.#sweep();
    this.#status = status;
    if (status.state === "ALIVE") {
      if (this.#link !== "none" && this.#incarnation === status.incarnation) {
        // The same incarnation is still said to be alive although the link broke: try it again.
        if (this.#link === "lost") this.#connect(status);
        return;
      }
      this.#settleInFlight("unavailable", null);
      if (known !== null && known.incarnation < status.incarnation) this.#replayKept();
      this.#connect(status);
      return;
    }
    if (status.state === "DEAD") {
      this.#link = "none";
      this.#replayKept();
      for (const call of this.#takeInFlight()) this.#effects.fail(call, "died", status.deathCause);
      let call: C | undefined;
      while ((call = this.#waiting.shift()) !== undefined) {
        this.#effects.fail(call, "died", status.deathCause);
      }
      return;
    }
    // Being created, or restarting: what was in flight belonged to an incarnation that is gone.
    if (this.#link !== "none" && status.state === "RESTARTING") {
      this.#link = "none";
      this.#settleInFlight("unavailable", status.deathCause);
      this.#replayKept();
    }
  }

  connected(incarnation: number): void {
    if (incarnation !== this.#incarnation || this.#link !== "connecting") return;
    this.#link = "connected";
    // The connection before this one broke: answers that were on their way there never come.
    this.#settleInFlight("unavailable", null);
  }

  /** The link broke (or could not be opened): the GCS will say whether the actor restarts or is dead. Calls in flight
   *  wait for that word, because it decides their error. */
  disconnected(incarnation: number): void {
    if (incarnation === this.#incarnation && this.#link !== "none") this.#link = "lost";
  }

  check(): void {
    if (this.#link === "none" && this.#inFlight.size > 0) throw new Error("calls in flight without a link");
    if (this.#status?.state === "DEAD" && this.pending > 0) throw new Error("calls of a dead actor");
    let bytes = 0;
    for (const call of this.#inFlight.values()) bytes += call.bytes;
    if (bytes !== this.#inFlightBytes) {
      throw new Error(`${bytes} bytes in flight, counted ${this.#inFlightBytes}`);
    }
    if (this.#inFlight.size > WINDOW_CALLS) throw new Error("more calls in flight than the window");
  }

  #connect(status: ActorStatus): void {
    this.#link = "connecting";
    this.#incarnation = status.incarnation;
    this.#effects.connect(status);
  }

  #takeInFlight(): C[] {
    const calls = [...this.#inFlight.values()];
    this.#inFlight = NONE;
    this.#inFlightBytes = 0;
    return calls;
  }

  /** Nothing is in flight: of a hundred thousand idle actors none keeps a map. */
  #spare(): void {
    if (spares.length < SPARES_MAX) spares.push(this.#inFlight);
    this.#inFlight = NONE;
  }

  #settleInFlight(kind: "died" | "unavailable", cause: DeathCause | null): void {
    const calls = this.#takeInFlight();
    for (let i = calls.length - 1; i >= 0; i--) {
      const call = calls[i]!;
      if (call.retriesLeft === 0 || call.cancelled) continue;
      this.#retry(call);
      calls.splice(i, 1);
    }
    for (const call of calls) this.#effects.fail(call, kind, cause);
  }
}
