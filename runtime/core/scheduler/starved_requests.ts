/**
 * Requests that deeper ones of their job keep from everything: their submitter holds no lease for work of their shape at
 * this node, and deeper work without end (a task that submits a million others) would never let them have one. They get
 * one past the deeper ones. One at a time for each submitter and shape, so that roots whose children wait stay few:
 * whoever has a lease is served and waits its turn. Part of the local scheduler.
 * @module
 */
import type { PendingRequest } from "./lease_queue.ts";
import { type HeldLease, shapeOf } from "./lease_table.ts";
import type { SchedulerState } from "./scheduler_state.ts";

/** A request without any lease of its kind is starved after this long. */
const STARVED_MS = 100;
/** How often to look: looking is a walk over all classes and leases. */
const LOOK_MS = 50;

export class StarvedRequests {
  readonly #state: SchedulerState;
  #starved: Set<PendingRequest> = new Set();
  #nextLookMs: number = 0;

  constructor(state: SchedulerState) {
    this.#state = state;
  }

  has(entry: PendingRequest): boolean {
    return this.#starved.has(entry);
  }

  /** Those that still wait for resources, found anew now and then. */
  all(): readonly PendingRequest[] {
    const { queue, nowMs } = this.#state;
    if (nowMs >= this.#nextLookMs) this.#look();
    if (this.#starved.size === 0) return [];
    for (const entry of this.#starved) if (!queue.has(entry)) this.#starved.delete(entry);
    return [...this.#starved];
  }

  #look(): void {
    const { queue, leases, nowMs } = this.#state;
    this.#nextLookMs = nowMs + LOOK_MS;
    this.#starved = new Set();
    let served: Set<string> | null = null;
    for (const entry of queue.firsts()) {
      const { jobId, depth } = entry.request;
      if (nowMs - entry.sinceMs < STARVED_MS || depth === queue.depths(jobId)[0]) continue;
      served ??= servedShapes(leases.all());
      const shape = shapeOf(entry.request);
      if (served.has(shape)) continue;
      served.add(shape);
      this.#starved.add(entry);
    }
  }
}

function servedShapes(leases: Iterable<HeldLease>): Set<string> {
  const served = new Set<string>();
  for (const { request, ending } of leases) {
    // An actor's lease is for life and serves no further request.
    if (request.kind === "task" && !ending) served.add(shapeOf(request));
  }
  return served;
}
