/**
 * Label selectors, Ray's grammar: `v` (equal), `!v` (not equal), `in(a,b)`, `!in(a,b)`. A node without the label has
 * no value for it: it meets the negative forms only.
 * @module
 */

/** Whether a node with `labels` meets every condition of `selector`. */
export function matchesLabels(
  labels: Readonly<Record<string, string>>,
  selector: Readonly<Record<string, string>> | undefined,
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
  selector: Readonly<Record<string, string>> | undefined,
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
