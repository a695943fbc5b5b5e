/**
 * Where a request goes: here, to the global scheduler, or to the node that it named. Part of the local scheduler.
 * @module
 */
import { INLINE_BYTES_MAX } from "../../common/config.ts";
import type { NodeId } from "../../common/ids.ts";
import { unmetLabels } from "../../common/labels.ts";
import { describeResources } from "../../common/resources.ts";
import type { PendingRequest } from "./lease_queue.ts";
import type { SchedulerState } from "./scheduler_state.ts";

/** A request that waits here for this long is offered to the global scheduler again; the wait doubles each time. */
export const REOFFER_MS: number = 100;
const REOFFER_MS_MAX = 2_000;
/** Questions to the global scheduler under way at once. */
const PICKS_MAX = 64;
/** Missing arguments up to this size are fetched without asking whether another node has them. */
const SMALL_MISSING_BYTES = 10 * INLINE_BYTES_MAX;
/** A question that excluded a node is asked again without that after so long: it may be the only one that fits. */
const EXCLUDE_MS = 2_000;
/** A request that has waited at a node for this long may move on: work that runs there may never end. */
const FORWARDED_MS = 1_000;
/** So long the global scheduler is waited for when the request could run here at once … */
const OPTIONAL_MS = 50;
/** … and so long it is not asked about such requests after it did not answer in time. */
const SILENT_MS = 1_000;
/** While anything waits, look this often for what is due. */
const TICK_MS = 50;

export class RequestRouter {
  readonly #state: SchedulerState;

  /** What could run here at once and waits for the global scheduler's word; perhaps some that have it. */
  readonly #optional: Set<PendingRequest> = new Set();
  /** Until then the global scheduler is not asked about what could run here at once: it did not answer. */
  #silentUntilMs: number = 0;

  constructor(state: SchedulerState) {
    this.#state = state;
  }

  /** Choose the phase of a new request, or of one that came back from another node. */
  admit(entry: PendingRequest): void {
    const state = this.#state;
    const { request } = entry;
    // What a bundle is for was decided before: it has no other place while the node lives.
    const isOpen = !state.draining || request.strategy.type === "group";
    const feasible = state.feasible(request) && isOpen;
    if (entry.origin !== "own") {
      if (feasible) return state.commit(entry);
      return state.reject(entry, "TaskUnschedulableError", `Cannot run it at ${this.#misfit(entry)}`, true);
    }
    if (request.strategy.type === "nodeAffinity") {
      if (request.strategy.nodeId !== state.config.nodeId) return this.#decide(entry);
      if (feasible) return state.commit(entry);
      if (request.strategy.soft) return this.#decide(entry);
      const why = `Cannot run ${request.name} at ${this.#misfit(entry)}, and it may run nowhere else.`;
      return state.reject(entry, "TaskUnschedulableError", why, false);
    }
    if (!feasible || !state.preferred(request)) return this.#decide(entry);
    if (request.strategy.type === "group") {
      // Its bundle is here; of several it may have any, perhaps one that is elsewhere.
      if (request.strategy.bundleIndex >= 0) return state.commit(entry);
    } else if (state.peers.size > 0) {
      if (request.strategy.type === "spread") return this.#decide(entry);
      if (entry.missingBytes === null || entry.missingBytes > SMALL_MISSING_BYTES) return this.#decide(entry);
    }
    if (this.#mayGoElsewhere(entry)) {
      entry.decideByMs = state.nowMs + OPTIONAL_MS;
      this.#optional.add(entry);
      return this.#decide(entry);
    }
    state.enqueue(entry);
  }

  /**
   * Whether another node may be better for what would fit here: work packs on its own node up to half of it and spreads
   * then (Ray's hybrid policy). Stored arguments that are here are reason enough to stay.
   */
  #mayGoElsewhere({ request }: PendingRequest): boolean {
    const state = this.#state;
    if (state.peers.size === 0 || request.strategy.type !== "hybrid") return false;
    if (request.args.length > 0 || state.nowMs < this.#silentUntilMs) return false;
    if (state.picks < PICKS_MAX && state.isPacked(request.resources)) return true;
    state.arrived(request.resources);
    return false;
  }

  /** Ask the global scheduler now, if that may help: for a new request that found nothing free. */
  offer(entry: PendingRequest): void {
    if (this.#mayOffer(entry) && entry.nextPickMs <= this.#state.nowMs) this.#ask(entry);
  }

  /** Ask again for requests that have waited long; take back questions that should be asked differently. */
  offerDue(): void {
    const { nowMs, pending } = this.#state;
    for (const entry of pending.values()) {
      if (entry.picking && entry.exclude.length > 0 && nowMs >= entry.nextPickMs) {
        this.#state.endPick(entry);
        entry.exclude = [];
      }
      this.offer(entry);
    }
  }

  /** The global scheduler takes its time: what could run here does, and it is not waited for again for a while. */
  stayDue(): void {
    const { nowMs, pending } = this.#state;
    for (const entry of this.#optional) {
      if (entry.decideByMs !== null && nowMs < entry.decideByMs) continue;
      this.#optional.delete(entry);
      const waits = entry.decideByMs !== null && entry.phase === "deciding";
      if (waits && pending.get(entry.key) === entry) this.#stay(entry);
    }
  }

  #stay(entry: PendingRequest): void {
    const state = this.#state;
    entry.decideByMs = null;
    if (entry.picking) this.#silentUntilMs = state.nowMs + SILENT_MS;
    if (state.draining || !state.feasible(entry.request)) return;
    state.endPick(entry);
    this.#backOff(entry);
    state.enqueue(entry);
  }

