/**
 * The head's metrics: the cluster as a whole, as it is when somebody scrapes. Each node has its own (agent_metrics.ts).
 * @module
 */
import type { MetricsSource } from "../../dashboard/server/metrics_routes.ts";
import {
  CONTENT_TYPES,
  formatFor,
  type MetricFamily,
  metricsText,
  type Sample,
} from "../io/telemetry/metrics/exposition.ts";
import {
  countBy,
  counter,
  counters,
  gauge,
  gauges,
  processFamilies,
} from "../io/telemetry/metrics/families.ts";
import type { TaskTotals } from "../../dashboard/api_types.ts";
import type { HeadServices } from "./head_methods.ts";

const TASK_STATES: Readonly<Record<keyof TaskTotals, string>> = {
  pendingArgs: "PENDING_ARGS_AVAIL",
  pendingNode: "PENDING_NODE_ASSIGNMENT",
  submitted: "SUBMITTED_TO_WORKER",
  running: "RUNNING",
  finished: "FINISHED",
  failed: "FAILED",
};

export function metricsSource(services: HeadServices): MetricsSource {
  return (accept) => {
    const format = formatFor(accept);
    const families = [
      ...processFamilies({}),
      ...clusterFamilies(services),
      ...taskFamilies(services),
      ...gcsFamilies(services),
    ];
    return { text: metricsText(families, format), type: CONTENT_TYPES[format] };
  };
}

function clusterFamilies({ view, gcs }: HeadServices): MetricFamily[] {
  const { resources } = view.read("cluster", null).data;
  const byResource = (of: "total" | "used"): Sample[] =>
    Object.entries(resources).map(([resource, use]) => ({ labels: { resource }, value: use[of] }));
  const actors = {
    PENDING_CREATION: 0,
    ALIVE: 0,
    RESTARTING: 0,
    DEAD: 0,
    ...view.actors.index.overview().states,
  };
  return [
    gauges(
      "mobula_nodes",
      "Nodes by state; of the dead ones the newest are remembered.",
      countBy(view.nodes.table.groups.values(), "state", ({ state }) => state, ["ALIVE", "SUSPECT", "DEAD"]),
    ),
    gauges("mobula_resource_total", "Resources of all live nodes, in whole units.", byResource("total")),
    gauges("mobula_resource_used", "Of these in use.", byResource("used")),
    gauges(
      "mobula_jobs",
      "Jobs by state; of those that ended the newest are remembered.",
      countBy(view.jobs.table.groups.values(), "state", ({ state }) => state, [
        "RUNNING",
        "SUCCEEDED",
        "FAILED",
      ]),
    ),
    gauges(
      "mobula_actors",
      "Actors by state; of the dead ones the newest are remembered.",
      Object.entries(actors).map(([state, value]) => ({ labels: { state }, value })),
    ),
    gauges(
      "mobula_placement_groups",
      "Placement groups by state.",
      countBy(gcs.groups.records(), "state", ({ state }) => state),
    ),
  ];
}

function taskFamilies({ view: { counts, telemetry } }: HeadServices): MetricFamily[] {
  const states: Sample[] = [];
  const seconds: Sample[] = [];
  for (const group of counts.functions.groups.values()) {
    const { name, type, runMs } = group;
    for (const [field, state] of Object.entries(TASK_STATES)) {
      const value = group[field as keyof TaskTotals];
      if (value > 0) states.push({ labels: { name, type, state }, value });
    }
    seconds.push({ labels: { name, type }, value: runMs / 1_000 });
  }
  return [
    gauges(
      "mobula_tasks",
      "Tasks and actors' calls by function and state, exact; a task counts once, however many attempts it took.",
      states,
    ),
    counters("mobula_task_run_seconds_total", "Time that functions ran.", seconds),
    counter("mobula_task_rows_sampled_out_total", "Task rows that were not recorded.", counts.rowsDropped),
    counter("mobula_task_rows_evicted_total", "Task rows that left memory.", telemetry.missing),
  ];
}

function gcsFamilies({ gcs, effects, store }: HeadServices): MetricFamily[] {
  const { queued, historyQueued, historyDropped, rowsSent } = store.counts;
  const waiting = gcs.scheduler.demand().reduce((sum, row) => sum + row.count, 0);
  return [
    gauge("mobula_gcs_objects", "Objects whose locations are known.", gcs.objects.size),
    gauge("mobula_gcs_object_waiters", "Who waits for an object to be made.", gcs.objects.waiterCount),
    gauge("mobula_gcs_open_requests", "Requests that are not answered yet.", effects.openRequests),
    gauge("mobula_scheduler_waiting_requests", "Requests for which there is no node now.", waiting),
    counter("mobula_gcs_store_rows_total", "Rows that were sent to the store.", rowsSent),
    gauge("mobula_gcs_store_queued_writes", "Writes that are not on their way to the store yet.", queued),
    gauge(
      "mobula_gcs_store_queued_history_rows",
      "History rows that are not on their way yet.",
      historyQueued,
    ),
    counter("mobula_gcs_store_history_dropped_total", "History rows that were given up.", historyDropped),
    gauge(
      "mobula_gcs_store_is_waiting",
      "1 while the store takes no writes.",
      store.waitingFor === null ? 0 : 1,
    ),
  ];
}
