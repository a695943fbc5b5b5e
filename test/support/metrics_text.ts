/**
 * Reads metrics as Prometheus and OpenMetrics write them, strictly: what is not well-formed throws, with the line.
 * @module
 */

export interface ReadSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ReadMetrics {
  readonly types: ReadonlyMap<string, string>;
  readonly samples: readonly ReadSample[];
  /** The value of the one series with this name and these labels (and perhaps others). */
  value(name: string, labels?: Record<string, string>): number;
  all(name: string, labels?: Record<string, string>): ReadSample[];
}

const NAME = String.raw`[a-zA-Z_:][a-zA-Z0-9_:]*`;
const LABEL = String.raw`[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"`;
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)\\})? (NaN|[+-]Inf|[0-9.eE+-]+)$`);
const ENDINGS: Readonly<Record<string, readonly string[]>> = {
  counter: ["_total", ""],
  gauge: [""],
  histogram: ["_bucket", "_sum", "_count"],
};

export function readMetrics(text: string, openMetrics: boolean = false): ReadMetrics {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const lines = text.slice(0, -1).split("\n");
  if (openMetrics && lines.pop() !== "# EOF") throw new Error("no # EOF at the end");
  const types = new Map<string, string>();
  const samples: ReadSample[] = [];
  const seen = new Set<string>();
  let family = "";
  for (const line of lines) {
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (comment !== null) {
      const [, what, name, rest] = comment as unknown as [string, string, string, string];
      if (what === "HELP") continue;
      if (types.has(name) || ENDINGS[rest] === undefined) throw new Error(`bad type: ${line}`);
      types.set(family = name, rest);
      continue;
    }
    const match = SAMPLE.exec(line);
    if (match === null) throw new Error(`no sample: ${line}`);
    const [, name, labelText = "", valueText] = match as unknown as [
      string,
      string,
      string | undefined,
      string,
    ];
    const endings = ENDINGS[types.get(family) ?? ""] ?? [];
    if (!endings.some((ending) => name === family + ending)) throw new Error(`not of ${family}: ${line}`);
    if (seen.has(`${name}{${labelText}}`)) throw new Error(`twice: ${line}`);
    seen.add(`${name}{${labelText}}`);
    const value = valueText === "+Inf" ? Infinity : valueText === "-Inf" ? -Infinity : Number(valueText);
    if (Number.isNaN(value) && valueText !== "NaN") throw new Error(`no number: ${line}`);
    samples.push({ name, labels: labelsOf(labelText), value });
  }
  const all = (name: string, labels: Record<string, string> = {}): ReadSample[] =>
    samples.filter((sample) =>
      sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value)
    );
  return {
    types,
    samples,
    all,
    value(name, labels) {
      const found = all(name, labels);
      if (found.length === 1) return found[0]!.value;
      throw new Error(`${found.length} series of ${name}${JSON.stringify(labels ?? {})}`);
    },
  };
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [, key, value] of text.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
    if (key! in labels) throw new Error(`label ${key} twice`);
    labels[key!] = value!.replace(/\\(.)/g, (_, char) => char === "n" ? "\n" : char);
  }
  return labels;
}
