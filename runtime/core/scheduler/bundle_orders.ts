/**
 * What the head orders about bundles of placement groups, and what that means for what runs and waits here. Part of the
 * local scheduler.
 * @module
 */
import type { DeathCause } from "../../common/task_spec.ts";
import type { BundleOrder } from "../../protocol/group_messages.ts";
import type { LeaseEndings } from "./lease_endings.ts";
import type { RequestRouter } from "./request_router.ts";
import type { SchedulerState } from "./scheduler_state.ts";
import { UNHEARD_MS } from "./bundle_table.ts";

export class BundleOrders {
  readonly #state: SchedulerState;
  readonly #endings: LeaseEndings;
  readonly #router: RequestRouter;

  constructor(state: SchedulerState, endings: LeaseEndings, router: RequestRouter) {
    this.#state = state;
    this.#endings = endings;
    this.#router = router;
  }

  apply(order: BundleOrder): void {
    const state = this.#state;
    const { groupId } = order;
    switch (order.type) {
      case "bundlesPrepare": {
        const { attempt, bundles, final } = order;
        const problem = state.draining
          ? "it is draining"
          : state.bundles.prepare(state.nowMs, groupId, attempt, bundles);
        if (problem === null && final) state.bundles.commit(groupId, attempt);
        return state.emit({ type: "bundlesPrepared", groupId, attempt, problem });
      }
      case "bundlesCommit": {
        const { attempt } = order;
        state.bundles.commit(groupId, attempt);
        // Also when it counted before: the first answer was lost.
        return state.emit({ type: "bundlesCommitted", groupId, attempt });
      }
      case "bundlesRelease":
        return this.#release(order);
    }
  }

  /** Reservations of which the head was not heard for long are asked about: should they be forgotten, they are freed. */
  askUnheard(): void {
    const state = this.#state;
    if (!state.bundles.hasUnheard) return;
    for (const unheard of state.bundles.askUnheard(state.nowMs)) {
      state.emit({ type: "bundlesAsked", ...unheard });
    }
    state.wakeAt(state.nowMs + UNHEARD_MS);
  }

  #release({ groupId, indices, removed, message }: Extract<BundleOrder, { type: "bundlesRelease" }>): void {
    const state = this.#state;
    const pools = new Set(state.bundles.release(groupId, indices));
    const cause: DeathCause = removed
      ? {
        code: "PLACEMENT_GROUP_REMOVED",
        message: `Its placement group ${groupId} was removed: ${message}.`,
      }
      : {
        code: "WORKER_DIED",
        message: `Its bundle of placement group ${groupId} was given back: ${message}.`,
      };
    for (const lease of [...state.leases.all()]) {
      if (pools.has(lease.allocation.pool)) this.#endings.evicted(lease, cause);
    }
    for (const entry of [...state.pending.values()]) {
      const { strategy } = entry.request;
      if (strategy.type !== "group" || strategy.groupId !== groupId) continue;
      if (removed) {
        const text = `Cannot run ${entry.request.name}: placement group ${groupId} was removed: ${message}.`;
        state.reject(entry, "PlacementGroupRemovedError", text, false);
      } else if (
        entry.phase !== "forwarded" && (entry.allocation === null || pools.has(entry.allocation.pool))
      ) {
        state.detach(entry);
        this.#router.admit(entry);
      }
    }
  }
}
