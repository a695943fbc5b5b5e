/**
 * Metrics as text in both formats, and what a node makes of what user code tells it.
 */
import { describe, expect, test } from "bun:test";
import type { MetricReport } from "../../../../runtime/common/metric_report.ts";
import { formatFor, metricsText } from "../../../../runtime/io/telemetry/metrics/exposition.ts";
import { UserMetrics } from "../../../../runtime/io/telemetry/metrics/user_metrics.ts";
import { readMetrics } from "../../../support/metrics_text.ts";

function report(some: Partial<MetricReport> = {}): MetricReport {
  return {
    ...{ name: "pages", kind: "counter", description: "Pages.", tagKeys: ["host"], boundaries: null },
    series: [{ tags: ["a.example"], value: 1, counts: null }],
    ...some,
  };
}
const told = (...metrics: MetricReport[]) => ({ metrics, dropped: 0 });

describe("the text", () => {
  const families = [
    {
      kind: "counter" as const,
      name: "pages_total",
      help: 'Back\\slash, "quotes"\nand lines.',
      samples: [{ labels: { path: 'a"b\\c\nd', empty: "" }, value: 3 }, { labels: {}, value: 1e21 }],
    },
    { kind: "gauge" as const, name: "nothing", help: "Left out.", samples: [] },
    { kind: "gauge" as const, name: "depth", help: "", samples: [{ labels: {}, value: -Infinity }] },
    {
      kind: "histogram" as const,
      name: "seconds",
      help: "How long.",
      boundaries: [0.1, 1],
      samples: [{ labels: { x: "1" }, counts: [2, 0, 3], sum: 40.5 }],
    },
  ];

  test("is what Prometheus reads", () => {
    expect(metricsText(families, "prometheus").split("\n")).toEqual([
      '# HELP pages_total Back\\\\slash, "quotes"\\nand lines.',
      "# TYPE pages_total counter",
      'pages_total{path="a\\"b\\\\c\\nd"} 3',
      "pages_total 1e+21",
      "# TYPE depth gauge",
      "depth -Inf",
      "# HELP seconds How long.",
      "# TYPE seconds histogram",
      'seconds_bucket{x="1",le="0.1"} 2',
      'seconds_bucket{x="1",le="1"} 2',
      'seconds_bucket{x="1",le="+Inf"} 5',
      'seconds_sum{x="1"} 40.5',
      'seconds_count{x="1"} 5',
      "",
    ]);
  });

  test("in OpenMetrics names counters without their ending, writes bounds as floats, and ends", () => {
    const text = metricsText(families, "openmetrics");
    const read = readMetrics(text, true);
    expect([...read.types.keys()]).toEqual(["pages", "depth", "seconds"]);
    expect(read.value("pages_total", { path: 'a"b\\c\nd' })).toBe(3);
    expect(read.value("seconds_bucket", { le: "1.0" })).toBe(2);
    expect(text).toContain('Back\\\\slash, \\"quotes\\"\\nand lines.');
  });

  test("is in the format that is accepted", () => {
    expect(formatFor(undefined)).toBe("prometheus");
    expect(formatFor("text/plain;version=0.0.4;q=0.5,*/*;q=0.1")).toBe("prometheus");
    expect(formatFor("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3")).toBe(
      "openmetrics",
    );
  });
});

