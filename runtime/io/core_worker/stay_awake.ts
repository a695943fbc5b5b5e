/**
 * Staying awake for an answer that is likely to come at once. A CPU that went idle takes 30 to 40 us to wake up, more than a
 * short task takes altogether; so a process that has just sent something keeps its event loop turning for a moment before it
 * sleeps (measured, one task at a time on 2 cores: 20 to 57 us a call without, 11 us with; in flight: no difference).
 *
 * Both ends may share one CPU: then the one that turns keeps the other from answering, and the kernel, which wakes a process
 * where it was, leaves them there although another CPU is idle. So each turn gives way to whoever else wants this CPU
 * (sched_yield): the other end answers at once, and two that want to run at the same time are soon on two CPUs.
 *
 * Where other programs keep all CPUs busy, those are given way to as well, for milliseconds. So each process keeps account of
 * what turning has saved and cost it (AwakeJudge), and sleeps at once where it does not pay.
 * @module
 */

/** Longer than the answer of a short task takes, shorter than anybody notices. */
const AWAKE_MS = 0.05;
/** What an answer in time has saved: less than a wake-up. */
const SAVED_MS = 0.01;
/** At most so much of what was saved counts: enough to forgive a pause for garbage or two. */
const CREDIT_MAX_MS = 10;
/** What there is at first, and after a try that was of use. */
const CREDIT_MS = 0.4;
/** No turning costs more: what was longer had other reasons. */
const COST_MAX_MS = 20;
/** Where it does not pay, it is tried again after so many times what the last one cost. */
const REST_FACTOR = 50;

/** Decides whether to stay awake, by what it has saved and cost. Times in milliseconds on one clock. */
export class AwakeJudge {
  #creditMs: number = CREDIT_MS;
  #nextTryMs: number = 0;
  /** When something was sent that has no answer yet; null: nothing, or nobody stays awake for it. */
  #sentMs: number | null = null;

  /** Something was sent: whether to stay awake for its answer. */
  sent(nowMs: number): boolean {
    const isWanted = this.#creditMs > 0 || nowMs >= this.#nextTryMs;
    this.#sentMs = isWanted ? nowMs : null;
    return isWanted;
  }

  /** Something came in. */
  heard(nowMs: number): void {
    if (this.#sentMs === null) return;
    if (nowMs - this.#sentMs > AWAKE_MS) return this.gaveUp(nowMs);
    this.#sentMs = null;
    this.#creditMs = Math.min(CREDIT_MAX_MS, Math.max(CREDIT_MS, this.#creditMs + SAVED_MS));
  }

  /** Nothing came while it was awake, and it sleeps now. */
  gaveUp(nowMs: number): void {
    if (this.#sentMs === null) return;
    const costMs = Math.min(COST_MAX_MS, nowMs - this.#sentMs);
    this.#sentMs = null;
    this.#creditMs = Math.max(0, this.#creditMs - costMs);
    this.#nextTryMs = nowMs + REST_FACTOR * costMs;
  }
}

/** Not there in pages, which sleep. */
const nextTurn = (globalThis as { setImmediate?: (run: () => void) => unknown }).setImmediate;

const judge = new AwakeJudge();
let untilMs = 0;
let turning = false;
let giveWay: () => void = () => undefined;

/** How this process lets others have its CPU for a moment; without it, it keeps the CPU while it turns. */
export function giveWayBy(way: () => void): void {
  giveWay = way;
}

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
  const nowMs = performance.now();
  if (nowMs > untilMs) {
    turning = false;
    judge.gaveUp(nowMs);
    return;
  }
  giveWay();
  nextTurn!(turn);
}
