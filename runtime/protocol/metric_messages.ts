/**
 * User metrics on their way from a process to its node's agent (messages.ts extends this).
 * @module
 */
import type { MetricReport } from "../common/metric_report.ts";
import type { Notification } from "./method.ts";

export interface MetricAgentMethods {
  /** What changed since the last report. `dropped`: changes that the process left out, because it had too many series. */
  readonly userMetrics: Notification<{ metrics: MetricReport[]; dropped: number }>;
}
