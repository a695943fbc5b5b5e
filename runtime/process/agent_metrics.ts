/**
 * A node's metrics: what its agent, scheduler, workers and store have at hand when somebody scrapes, and what user code
 * counted here. Served on a port of its own, to the bearer of the cluster's token.
 * @module
 */
import type { HttpListener } from "../../dashboard/server/serve.ts";
import type { NodeId } from "../common/ids.ts";
import { fromUnits, type ResourceSet } from "../common/resources.ts";
import { processUsage } from "../io/process_usage.ts";
import {
  CONTENT_TYPES,
  formatFor,
  type MetricFamily,
  metricsText,
} from "../io/telemetry/metrics/exposition.ts";
import {
  countBy,
  counter,
  counters,
  gauge,
  gauges,
  processFamilies,
} from "../io/telemetry/metrics/families.ts";
import { UserMetrics } from "../io/telemetry/metrics/user_metrics.ts";
import type { TlsOptions } from "../io/transport/http2.ts";
import type { WorkerReport } from "../protocol/node_rows.ts";
import type { AgentParts } from "./agent_handlers.ts";

/** Workers that have series of their own. */
const WORKERS_MAX = 1_000;

export interface AgentMetricsOptions {
  readonly nodeId: NodeId;
  readonly resources: ResourceSet;
  /** The node's worker processes. */
  readonly workers: () => readonly WorkerReport[];
  /** Since this agent began. */
  readonly memoryKills: () => number;
}

export class AgentMetrics {
  readonly user: UserMetrics;
  readonly #options: AgentMetricsOptions;
  #listener: HttpListener | null = null;

  constructor(options: AgentMetricsOptions) {
    this.#options = options;
    this.user = new UserMetrics({ nodeId: options.nodeId });
  }

  /** Where it is scraped; null: nowhere. */
  get port(): number | null {
    return this.#listener?.port ?? null;
  }

  /** `port`: the wanted one, or the next free one; 0: any. */
  async listen(
    parts: AgentParts,
    { host, port, token, tls }: {
      readonly host: string;
      readonly port: number;
      readonly token: string;
      readonly tls: TlsOptions | undefined;
    },
  ): Promise<void> {
    // Not loaded by agents that serve none.
    const [{ createAuth }, { listenHttp }] = await Promise.all([
      import("../../dashboard/server/auth.ts"),
      import("../../dashboard/server/serve.ts"),
    ]);
    const auth = createAuth(token);
    const fetch = (request: Request): Response => {
      const { pathname } = new URL(request.url);
      const refuse = (status: number, why: string): Response => new Response(`${why}\n`, { status });
      if (pathname === "/healthz") return refuse(200, "ok");
      if (auth.roleOfBearer(request.headers.get("authorization") ?? undefined) === null) {
        return new Response("the cluster's token is required: Authorization: Bearer TOKEN\n", {
          status: 401,
          headers: { "www-authenticate": "Bearer" },
        });
      }
      if (pathname !== "/metrics") return refuse(404, "there is nothing at this address; there is /metrics");
      if (request.method !== "GET") return refuse(405, "metrics are read with GET");
      const format = formatFor(request.headers.get("accept") ?? undefined);
      return new Response(metricsText(this.#families(parts), format), {
        headers: { "content-type": CONTENT_TYPES[format], "cache-control": "no-store" },
      });
    };
    const { cert, key } = tls ?? {};
    const https = cert === undefined || key === undefined ? {} : { tls: { cert, key } };
    this.#listener = await listenHttp({ fetch, host, port, ...https });
  }

  async close(): Promise<void> {
    await this.#listener?.close();
  }

  #families(parts: AgentParts): MetricFamily[] {
    const { nodeId, resources, workers } = this.#options;
    const own = { mobula_node: nodeId };
    const families = [
      ...processFamilies(own),
      ...schedulerFamilies(parts, resources, this.#options.memoryKills()),
      ...workerFamilies(parts, workers()),
      ...storeFamilies(parts),
      gauge("mobula_node_user_metric_series", "Series of user metrics.", this.user.size),
      counter(
        "mobula_node_user_metric_changes_dropped_total",
        "Changes of user metrics that were left out: too many series, or no sense in them.",
        this.user.dropped,
      ),
    ];
    const labelled = families.map((family) => ({
      ...family,
      samples: family.samples.map((sample) => ({ ...sample, labels: { ...own, ...sample.labels } })),
    })) as MetricFamily[];
    return [...labelled, ...this.user.families(Date.now())];
  }
}

