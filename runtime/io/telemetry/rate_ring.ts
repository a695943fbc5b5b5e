/**
 * Tasks finished and failed in each second, their run time, and how many ran at its end: ten minutes, in a ring.
 * @module
 */
import type { RatesDto } from "../../../dashboard/api_types.ts";

export const RATE_STEP_MS: number = 1_000;
export const RATE_POINTS: number = 600;

export class RateRing {
  readonly #finished = new Float64Array(RATE_POINTS);
  readonly #failed = new Float64Array(RATE_POINTS);
  readonly #running = new Float64Array(RATE_POINTS);
  readonly #runMs = new Float64Array(RATE_POINTS);
  /** The present second, and the first that is kept. */
  #now: number;
  #first: number;

  constructor(nowMs: number) {
    this.#now = Math.floor(nowMs / RATE_STEP_MS);
    this.#first = this.#now;
  }

  /** Count what ended just now; `running` is how many run, `runMs` how long what ended had run. */
  add(nowMs: number, finished: number, failed: number, running: number, runMs: number = 0): void {
    this.advance(nowMs);
    const at = this.#now % RATE_POINTS;
    this.#finished[at]! += finished;
    this.#failed[at]! += failed;
    this.#running[at] = running;
    this.#runMs[at]! += runMs;
  }

  /** Run time that ended in a millisecond, over the whole ones of the last `seconds` in which anything ran. */
  workRate(seconds: number): number {
    let runMs = 0, busy = 0;
    for (let second = Math.max(this.#first, this.#now - seconds); second < this.#now; second++) {
      const at = second % RATE_POINTS;
      if (this.#running[at] === 0 && this.#runMs[at] === 0) continue;
      runMs += this.#runMs[at]!;
      busy++;
    }
    return busy === 0 ? 0 : runMs / (busy * RATE_STEP_MS);
  }

  /** Open the present second; seconds in which nothing was told are zero, and as many run as before. A clock that was set
   *  back keeps counting into the newest second. */
  advance(nowMs: number): void {
    const second = Math.floor(nowMs / RATE_STEP_MS);
    const running = this.#running[this.#now % RATE_POINTS]!;
    if (second - this.#now > RATE_POINTS) this.#now = second - RATE_POINTS;
    while (this.#now < second) {
      const at = ++this.#now % RATE_POINTS;
      this.#finished[at] = 0;
      this.#failed[at] = 0;
      this.#runMs[at] = 0;
      this.#running[at] = running;
    }
    if (this.#now - this.#first >= RATE_POINTS) this.#first = this.#now - RATE_POINTS + 1;
  }

  /** The newest second: the version of the data as readers see it. */
  get newest(): number {
    return this.#now;
  }

  /** Points from second `since` on (it may have grown since it was read), or all. */
  read(since: number | null): { version: number; kind: "snapshot" | "delta"; data: RatesDto } {
    const whole = since === null || since < this.#first || since > this.#now;
    const atMs: number[] = [], finished: number[] = [], failed: number[] = [], running: number[] = [];
    for (let second = whole ? this.#first : since; second <= this.#now; second++) {
      const at = second % RATE_POINTS;
      atMs.push(second * RATE_STEP_MS);
      finished.push(this.#finished[at]!);
      failed.push(this.#failed[at]!);
      running.push(this.#running[at]!);
    }
    return {
      version: this.#now,
      kind: whole ? "snapshot" : "delta",
      data: { stepMs: RATE_STEP_MS, atMs, finished, failed, running },
    };
  }
}
