/**
 * Time on the page: which stretch is in view, how time maps to pixels, and where the axis has its marks. Idle stretches may be
 * squeezed, so that what happened before and after a pause stands side by side: then pixels map to squeezed time, and that to
 * time. Pure.
 * @module
 */

export interface TimeRange {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Nothing is shorter on the page: below, bars would be single clock ticks. */
export const SPAN_MIN_MS = 0.05;

/** Time with idle stretches squeezed; without any it is time itself. Both directions are monotone and undo each other. */
export class TimeWarp {
  /** Begins of the stretches, in time and squeezed, and how fast squeezed time goes in each. */
  readonly #time: number[] = [];
  readonly #squeezed: number[] = [];
  readonly #rate: number[] = [];

  /** @param gaps idle stretches in order, none overlapping. @param squeezedMs what each is squeezed to, when it is longer. */
  constructor(gaps: readonly TimeRange[] = [], squeezedMs = 0) {
    let saved = 0;
    for (const gap of gaps) {
      const length = gap.toMs - gap.fromMs;
      if (length <= squeezedMs || squeezedMs <= 0) continue;
      this.#push(gap.fromMs, gap.fromMs - saved, squeezedMs / length);
      saved += length - squeezedMs;
      this.#push(gap.toMs, gap.toMs - saved, 1);
    }
  }

  get isPlain(): boolean {
    return this.#time.length === 0;
  }

  squeeze(timeMs: number): number {
    const i = lastAtMost(this.#time, timeMs);
    return i < 0 ? timeMs : this.#squeezed[i]! + (timeMs - this.#time[i]!) * this.#rate[i]!;
  }

  time(squeezedMs: number): number {
    const i = lastAtMost(this.#squeezed, squeezedMs);
    return i < 0 ? squeezedMs : this.#time[i]! + (squeezedMs - this.#squeezed[i]!) / this.#rate[i]!;
  }

  #push(time: number, squeezed: number, rate: number): void {
    this.#time.push(time);
    this.#squeezed.push(squeezed);
    this.#rate.push(rate);
  }
}

/** Index of the last value that is not above; -1 for none. */
function lastAtMost(values: readonly number[], value: number): number {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** What is in view, in squeezed milliseconds. */
export interface View {
  readonly from: number;
  readonly to: number;
}

/** The time under the cursor stays where it is; the view leaves neither the bounds nor its least and most spans. */
export function zoomView(view: View, factor: number, part: number, bounds: View): View {
  const span = (view.to - view.from) * factor;
  const kept = Math.min(Math.max(span, SPAN_MIN_MS), mostSpan(bounds));
  const anchor = view.from + (view.to - view.from) * part;
  return clampView({ from: anchor - kept * part, to: anchor + kept * (1 - part) }, bounds);
}

export function panView(view: View, byMs: number, bounds: View): View {
  return clampView({ from: view.from + byMs, to: view.to + byMs }, bounds);
}

/** Never past the ends by more than a tenth of what is in view. */
export function clampView(view: View, bounds: View): View {
  const span = Math.min(Math.max(view.to - view.from, SPAN_MIN_MS), mostSpan(bounds));
  const slack = span * 0.1;
  const from = Math.min(
    Math.max(view.from, bounds.from - slack),
    Math.max(bounds.to + slack - span, bounds.from - slack),
  );
  return { from, to: from + span };
}

/** Everything, with a little air on both sides. */
export function wholeView(bounds: View): View {
  const air = Math.max(SPAN_MIN_MS, bounds.to - bounds.from) * 0.02;
  return { from: bounds.from - air, to: bounds.to + air };
}

function mostSpan(bounds: View): number {
  return Math.max(SPAN_MIN_MS * 10, (bounds.to - bounds.from) * 1.2);
}

const STEPS_MS: readonly number[] = [
  ...[-2, -1, 0, 1, 2].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power)),
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400].map((s) =>
    s * 1000
  ),
];

export interface Tick {
  readonly timeMs: number;
  /** Since the job began. */
  readonly label: string;
}

/** Marks of the axis: round times since `originMs`, at least `room` pixels apart. */
export function ticksOf(range: TimeRange, originMs: number, width: number, room = 90): Tick[] {
  const span = range.toMs - range.fromMs;
  if (!(span > 0) || width <= 0) return [];
  const least = span * room / width;
  const step = STEPS_MS.find((value) => value >= least) ?? Math.ceil(least / 86_400_000) * 86_400_000;
  const first = Math.ceil((range.fromMs - originMs) / step),
    last = Math.floor((range.toMs - originMs) / step);
  const ticks: Tick[] = [];
  for (let i = first; i <= last && ticks.length < 200; i++) {
    ticks.push({ timeMs: originMs + i * step, label: sinceLabel(i * step, step) });
  }
  return ticks;
}

/** A time since the beginning, as precise as the step between two marks needs. */
export function sinceLabel(ms: number, stepMs: number): string {
  const sign = ms < 0 ? "−" : "";
  const size = Math.abs(ms);
  if (size >= 60_000 && stepMs >= 1_000) return sign + clockLabel(size);
  if (size >= 1_000) {
    const digits = Math.min(6, Math.max(0, 3 - Math.floor(Math.log10(stepMs) + 1e-9)));
    return `${sign}${(size / 1000).toFixed(stepMs >= 1000 ? 0 : digits)} s`;
  }
  if (size === 0) return "0";
  const digits = Math.min(3, Math.max(0, -Math.floor(Math.log10(stepMs) + 1e-9)));
  return `${sign}${size.toFixed(digits)} ms`;
}

function clockLabel(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const two = (value: number): string => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/**
 * Stretches in which no lane did anything, out of the busy fraction of even bins.
 * @param leastMs shorter ones are not worth squeezing.
 */
export function idleGaps(
  busy: ArrayLike<number>,
  fromMs: number,
  binMs: number,
  leastMs: number,
): TimeRange[] {
  const gaps: TimeRange[] = [];
  let begin = -1;
  for (let bin = 0; bin <= busy.length; bin++) {
    const isIdle = bin < busy.length && busy[bin] === 0;
    if (isIdle && begin < 0) begin = bin;
    if (isIdle || begin < 0) continue;
    if ((bin - begin) * binMs >= leastMs) {
      gaps.push({ fromMs: fromMs + begin * binMs, toMs: fromMs + bin * binMs });
    }
    begin = -1;
  }
  return gaps;
}