describe("a node", () => {
  const read = (metrics: UserMetrics, nowMs = 0) =>
    readMetrics(metricsText(metrics.families(nowMs), "prometheus"));
  const labels = { mobula_job: "j-1", mobula_node: "n-1" };

  test("sums counters and histograms over processes, by job and tags", () => {
    const metrics = new UserMetrics({ nodeId: "n-1" });
    const seconds = report({
      ...{ name: "seconds", kind: "histogram", tagKeys: [], boundaries: [1, 2] },
      series: [{ tags: [], value: 4, counts: [1, 0, 1] }],
    });
    metrics.take("w-1", "j-1", told(report(), seconds));
    metrics.take(
      "w-2",
      "j-1",
      told(report(), report({ series: [{ tags: ["b"], value: 5, counts: null }] }), seconds),
    );
    metrics.take("w-3", "j-2", told(report()));
    metrics.processEnded("w-1");
    const text = read(metrics);
    expect(text.value("pages_total", { ...labels, host: "a.example" })).toBe(2);
    expect(text.value("pages_total", { ...labels, host: "b" })).toBe(5);
    expect(text.value("pages_total", { mobula_job: "j-2" })).toBe(1);
    expect(text.value("seconds_bucket", { le: "1" })).toBe(2);
    expect(text.value("seconds_count", labels)).toBe(4);
    expect(text.value("seconds_sum", labels)).toBe(8);
  });

  test("has a gauge for each process that set it, as long as that lives", () => {
    const metrics = new UserMetrics({ nodeId: "n-1" });
    const depth = (value: number) =>
      report({ name: "depth", kind: "gauge", tagKeys: [], series: [{ tags: [], value, counts: null }] });
    metrics.take("w-1", "j-1", told(depth(3)));
    metrics.take("w-2", "j-1", told(depth(7)));
    metrics.take("w-1", "j-1", told(depth(2)));
    expect(read(metrics).all("depth").map(({ value }) => value)).toEqual([2, 7]);
    metrics.processEnded("w-1");
    expect(read(metrics).value("depth", { ...labels, mobula_worker: "w-2" })).toBe(7);
  });

  test("OBS-07 forgets a job's series some time after its end", () => {
    const metrics = new UserMetrics({ nodeId: "n-1", keptAfterJobMs: 1_000 });
    metrics.take("w-1", "j-1", told(report()));
    metrics.take("w-1", "j-2", told(report()));
    metrics.jobEnded("j-1", 500);
    expect(read(metrics, 1_499).all("pages_total").length).toBe(2);
    expect(read(metrics, 1_500).all("pages_total").map((sample) => sample.labels["mobula_job"])).toEqual([
      "j-2",
    ]);
    metrics.jobEnded("j-2", 2_000);
    metrics.jobEnded("j-3", 3_000);
    expect(metrics.size).toBe(0);
  });

  test("bounds its series and counts what is left out, also what processes left out", () => {
    const metrics = new UserMetrics({ nodeId: "n-1", seriesMax: 3 });
    for (let i = 0; i < 5; i++) {
      metrics.take("w-1", "j-1", told(report({ series: [{ tags: [`h${i}`], value: 1, counts: null }] })));
    }
    metrics.take("w-1", "j-1", { metrics: [], dropped: 4 });
    expect([metrics.size, metrics.dropped]).toEqual([3, 6]);
    metrics.take("w-1", "j-1", told(report({ series: [{ tags: ["h0"], value: 1, counts: null }] })));
    expect(read(metrics).value("pages_total", { host: "h0" })).toBe(2);
  });

  test("drops what makes no sense: processes may run anybody's code", () => {
    const metrics = new UserMetrics({ nodeId: "n-1" });
    const change = { tags: ["a"], value: 1, counts: null };
    const bad: unknown[] = [
      null,
      7,
      {},
      report({ name: "no name" }),
      report({ name: "mobula_tasks" }),
      report({ name: "__proto__ {" }),
      report({ kind: "summary" as never }),
      report({ tagKeys: ["le"] }),
      report({ tagKeys: [7 as never] }),
      report({ series: 7 as never }),
      report({ series: [null as never] }),
      report({ series: [{ ...change, tags: [] }] }),
      report({ series: [{ ...change, tags: ["x".repeat(300)] }] }),
      report({ series: [{ ...change, value: -1 }] }),
      report({ series: [{ ...change, value: "1" as never }] }),
      report({ series: [{ ...change, counts: [1] }] }),
      report({ kind: "histogram", boundaries: [2, 1] }),
      report({ kind: "histogram", boundaries: [1], series: [{ ...change, counts: [1] }] }),
    ];
    metrics.take("w-1", "j-1", told(...bad as MetricReport[]));
    expect([metrics.size, metrics.dropped]).toEqual([0, bad.length]);
    metrics.take("w-1", "j-1", { metrics: 7 as never, dropped: NaN });
    // The same name for something else.
    metrics.take(
      "w-1",
      "j-1",
      told(report(), report({ kind: "gauge", tagKeys: [], series: [{ ...change, tags: [] }] })),
    );
    expect([metrics.size, metrics.dropped]).toEqual([1, bad.length + 1]);
  });
});
