/**
 * When a supervisor starts a dead process again: at once after a long life, with growing delays after short ones, and
 * not at all after 5 deaths within 60 s (Erlang's restart intensity, in numbers that outlive a slow disk).
 * @module
 */

/** Deaths within the window that are answered by a restart. */
export const RESTARTS_MAX: number = 5;
export const RESTART_WINDOW_MS: number = 60_000;
const DELAY_FIRST_MS = 100;

export class RestartPolicy {
  /** Times of the deaths within the window, oldest first. At most RESTARTS_MAX + 1. */
  #deathsMs: number[] = [];

  /** The process died. Returns how long to wait before it is started again, or null: it stays down. */
  died(nowMs: number): number | null {
    this.#deathsMs = [...this.#deathsMs.filter((ms) => nowMs - ms < RESTART_WINDOW_MS), nowMs];
    const deaths = this.#deathsMs.length;
    if (deaths > RESTARTS_MAX) return null;
    // 0, 100, 200, 400, 800 ms: a single death costs nothing, a loop does not spin.
    return deaths === 1 ? 0 : DELAY_FIRST_MS * 2 ** (deaths - 2);
  }
}
