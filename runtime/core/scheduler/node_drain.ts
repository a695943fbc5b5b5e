/**
 * The drain of one node, as its agent sees it: no new work, the end of what runs, its objects to others, and the leave.
 *
 *             1            2                      3                  4
 *   (none) ------> working ------> ending workers ------> offloading ------> left
 *                   ^   |
 *                   +-1-+
 *
 *   1 ordered, or ordered again with another deadline; leases are asked back now and while it lasts.
 *   2 nothing runs there, or the deadline has come.   3 all workers are gone.
 *   4 the objects that were only here are elsewhere too, or could not be taken in time.
 * @module
 */

/** Leases that did not come back are asked for again this often. */
export const DRAIN_ASK_AGAIN_MS: number = 1_000;

export type DrainEvent =
  | { readonly type: "ordered"; readonly remainingMs: number; readonly reason: string }
  /** Now and then. `busy`: something runs here that should come to its end. */
  | { readonly type: "looked"; readonly busy: boolean }
  | { readonly type: "workersEnded" }
  | { readonly type: "offloaded" };

/** What is to be done next. */
export type DrainEffect =
  | { readonly type: "refuseWork" }
  | { readonly type: "endWorkers"; readonly reason: string }
  | { readonly type: "offload" }
  | { readonly type: "leave"; readonly reason: string };

/** See the module's header. */
export class NodeDrainMachine {
  #state: "none" | "working" | "ending" | "offloading" | "left" = "none";
  #reason: string = "";
  #deadlineMs: number = Infinity;
  #askedMs: number = -Infinity;

  get isDraining(): boolean {
    return this.#state !== "none";
  }

  step(nowMs: number, event: DrainEvent): DrainEffect | null {
    switch (event.type) {
      case "ordered":
        // Too late to change anything.
        if (this.#state !== "none" && this.#state !== "working") return null;
        this.#state = "working";
        this.#reason = event.reason;
        this.#deadlineMs = nowMs + event.remainingMs;
        this.#askedMs = nowMs;
        return { type: "refuseWork" };
      case "looked":
        return this.#looked(nowMs, event.busy);
      case "workersEnded":
        if (this.#state !== "ending") return null;
        this.#state = "offloading";
        return { type: "offload" };
      case "offloaded":
        if (this.#state !== "offloading") return null;
        this.#state = "left";
        return { type: "leave", reason: this.#reason };
    }
  }

  #looked(nowMs: number, busy: boolean): DrainEffect | null {
    if (this.#state !== "working") return null;
    if (busy && nowMs < this.#deadlineMs) {
      if (nowMs - this.#askedMs < DRAIN_ASK_AGAIN_MS) return null;
      this.#askedMs = nowMs;
      return { type: "refuseWork" };
    }
    this.#state = "ending";
    return { type: "endWorkers", reason: this.#reason };
  }
}