  /** When `offerDue` should run next; null when nothing can become due. */
  nextDueMs(): number | null {
    const { pending, nowMs } = this.#state;
    return pending.size === 0 ? null : nowMs + TICK_MS;
  }

  picked(entry: PendingRequest, nodeId: NodeId): void {
    const state = this.#state;
    state.pickAnswered(entry);
    entry.exclude = [];
    entry.decideByMs = null;
    this.#backOff(entry);
    if (entry.forwardedTo !== null) {
      if (entry.forwardedTo === nodeId) return this.#rest(entry);
      state.takeBack(entry);
    }
    if (nodeId !== state.config.nodeId) return this.#forward(entry, nodeId);
    if (state.feasible(entry.request) && !state.draining) return state.commit(entry);
    // "Here" was decided on a view of this node that was old: ask again a little later.
    entry.exclude = [nodeId];
  }

  /** The global scheduler could not be asked: what can run here does. */
  pickFailed(entry: PendingRequest): void {
    this.#state.pickAnswered(entry);
    entry.decideByMs = null;
    this.#backOff(entry);
    const { strategy } = entry.request;
    const elsewhere = strategy.type === "nodeAffinity" && strategy.nodeId !== this.#state.config.nodeId;
    if (elsewhere || this.#state.draining || !this.#state.feasible(entry.request)) return;
    if (entry.phase === "deciding") this.#state.commit(entry);
  }

  /** The node that it was passed on to cannot have it. */
  cameBack(entry: PendingRequest, from: NodeId): void {
    this.#state.endPick(entry);
    entry.forwardedTo = null;
    entry.phase = "deciding";
    entry.exclude = [from];
    this.#backOff(entry);
    // A bundle has one node: asking again at once would bring the same answer.
    if (entry.request.strategy.type !== "group") entry.nextPickMs = this.#state.nowMs;
    this.admit(entry);
    if (this.#state.pending.has(entry.key)) this.offer(entry);
  }

  #decide(entry: PendingRequest): void {
    entry.phase = "deciding";
    this.offer(entry);
  }

  #mayOffer(entry: PendingRequest): boolean {
    const state = this.#state;
    if (entry.origin !== "own" || entry.picking) return false;
    if (entry.phase !== "deciding" && entry.phase !== "queued" && entry.phase !== "forwarded") return false;
    const { strategy } = entry.request;
    if (entry.phase !== "deciding") {
      // Nobody else is there, or nobody else may have it, or its node is given time to take it.
      if (state.peers.size === 0 && !state.draining) return false;
      if (strategy.type === "nodeAffinity") {
        if (!strategy.soft || state.nowMs - entry.sinceMs < FORWARDED_MS) return false;
      }
      if (strategy.type === "group" && strategy.bundleIndex >= 0 && entry.phase === "queued") return false;
    }
    return state.picks < PICKS_MAX;
  }

  #ask(entry: PendingRequest): void {
    const state = this.#state;
    state.pickAsked(entry);
    if (entry.exclude.length > 0) entry.nextPickMs = state.nowMs + EXCLUDE_MS;
    const exclude = state.draining ? [...entry.exclude, state.config.nodeId] : [...entry.exclude];
    const { strategy } = entry.request;
    // Its arguments may keep it here by their cost, while what it waits for never ends: after a while what is free counts.
    const hasWaited = strategy.type === "nodeAffinity" || state.nowMs - entry.sinceMs >= FORWARDED_MS;
    const waitingAt = entry.phase === "queued" && hasWaited ? state.config.nodeId : entry.forwardedTo;
    state.emit({
      type: "pickNode",
      key: entry.key,
      request: { ...entry.request, backlog: entry.backlog },
      exclude,
      available: state.unpromised(),
      ...(entry.decideByMs === null ? {} : { optional: true }),
      ...(waitingAt === null ? {} : { waitingAt }),
    });
  }

  #forward(entry: PendingRequest, nodeId: NodeId): void {
    this.#state.detach(entry);
    entry.phase = "forwarded";
    entry.forwardedTo = nodeId;
    this.#rest(entry);
    const request = { ...entry.request, backlog: entry.backlog };
    this.#state.emit({ type: "forward", key: entry.key, request, nodeId });
  }

  /** It waits where it is for a while before others are thought of. */
  #rest(entry: PendingRequest): void {
    entry.nextPickMs = Math.max(entry.nextPickMs, this.#state.nowMs + FORWARDED_MS);
  }

  #backOff(entry: PendingRequest): void {
    entry.nextPickMs = this.#state.nowMs + entry.pickBackoffMs;
    entry.pickBackoffMs = Math.min(entry.pickBackoffMs * 2, REOFFER_MS_MAX);
  }

  #misfit(entry: PendingRequest): string {
    const { config, resources, draining } = this.#state;
    if (draining) return `${config.nodeId}: it is draining`;
    const unmet = unmetLabels(config.labels, entry.request.labelSelector);
    if (unmet.length > 0) return `${config.nodeId}: ${unmet.join(", ")}`;
    const { strategy } = entry.request;
    if (strategy.type === "group") {
      return `${config.nodeId}: it holds no such bundle of placement group ${strategy.groupId}`;
    }
    const needs = describeResources(entry.request.resources);
    return `${config.nodeId}: it needs ${needs}, the node has ${describeResources(resources.total)}`;
  }
}
