/**
 * User metrics as processes tell them to their node's agent, and what may be said in them.
 * @module
 */

export type MetricKind = "counter" | "gauge" | "histogram";

/** What a metric is. */
export interface MetricDefinition {
  readonly name: string;
  readonly kind: MetricKind;
  /** For people. */
  readonly description: string;
  readonly tagKeys: readonly string[];
  /** Upper bounds of a histogram's buckets, rising; null for other kinds. */
  readonly boundaries: readonly number[] | null;
}

/** What happened to one series since it was told of last. */
export interface SeriesChange {
  /** In the order of the metric's tagKeys; "" for a tag that was not given. */
  readonly tags: readonly string[];
  /** A counter's increase, a gauge's value, the sum of what a histogram observed. */
  readonly value: number;
  /** Observations by bucket, the last one for what is above all bounds; null for other kinds. */
  readonly counts: readonly number[] | null;
}

export interface MetricReport extends MetricDefinition {
  readonly series: readonly SeriesChange[];
}

export const METRIC_NAME_LENGTH_MAX: number = 200;
export const METRIC_TAGS_MAX: number = 20;
export const TAG_VALUE_LENGTH_MAX: number = 200;
export const BOUNDARIES_MAX: number = 100;
const DESCRIPTION_LENGTH_MAX = 500;
/** Begins the names of mobula's own metrics and labels. */
const OWN_PREFIX = "mobula_";

/**
 * What is wrong with a definition, as a sentence; null when nothing is. Types are the caller's to check: this is asked of
 * users' definitions and of messages alike.
 */
export function problemOf({ name, kind, description, tagKeys, boundaries }: MetricDefinition): string | null {
  const what = `metric ${JSON.stringify(name.slice(0, 80))}`;
  if (!/^[A-Za-z_:][A-Za-z0-9_:]*$/.test(name) || name.length > METRIC_NAME_LENGTH_MAX) {
    return `${what}: a name has letters, digits and _, does not begin with a digit, and is at most ` +
      `${METRIC_NAME_LENGTH_MAX} characters long`;
  }
  if (name.startsWith(OWN_PREFIX)) return `${what}: names that begin with ${OWN_PREFIX} are mobula's own`;
  if (description.length > DESCRIPTION_LENGTH_MAX) {
    return `${what}: its description is longer than ${DESCRIPTION_LENGTH_MAX} characters`;
  }
  if (tagKeys.length > METRIC_TAGS_MAX) {
    return `${what} has ${tagKeys.length} tag keys, at most ${METRIC_TAGS_MAX}`;
  }
  for (const [i, key] of tagKeys.entries()) {
    if (
      !/^[A-Za-z_][A-Za-z0-9_]*$/.test(key) || key.startsWith("__") || key.length > METRIC_NAME_LENGTH_MAX
    ) {
      return `${what}: tag key ${
        JSON.stringify(key.slice(0, 80))
      } must have letters, digits and _, and begin with a letter`;
    }
    if (key === "le" || key.startsWith(OWN_PREFIX)) return `${what}: the tag key ${key} is taken`;
    if (tagKeys.indexOf(key) !== i) return `${what} has the tag key ${key} twice`;
  }
  return kind === "histogram" ? problemOfBoundaries(what, boundaries) : null;
}

function problemOfBoundaries(what: string, boundaries: readonly number[] | null): string | null {
  if (boundaries === null || boundaries.length === 0 || boundaries.length > BOUNDARIES_MAX) {
    return `${what}: a histogram needs from 1 to ${BOUNDARIES_MAX} boundaries`;
  }
  for (const [i, bound] of boundaries.entries()) {
    if (!Number.isFinite(bound)) return `${what}: boundary ${bound} is not finite`;
    if (i > 0 && bound <= boundaries[i - 1]!) return `${what}: its boundaries must rise, ${bound} does not`;
  }
  return null;
}
