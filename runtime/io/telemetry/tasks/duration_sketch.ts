/**
 * How durations are spread, in constant memory: counts in buckets that each are 4 % wider than the one before (a DDSketch), so
 * that a quantile is right within 2 % of its value. From a tenth of a microsecond to years; shorter ones count as zero.
 * @module
 */
import type { Spread } from "../../../../dashboard/api/tasks.ts";

const GAMMA = 1.04;
const LOG_GAMMA = Math.log(GAMMA);
/** Milliseconds of the first bucket's lower end. */
const SMALLEST = 1e-4;
const BUCKETS = Math.ceil(Math.log(1e12 / SMALLEST) / LOG_GAMMA);

export class DurationSketch {
  readonly #buckets = new Float64Array(BUCKETS);
  #zeros = 0;
  #count = 0;
  #sum = 0;
  #min = Infinity;
  #max = -Infinity;

  get count(): number {
    return this.#count;
  }

  /** Milliseconds; negative ones (clocks differ) count as zero. */
  add(ms: number): void {
    if (!Number.isFinite(ms)) return;
    const value = Math.max(0, ms);
    this.#count++;
    this.#sum += value;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    if (value < SMALLEST) this.#zeros++;
    else this.#buckets[Math.min(BUCKETS - 1, Math.floor(Math.log(value / SMALLEST) / LOG_GAMMA))]!++;
  }

  merge(other: DurationSketch): void {
    for (let i = 0; i < BUCKETS; i++) this.#buckets[i]! += other.#buckets[i]!;
    this.#zeros += other.#zeros;
    this.#count += other.#count;
    this.#sum += other.#sum;
    this.#min = Math.min(this.#min, other.#min);
    this.#max = Math.max(this.#max, other.#max);
  }

  /** Null when nothing was added. */
  spread(): Spread | null {
    if (this.#count === 0) return null;
    return {
      count: this.#count,
      mean: rounded(this.#sum / this.#count),
      min: rounded(this.#min),
      p25: this.quantile(0.25),
      p50: this.quantile(0.5),
      p75: this.quantile(0.75),
      p95: this.quantile(0.95),
      p99: this.quantile(0.99),
      max: rounded(this.#max),
    };
  }

  /** The value below which the part `q` lies, within 2 %. */
  quantile(q: number): number {
    const rank = q * (this.#count - 1);
    let seen = this.#zeros;
    if (rank < seen) return rounded(this.#min);
    for (let i = 0; i < BUCKETS; i++) {
      seen += this.#buckets[i]!;
      if (rank >= seen) continue;
      const middle = SMALLEST * Math.exp((i + 0.5) * LOG_GAMMA);
      return rounded(Math.min(this.#max, Math.max(this.#min, middle)));
    }
    return rounded(this.#max);
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 1e4) / 1e4;
}
