/**
 * Short forms for the metrics that head and agents make of what they have at hand.
 * @module
 */
import { ownUsage } from "../../process_usage.ts";
import type { MetricFamily, Sample } from "./exposition.ts";

type Labels = Readonly<Record<string, string>>;

export function gauge(name: string, help: string, value: number | null, labels: Labels = {}): MetricFamily {
  return { kind: "gauge", name, help, samples: value === null ? [] : [{ labels, value }] };
}

export function counter(name: string, help: string, value: number, labels: Labels = {}): MetricFamily {
  return { kind: "counter", name, help, samples: [{ labels, value }] };
}

export function gauges(name: string, help: string, samples: readonly Sample[]): MetricFamily {
  return { kind: "gauge", name, help, samples };
}

export function counters(name: string, help: string, samples: readonly Sample[]): MetricFamily {
  return { kind: "counter", name, help, samples };
}

/** How many of `all` have each label, as a gauge; `known` labels are there also without any. */
export function countBy<T>(
  all: Iterable<T>,
  label: string,
  of: (one: T) => string,
  known: readonly string[] = [],
): Sample[] {
  const counts = new Map(known.map((name) => [name, 0]));
  for (const one of all) counts.set(of(one), (counts.get(of(one)) ?? 0) + 1);
  return [...counts].map(([name, value]) => ({ labels: { [label]: name }, value }));
}

/** This process's own, under the names that everybody uses. */
export function processFamilies(labels: Labels): MetricFamily[] {
  const { cpuSeconds, rssBytes } = ownUsage();
  return [
    counter("process_cpu_seconds_total", "Processor time of this process.", cpuSeconds, labels),
    gauge("process_resident_memory_bytes", "Memory of this process.", rssBytes, labels),
    gauge("process_start_time_seconds", "When this process began.", performance.timeOrigin / 1_000, labels),
  ];
}
