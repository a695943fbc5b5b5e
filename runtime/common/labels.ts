/**
 * Label selectors, Ray's grammar: `v` (equal), `!v` (not equal), `in(a,b)`, `!in(a,b)`. A node without the label has
 * no value for it: it meets the negative forms only.
 * @module
 */

/** Conditions by label. */
export type LabelSelector = Readonly<Record<string, string>>;

/** What a piece of work says about the labels of its node. */
export interface LabelWishes {
  /** Absent: any node. */
  readonly labelSelector?: LabelSelector | undefined;
  /** Tried in order when no live node that could run it meets the selector (Ray's fallback_strategy). */
  readonly fallbackStrategy?: readonly { readonly labelSelector: LabelSelector }[] | undefined;
}

/** The selectors of a piece of work in the order in which they are tried, at least one; undefined is met by every node. */
export function selectorsOf({ labelSelector, fallbackStrategy }: LabelWishes): (LabelSelector | undefined)[] {
  return [labelSelector, ...(fallbackStrategy ?? []).map((fallback) => fallback.labelSelector)];
}

/** The wishes alone, without absent ones, to be spread into what travels. */
export function labelWishesOf({ labelSelector, fallbackStrategy }: LabelWishes): LabelWishes {
  return { ...(labelSelector && { labelSelector }), ...(fallbackStrategy && { fallbackStrategy }) };
}

/** Whether a node with `labels` meets every condition of `selector`. */
export function matchesLabels(
  labels: Readonly<Record<string, string>>,
  selector: LabelSelector | undefined,
): boolean {
  for (const key in selector) {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    if (!matchesOne(value, selector[key]!)) return false;
  }
  return true;
}

/** The conditions that a node does not meet, for people: `zone must be eu (is us)`. */
export function unmetLabels(
  labels: Readonly<Record<string, string>>,
  selector: LabelSelector | undefined,
): string[] {
  const unmet: string[] = [];
  for (const key in selector) {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    if (!matchesOne(value, selector[key]!)) {
      unmet.push(`${key} must be ${selector[key]} (is ${value ?? "not set"})`);
    }
  }
  return unmet;
}

function matchesOne(value: string | undefined, condition: string): boolean {
  const negated = condition.startsWith("!");
  const positive = negated ? condition.slice(1) : condition;
  const list = positive.startsWith("in(") && positive.endsWith(")")
    ? positive.slice(3, -1).split(",").map((item) => item.trim())
    : [positive];
  return (value !== undefined && list.includes(value)) !== negated;
}