function schedulerFamilies(
  { leases: { scheduler } }: AgentParts,
  resources: ResourceSet,
  memoryKills: number,
): MetricFamily[] {
  const total = fromUnits(resources);
  const free = fromUnits(scheduler.available);
  const { queueLength, queueWaitMs } = scheduler.load();
  const byName = (of: (name: string) => number) =>
    Object.keys(total).map((resource) => ({ labels: { resource }, value: of(resource) }));
  return [
    gauges(
      "mobula_node_resource_total",
      "Resources of the node, in whole units.",
      byName((name) => total[name]!),
    ),
    gauges(
      "mobula_node_resource_used",
      "Resources in use; more than there are while blocked tasks resume.",
      byName((name) => total[name]! - (free[name] ?? 0)),
    ),
    gauge("mobula_node_leases", "Leases of workers that are held.", scheduler.leaseCount),
    gauge("mobula_node_tasks_waiting", "Tasks that wait at this node for a worker.", queueLength),
    gauge("mobula_node_lease_wait_seconds", "How long lease requests waited lately.", queueWaitMs / 1_000),
    counter("mobula_node_memory_kills_total", "Workers that were ended for low memory.", memoryKills),
  ];
}

function workerFamilies({ processes }: AgentParts, workers: readonly WorkerReport[]): MetricFamily[] {
  const used = workers.slice(0, WORKERS_MAX).flatMap(({ workerId, pid }) => {
    const usage = pid === null ? null : processUsage(pid);
    return usage === null ? [] : [{ labels: { mobula_worker: workerId }, usage }];
  });
  const drivers = [...processes.all()].filter(({ role }) => role === "driver");
  return [
    gauges(
      "mobula_node_workers",
      "Worker processes by state.",
      countBy(workers, "state", ({ state }) => state, ["STARTING", "IDLE", "LEASED", "ACTOR"]),
    ),
    gauge("mobula_node_drivers", "Drivers that are attached to this node.", drivers.length),
    counters(
      "mobula_worker_cpu_seconds_total",
      "Processor time of each worker.",
      used.map(({ labels, usage }) => ({ labels, value: usage.cpuSeconds })),
    ),
    gauges(
      "mobula_worker_resident_memory_bytes",
      "Memory of each worker, with what it shares.",
      used.map(({ labels, usage }) => ({ labels, value: usage.rssBytes })),
    ),
  ];
}

function storeFamilies({ store }: AgentParts): MetricFamily[] {
  const usage = store.usage();
  const pulls = countBy(store.pulls.all(), "state", ({ state }) => state);
  const bandwidth = Object.entries(store.pulls.bandwidth()).map(([peer, value]) => ({
    labels: { peer },
    value,
  }));
  return [
    gauge("mobula_store_capacity_bytes", "Size of the node's object store.", usage.capacity),
    gauge("mobula_store_used_bytes", "Bytes of it that are taken.", usage.used),
    gauge("mobula_store_pinned_bytes", "Of these, what readers hold.", usage.pinned),
    gauge("mobula_store_objects", "Objects in it.", usage.objects),
    gauge("mobula_store_primary_objects", "Of these, copies that are never evicted.", usage.primaries),
    gauge("mobula_store_spilled_bytes", "Bytes of objects on disk.", usage.spilled),
    gauge("mobula_store_spilled_objects", "Objects on disk.", usage.spilledObjects),
    gauge("mobula_store_waiting_creations", "Objects in the making that wait for room.", usage.waiting),
    gauges("mobula_store_pulls", "Objects on their way to this node, by state.", pulls),
    gauges("mobula_store_pull_bytes_per_second", "Measured throughput of pulls from each peer.", bandwidth),
  ];
}
