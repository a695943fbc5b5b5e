/**
 * Metrics of user code, from any process: driver, task or actor. They are told to the node's agent about once a second and
 * can be scraped there (`mobula ls nodes` says where), with the labels mobula_job and mobula_node.
 * @module
 */
import type { MetricKind } from "../common/metric_report.ts";
import { checkKnownOptions } from "../common/options.ts";
import { type ProcessMetric, processMetrics, tagValue } from "../io/core_worker/process_metrics.ts";

export interface MetricOptions {
  /** For people. */
  description?: string;
  /** The tags that values may have; no others are taken. */
  tagKeys?: string[];
  /** What tags have when a value does not say otherwise, key by key. */
  defaultTags?: Record<string, string>;
}

export interface HistogramOptions extends MetricOptions {
  /** Upper bounds of the buckets, rising; what is above the last one has a bucket of its own. */
  boundaries: number[];
}

const OPTIONS: readonly string[] = ["description", "tagKeys", "defaultTags"];

/** What the three kinds have in common. */
abstract class Metric {
  readonly #metric: ProcessMetric;
  readonly #keys: readonly string[];
  /** By key; "" for none. */
  readonly #defaults: readonly string[];

  constructor(kind: MetricKind, name: string, options: MetricOptions & { boundaries?: number[] }) {
    if (typeof name !== "string") throw new TypeError(`a metric's name must be a string, is ${typeof name}`);
    checkKnownOptions(options, kind === "histogram" ? [...OPTIONS, "boundaries"] : OPTIONS);
    const { description = "", tagKeys = [], defaultTags = {} } = options;
    if (typeof description !== "string") {
      throw new TypeError(`metric "${name}": description must be a string`);
    }
    if (!Array.isArray(tagKeys) || tagKeys.some((key) => typeof key !== "string")) {
      throw new TypeError(`metric "${name}": tagKeys must be a list of strings`);
    }
    const boundaries = kind === "histogram" ? boundariesOf(name, options.boundaries) : null;
    this.#metric = processMetrics.define({ name, kind, description, tagKeys: [...tagKeys], boundaries });
    this.#keys = this.#metric.definition.tagKeys;
    this.#defaults = this.#keys.map(() => "");
    this.#defaults = this.#tags(defaultTags);
  }

  get name(): string {
    return this.#metric.definition.name;
  }

  protected recordValue(value: number, tags: Record<string, string> | undefined): void {
    if (typeof value !== "number") {
      throw new TypeError(`metric "${this.name}" takes numbers, not ${typeof value}`);
    }
    this.#metric.record(tags === undefined ? this.#defaults : this.#tags(tags), value);
  }

  #tags(tags: Record<string, string>): readonly string[] {
    if (typeof tags !== "object" || tags === null || Array.isArray(tags)) {
      throw new TypeError(`metric "${this.name}": tags must be an object of strings`);
    }
    const values = [...this.#defaults];
    for (const [key, value] of Object.entries(tags)) {
      const index = this.#keys.indexOf(key);
      if (index < 0) {
        const known = this.#keys.length === 0 ? "it has none" : `it has ${this.#keys.join(", ")}`;
        throw new TypeError(`metric "${this.name}" has no tag key ${JSON.stringify(key)}: ${known}`);
      }
      if (typeof value !== "string") {
        throw new TypeError(`metric "${this.name}": the tag ${key} must be a string, is ${typeof value}`);
      }
      values[index] = tagValue(value);
    }
    return values;
  }
}

function boundariesOf(name: string, boundaries: unknown): number[] {
  if (!Array.isArray(boundaries) || boundaries.some((bound) => typeof bound !== "number")) {
    throw new TypeError(`histogram "${name}" needs boundaries: a list of rising numbers`);
  }
  return [...boundaries];
}

/**
 * Counts what happens: exported as NAME_total, summed over the processes of a job on a node.
 * @throws {TypeError | RangeError} for a bad name or tag key, or when this process has a metric of that name that is another one.
 */
export class Counter extends Metric {
  constructor(name: string, options: MetricOptions = {}) {
    super("counter", name, options);
  }

  /** @throws {RangeError} for a negative number; TypeError for a tag that is not among tagKeys. */
  inc(by: number = 1, tags?: Record<string, string>): void {
    if (typeof by === "number" && !(by >= 0 && by < Infinity)) {
      throw new RangeError(`counter "${this.name}" only goes up: not by ${by}`);
    }
    this.recordValue(by, tags);
  }
}

/** The present value of something; exported for each process that set it (label mobula_worker), as long as that lives. */
export class Gauge extends Metric {
  constructor(name: string, options: MetricOptions = {}) {
    super("gauge", name, options);
  }

  set(value: number, tags?: Record<string, string>): void {
    this.recordValue(value, tags);
  }
}

/** How values are spread, over buckets. */
export class Histogram extends Metric {
  constructor(name: string, options: HistogramOptions) {
    super("histogram", name, options);
  }

  /** @throws {RangeError} for what is no finite number. */
  observe(value: number, tags?: Record<string, string>): void {
    if (typeof value === "number" && !Number.isFinite(value)) {
      throw new RangeError(`histogram "${this.name}" observes finite numbers, not ${value}`);
    }
    this.recordValue(value, tags);
  }
}
