/**
 * How a driver's tasks get on, by function, from its own counts: at most five functions, those with the most to do. What
 * begins and ends within a moment is not shown at all.
 * @module
 */

/** Functions that are shown at once. */
export const GROUPS_MAX = 5;
/** Rates are of this long. */
const RATE_WINDOW_MS = 10_000;
/** Work must have been open for this long, and be so much, to be shown. */
const SHOWN_AFTER_MS = 2_000;
const TASKS_MIN = 10;
/** Without a terminal: a line for each of so many parts of the work, or after so long. */
const STEPS = 10;
const LINE_EVERY_MS = 30_000;
const NAME_LENGTH = 24;

/** One function's counts: `running` are part of `open`. */
export interface ProgressCounts {
  readonly name: string;
  readonly finished: number;
  readonly failed: number;
  readonly open: number;
  readonly running: number;
}

export interface ProgressGroup extends ProgressCounts {
  readonly done: number;
  readonly total: number;
  /** Ended per second. */
  readonly rate: number;
  /** Until all of it has ended at this rate; null when nothing ends. */
  readonly etaMs: number | null;
}

interface Sample {
  readonly atMs: number;
  readonly done: ReadonlyMap<string, number>;
}

/** See the module's header. */
export class Progress {
  readonly #samples: Sample[] = [];
  #openSinceMs: number | null = null;
  #lineMs = 0;
  #lineShare = 0;

  /** What is to be shown now; nothing while there is little to do, or only for a moment. */
  groups(nowMs: number, counts: readonly ProgressCounts[]): ProgressGroup[] {
    const done = new Map(counts.map(({ name, finished, failed }) => [name, finished + failed]));
    this.#samples.push({ atMs: nowMs, done });
    while (this.#samples.length > 2 && nowMs - this.#samples[1]!.atMs >= RATE_WINDOW_MS) {
      this.#samples.shift();
    }
    const open = counts.reduce((sum, one) => sum + one.open, 0);
    if (open === 0) {
      this.#openSinceMs = null;
      return [];
    }
    this.#openSinceMs ??= nowMs;
    const tasks = counts.reduce((sum, one) => sum + one.open + one.finished + one.failed, 0);
    if (nowMs - this.#openSinceMs < SHOWN_AFTER_MS || tasks < TASKS_MIN) return [];
    return [...counts].filter((one) => one.open > 0)
      .sort((a, b) => b.open - a.open || (a.name < b.name ? -1 : 1))
      .slice(0, GROUPS_MAX)
      .map((one) => this.#group(nowMs, one));
  }

  /** The line to print where there is no terminal: after each tenth of the work, or 30 s; else null. */
  line(nowMs: number, groups: readonly ProgressGroup[]): string | null {
    const done = groups.reduce((sum, group) => sum + group.done, 0);
    const total = groups.reduce((sum, group) => sum + group.total, 0);
    if (total === 0) return null;
    const share = Math.floor(done * STEPS / total);
    // More work came: what was told was a larger share of less.
    if (share < this.#lineShare) this.#lineShare = share;
    if (share <= this.#lineShare && nowMs - this.#lineMs < LINE_EVERY_MS) return null;
    this.#lineShare = share;
    this.#lineMs = nowMs;
    return groups.map((group) => groupText(group)).join("; ");
  }

  #group(nowMs: number, counts: ProgressCounts): ProgressGroup {
    const first = this.#samples[0]!;
    const done = counts.finished + counts.failed;
    const seconds = (nowMs - first.atMs) / 1_000;
    const rate = seconds <= 0 ? 0 : (done - (first.done.get(counts.name) ?? 0)) / seconds;
    const etaMs = rate <= 0 ? null : counts.open / rate * 1_000;
    return { ...counts, done, total: done + counts.open, rate, etaMs };
  }
}

/** `fetchPage 40/100 (40 %), 4 running, 2 failed, 12.3/s, 5 s left` */
export function groupText({ name, done, total, running, failed, rate, etaMs }: ProgressGroup): string {
  const parts = [
    `${name} ${done}/${total} (${Math.floor(done / total * 100)} %)`,
    `${running} running`,
    ...failed > 0 ? [`${failed} failed`] : [],
    ...rate > 0 ? [`${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s`] : [],
    ...etaMs === null ? [] : [`${durationText(etaMs)} left`],
  ];
  return parts.join(", ");
}

/** One line of a terminal, not longer than `width`. */
export function barLine(group: ProgressGroup, width: number): string {
  const { name, done, total, running, failed, rate, etaMs } = group;
  const label = (name.length > NAME_LENGTH ? `${name.slice(0, NAME_LENGTH - 1)}…` : name).padEnd(NAME_LENGTH);
  const figures = [
    `${done}/${total}`,
    `${running} running`,
    ...failed > 0 ? [`${failed} failed`] : [],
    `${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s`,
    etaMs === null ? "" : `${durationText(etaMs)} left`,
  ].join("  ");
  const room = Math.min(40, width - label.length - figures.length - 4);
  if (room < 5) return `${label} ${figures}`.slice(0, width - 1);
  const filled = Math.floor(done / total * room);
  return `${label} ${"█".repeat(filled)}${"░".repeat(room - filled)}  ${figures}`;
}

function durationText(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
