/**
 * The user metrics of one node: what its processes told, summed by job. Counters and histograms outlive their process;
 * a gauge says what its process said last, and goes with it. What is told here comes from user code: it is checked, and
 * bounded, and what is left out is counted.
 * @module
 */
import {
  type MetricDefinition,
  type MetricReport,
  problemOf,
  type SeriesChange,
  TAG_VALUE_LENGTH_MAX,
} from "../../../common/metric_report.ts";
import type { MetricFamily } from "./exposition.ts";

/** Series of one node, over all jobs. */
const SERIES_MAX = 20_000;
/** How long the series of a job that has ended can still be scraped. */
const KEPT_AFTER_JOB_MS = 120_000;

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly jobId: string;
  /** Of a gauge; "" otherwise. */
  readonly processId: string;
  value: number;
  counts: number[] | null;
}

interface Family extends MetricDefinition {
  readonly series: Map<string, Series>;
}

export interface UserMetricsOptions {
  readonly nodeId: string;
  readonly seriesMax?: number;
  readonly keptAfterJobMs?: number;
}

export class UserMetrics {
  readonly #options: Required<UserMetricsOptions>;
  readonly #families = new Map<string, Family>();
  /** When each job ended whose series are still here. */
  readonly #ended = new Map<string, number>();
  #series = 0;
  #dropped = 0;

  constructor(options: UserMetricsOptions) {
    this.#options = { seriesMax: SERIES_MAX, keptAfterJobMs: KEPT_AFTER_JOB_MS, ...options };
  }

  /** Changes that were left out: too many series, or no sense in them. */
  get dropped(): number {
    return this.#dropped;
  }
  get size(): number {
    return this.#series;
  }

  /** A process's report. What makes no sense is dropped: it is user code's word. */
  take(
    processId: string,
    jobId: string,
    { metrics, dropped }: { metrics: MetricReport[]; dropped: number },
  ): void {
    if (Number.isInteger(dropped) && dropped > 0) this.#dropped += dropped;
    if (!Array.isArray(metrics)) return;
    for (const report of metrics) {
      if (!isReport(report)) {
        this.#dropped++;
        continue;
      }
      const family = this.#family(report);
      for (const change of report.series) {
        if (family === null || !isChange(change, report)) this.#dropped++;
        else this.#apply(family, report.tagKeys, change, { processId, jobId });
      }
    }
  }

  processEnded(processId: string): void {
    for (const { kind, series } of this.#families.values()) {
      if (kind !== "gauge") continue;
      for (const [key, one] of series) if (one.processId === processId) this.#delete(series, key);
    }
  }

  jobEnded(jobId: string, nowMs: number): void {
    this.#forget(nowMs);
    if (this.#series > 0 && !this.#ended.has(jobId)) this.#ended.set(jobId, nowMs);
  }

  families(nowMs: number): MetricFamily[] {
    this.#forget(nowMs);
    return [...this.#families.values()].map((family): MetricFamily => {
      const { name, kind, description: help, boundaries } = family;
      const all = [...family.series.values()];
      if (kind !== "histogram") {
        const title = kind === "counter" && !name.endsWith("_total") ? `${name}_total` : name;
        return { kind, name: title, help, samples: all };
      }
      const samples = all.map(({ labels, value, counts }) => ({ labels, counts: counts!, sum: value }));
      return { kind, name, help, boundaries: boundaries!, samples };
    });
  }

  #forget(nowMs: number): void {
    for (const [jobId, endedMs] of this.#ended) {
      if (nowMs - endedMs < this.#options.keptAfterJobMs) continue;
      this.#ended.delete(jobId);
      for (const { series } of this.#families.values()) {
        for (const [key, one] of series) if (one.jobId === jobId) this.#delete(series, key);
      }
    }
    for (const [name, { series }] of this.#families) if (series.size === 0) this.#families.delete(name);
  }

  /** Null for a metric that is something else to another process. */
  #family(report: MetricReport): Family | null {
    const { name, kind, description, tagKeys, boundaries } = report;
    const known = this.#families.get(name);
    if (known !== undefined) {
      const isSame = known.kind === kind && JSON.stringify(known.boundaries) === JSON.stringify(boundaries);
      return isSame ? known : null;
    }
    const made = { name, kind, description, tagKeys, boundaries, series: new Map() };
    this.#families.set(name, made);
    return made;
  }

  #apply(
    { kind, series }: Family,
    tagKeys: readonly string[],
    { tags, value, counts }: SeriesChange,
    { processId, jobId }: { readonly processId: string; readonly jobId: string },
  ): void {
    const owner = kind === "gauge" ? processId : "";
    const key = JSON.stringify([jobId, owner, tagKeys, tags]);
    const known = series.get(key);
    if (known === undefined) {
      if (this.#series >= this.#options.seriesMax) {
        this.#dropped++;
        return;
      }
      this.#series++;
      const labels: Record<string, string> = { mobula_job: jobId, mobula_node: this.#options.nodeId };
      if (owner !== "") labels["mobula_worker"] = owner;
      for (const [i, tagKey] of tagKeys.entries()) labels[tagKey] = tags[i]!;
      series.set(key, {
        labels,
        jobId,
        processId: owner,
        value,
        counts: counts === null ? null : [...counts],
      });
    } else if (kind === "gauge") {
      known.value = value;
    } else {
      known.value += value;
      counts?.forEach((count, i) => known.counts![i]! += count);
    }
  }

  #delete(series: Map<string, Series>, key: string): void {
    if (series.delete(key)) this.#series--;
  }
}

/** Whether it has the form of a report and defines a metric. */
function isReport(report: MetricReport): boolean {
  if (typeof report !== "object" || report === null) return false;
  const { name, kind, description, tagKeys, boundaries, series } = report;
  return typeof name === "string" && typeof description === "string" &&
    (kind === "counter" || kind === "gauge" || kind === "histogram") &&
    Array.isArray(tagKeys) && tagKeys.every((key) => typeof key === "string") &&
    (kind === "histogram" ? Array.isArray(boundaries) : boundaries === null) && Array.isArray(series) &&
    problemOf(report) === null;
}

function isChange(change: SeriesChange, { kind, tagKeys, boundaries }: MetricReport): boolean {
  if (typeof change !== "object" || change === null) return false;
  const { tags, value, counts } = change;
  if (!Array.isArray(tags) || tags.length !== tagKeys.length) return false;
  if (!tags.every((tag) => typeof tag === "string" && tag.length <= TAG_VALUE_LENGTH_MAX)) return false;
  if (typeof value !== "number" || kind === "counter" && !(value >= 0)) return false;
  if (kind !== "histogram") return counts === null;
  return Array.isArray(counts) && counts.length === boundaries!.length + 1 &&
    counts.every((count) => Number.isInteger(count) && count >= 0);
}
