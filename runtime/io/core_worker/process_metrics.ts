/**
 * The user metrics of this process: what user code counts and measures, told to the agent about once a second. Counting is
 * a look-up and an addition; nothing waits, and without a cluster it is kept until there is one.
 * @module
 */
import {
  type MetricDefinition,
  type MetricReport,
  problemOf,
  type SeriesChange,
  TAG_VALUE_LENGTH_MAX,
} from "../../common/metric_report.ts";
import { currentCoreWorker } from "./current.ts";
import { Timer } from "./timers.ts";

const TELL_EVERY_MS = 1_000;
/** Metrics of one process, and combinations of tags of one metric; more are refused, and dropped and counted. */
const METRICS_MAX = 1_000;
const SERIES_MAX = 1_000;

interface Series {
  readonly tags: readonly string[];
  value: number;
  counts: number[] | null;
  isDirty: boolean;
}

/** One metric of this process, whoever and however often it was defined. */
export class ProcessMetric {
  readonly definition: MetricDefinition;
  readonly #metrics: ProcessMetrics;
  readonly #series = new Map<string, Series>();

  constructor(definition: MetricDefinition, metrics: ProcessMetrics) {
    this.definition = definition;
    this.#metrics = metrics;
  }

  /** A counter's increase, a gauge's value, an observation. `tags` in the order of the keys; "" for none. */
  record(tags: readonly string[], value: number): void {
    const key = tags.length === 1 ? tags[0]! : tags.join("\n");
    let series = this.#series.get(key);
    if (series === undefined) {
      if (this.#series.size >= SERIES_MAX) return this.#metrics.drop();
      const { boundaries } = this.definition;
      const counts = boundaries === null ? null : new Array<number>(boundaries.length + 1).fill(0);
      this.#series.set(key, series = { tags, value: 0, counts, isDirty: false });
    }
    series.isDirty = true;
    if (this.definition.kind === "gauge") series.value = value;
    else series.value += value;
    if (series.counts !== null) series.counts[bucketOf(this.definition.boundaries!, value)]!++;
    this.#metrics.changed(this);
  }

  /** What is news, which then is no news any more. */
  take(): MetricReport | null {
    const changes: SeriesChange[] = [];
    for (const series of this.#series.values()) {
      if (!series.isDirty) continue;
      series.isDirty = false;
      changes.push({ tags: series.tags, value: series.value, counts: series.counts?.slice() ?? null });
      if (this.definition.kind === "gauge") continue;
      series.value = 0;
      series.counts?.fill(0);
    }
    return changes.length === 0 ? null : { ...this.definition, series: changes };
  }
}

/** The first bucket whose bound is not below the value. */
function bucketOf(boundaries: readonly number[], value: number): number {
  let low = 0, high = boundaries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (boundaries[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** See the module's header. */
export class ProcessMetrics {
  readonly #metrics = new Map<string, ProcessMetric>();
  readonly #changed = new Set<ProcessMetric>();
  #dropped = 0;
  #isArmed = false;

  /** The metric of that name. @throws RangeError for a bad definition, or one that contradicts an earlier one. */
  define(definition: MetricDefinition): ProcessMetric {
    const problem = problemOf(definition);
    if (problem !== null) throw new RangeError(problem);
    const { name } = definition;
    const known = this.#metrics.get(name);
    if (known === undefined) {
      if (this.#metrics.size >= METRICS_MAX) {
        throw new RangeError(`metric "${name}": this process has ${METRICS_MAX} metrics already`);
      }
      const metric = new ProcessMetric(definition, this);
      this.#metrics.set(name, metric);
      return metric;
    }
    const shape = ({ kind, tagKeys, boundaries }: MetricDefinition) =>
      JSON.stringify([kind, tagKeys, boundaries]);
    if (shape(known.definition) === shape(definition)) return known;
    throw new RangeError(`metric "${name}" is there already: a ${describe(known.definition)}`);
  }

  changed(metric: ProcessMetric): void {
    this.#changed.add(metric);
    this.#arm();
  }

  /** A change that is left out, because there are too many combinations of tags. */
  drop(): void {
    this.#dropped++;
    this.#arm();
  }

  /** Tell now what there is to tell. */
  flush(): void {
    if (this.#changed.size === 0 && this.#dropped === 0) return;
    const core = currentCoreWorker();
    if (core === null || core.closedReason !== null) return this.#arm();
    const metrics = [...this.#changed].flatMap((metric) => metric.take() ?? []);
    core.link.notify("userMetrics", { metrics, dropped: this.#dropped });
    this.#changed.clear();
    this.#dropped = 0;
  }

  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    Timer.background(() => {
      this.#isArmed = false;
      this.flush();
    }, TELL_EVERY_MS);
  }
}

/** The metrics of this process: user code defines them anywhere, also before init(). */
export const processMetrics: ProcessMetrics = new ProcessMetrics();

function describe({ kind, tagKeys, boundaries }: MetricDefinition): string {
  const tags = tagKeys.length === 0 ? "without tags" : `with the tags ${tagKeys.join(", ")}`;
  return `${kind} ${tags}${boundaries === null ? "" : ` and the boundaries ${boundaries.join(", ")}`}`;
}

/** A tag's value as it is told. */
export function tagValue(value: string): string {
  return value.slice(0, TAG_VALUE_LENGTH_MAX);
}
