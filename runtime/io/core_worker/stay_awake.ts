/**
 * Staying awake for an answer that is likely to come at once. A CPU that went idle takes 30 to 40 us to wake up, more than a
 * short task takes altogether; so a process that has just sent something keeps its event loop turning for a moment before it
 * sleeps (measured, one task at a time on 2 cores: 20 to 57 us a call without, 12 us with; in flight: no difference).
 *
 * Where both ends share one CPU because the others are busy, the one that turns keeps the other from answering (116 us a
 * call). So each process watches whether its turning was of use, and sleeps at once while it was not.
 * @module
 */

/** Longer than the answer of a short task takes, shorter than anybody notices. */
const AWAKE_MS = 0.05;
/** Answers in a row that came too late until it is given up. */
const PATIENCE = 8;
/** What one answer in time is worth in late ones. */
const HIT = 4;
/** While it is given up, each so many sends it is tried once more. */
const TRY_EVERY = 32;

/** Decides whether to stay awake, from when answers came. Times in milliseconds on one clock. */
export class AwakeJudge {
  #patience: number = PATIENCE;
  #sends: number = 0;
  /** When something was sent that has no answer yet; null: nothing, or nobody stayed awake for it. */
  #sentMs: number | null = null;

  /** Something was sent: whether to stay awake for its answer. */
  sent(nowMs: number): boolean {
    this.#sends++;
    const isWanted = this.#patience > 0 || this.#sends % TRY_EVERY === 0;
    this.#sentMs = isWanted ? nowMs : null;
    return isWanted;
  }

  /** Something came in. */
  heard(nowMs: number): void {
    if (this.#sentMs === null) return;
    const isInTime = nowMs - this.#sentMs <= AWAKE_MS;
    this.#sentMs = null;
    this.#patience = isInTime ? Math.min(PATIENCE, this.#patience + HIT) : Math.max(0, this.#patience - 1);
  }
}

/** Not there in pages, which sleep. */
const nextTurn = (globalThis as { setImmediate?: (run: () => void) => unknown }).setImmediate;

const judge = new AwakeJudge();
let untilMs = 0;
let turning = false;

/** Something was just sent: do not sleep for the next moment, if that has been of use. */
export function stayAwake(): void {
  if (nextTurn === undefined) return;
  const nowMs = performance.now();
  if (!judge.sent(nowMs)) return;
  untilMs = nowMs + AWAKE_MS;
  if (turning) return;
  turning = true;
  nextTurn(turn);
}

/** Replies or calls came in. */
export function answered(): void {
  if (nextTurn !== undefined) judge.heard(performance.now());
}

function turn(): void {
  if (performance.now() > untilMs) turning = false;
  else nextTurn!(turn);
}
