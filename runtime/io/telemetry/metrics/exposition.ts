/**
 * Metrics as text for those who scrape them: Prometheus' format (0.0.4), and OpenMetrics 1.0 for those who ask for it.
 * @module
 */

export type MetricFormat = "prometheus" | "openmetrics";

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface HistogramSample {
  readonly labels: Readonly<Record<string, string>>;
  /** Not cumulative: one for each boundary and one for what is above all of them. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** One metric with its series. A counter's name ends in `_total`. */
export type MetricFamily =
  | {
    readonly kind: "counter" | "gauge";
    readonly name: string;
    readonly help: string;
    readonly samples: readonly Sample[];
  }
  | {
    readonly kind: "histogram";
    readonly name: string;
    readonly help: string;
    readonly boundaries: readonly number[];
    readonly samples: readonly HistogramSample[];
  };

export const CONTENT_TYPES: Readonly<Record<MetricFormat, string>> = {
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/** What an Accept header asks for. */
export function formatFor(accept: string | undefined): MetricFormat {
  return (accept ?? "").includes("application/openmetrics-text") ? "openmetrics" : "prometheus";
}

/** Families without a series are left out. */
export function metricsText(families: readonly MetricFamily[], format: MetricFormat): string {
  const lines: string[] = [];
  for (const family of families) if (family.samples.length > 0) writeFamily(lines, family, format);
  if (format === "openmetrics") lines.push("# EOF");
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

function writeFamily(lines: string[], family: MetricFamily, format: MetricFormat): void {
  const { name, kind, help } = family;
  // OpenMetrics names a counter without the ending of its sample.
  const title = format === "openmetrics" && kind === "counter" ? name.replace(/_total$/, "") : name;
  if (help !== "") lines.push(`# HELP ${title} ${escapeHelp(help, format)}`);
  lines.push(`# TYPE ${title} ${kind}`);
  if (family.kind === "histogram") {
    for (const sample of family.samples) writeHistogram(lines, name, family.boundaries, sample, format);
  } else {
    for (const { labels, value } of family.samples) {
      lines.push(`${name}${labelText(labels)} ${numberText(value)}`);
    }
  }
}

function writeHistogram(
  lines: string[],
  name: string,
  boundaries: readonly number[],
  { labels, counts, sum }: HistogramSample,
  format: MetricFormat,
): void {
  let below = 0;
  for (const [i, count] of counts.entries()) {
    below += count;
    const bound = boundaries[i];
    // OpenMetrics wants a bound to be written as a float.
    const le = bound === undefined
      ? "+Inf"
      : format === "openmetrics" && Number.isInteger(bound)
      ? `${bound}.0`
      : String(bound);
    lines.push(`${name}_bucket${labelText({ ...labels, le })} ${below}`);
  }
  lines.push(`${name}_sum${labelText(labels)} ${numberText(sum)}`);
  lines.push(`${name}_count${labelText(labels)} ${below}`);
}

/** Labels without a value are as good as absent. */
function labelText(labels: Readonly<Record<string, string>>): string {
  const parts: string[] = [];
  for (const key in labels) if (labels[key] !== "") parts.push(`${key}="${escapeLabel(labels[key]!)}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

function escapeHelp(text: string, format: MetricFormat): string {
  const escaped = text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return format === "openmetrics" ? escaped.replaceAll('"', '\\"') : escaped;
}

function numberText(value: number): string {
  return value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : String(value);
}
