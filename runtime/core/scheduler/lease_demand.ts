/**
 * Why requests wait, in sentences for people, and how much waits: the demand rows of a heartbeat.
 * @module
 */
import { unmetLabels } from "../../common/labels.ts";
import { describeAmount, describeResources, type ResourceSet } from "../../common/resources.ts";
import type { GroupStrategy } from "../../common/task_spec.ts";
import type { DemandRow } from "../../protocol/messages.ts";
import type { PendingRequest } from "./lease_queue.ts";
import { groupOf } from "./lease_table.ts";
import type { NodeResources } from "./node_resources.ts";

/** Demand rows in one heartbeat, at most; further shapes are summed up in the last one. */
export const DEMAND_ROWS_MAX: number = 100;

/** What the reasons are made from, besides the requests. */
export interface DemandView {
  readonly resources: NodeResources;
  readonly labels: Readonly<Record<string, string>>;
  readonly leases: number;
  readonly peers: number;
  readonly draining: boolean;
  /** The last start failure of a runtime environment that is backing off. */
  failureOf(envHash: string): { readonly failures: number; readonly message: string } | undefined;
}

/** One row for each name and shape, with the number of tasks behind it. */
export function demandRows(pending: Iterable<PendingRequest>, view: DemandView): DemandRow[] {
  const rows = new Map<string, { first: PendingRequest; groups: Map<string, number> }>();
  for (const entry of pending) {
    // A forwarded request is the other node's demand.
    if (entry.phase === "forwarded") continue;
    const key = `${entry.request.name}|${entry.request.classKey.split("#")[0]}`;
    let row = rows.get(key);
    if (row === undefined) rows.set(key, row = { first: entry, groups: new Map() });
    // Every request of a group tells the group's whole backlog.
    const group = groupOf(entry.request);
    row.groups.set(group, Math.max(row.groups.get(group) ?? 0, entry.backlog, 1));
  }
  const result: DemandRow[] = [];
  let more = 0;
  for (const { first, groups } of rows.values()) {
    let count = 0;
    for (const backlog of groups.values()) count += backlog;
    if (result.length >= DEMAND_ROWS_MAX - 1) {
      more += count;
      continue;
    }
    const { name, resources } = first.request;
    result.push({ name, resources, count, reason: reasonOf(first, view) });
  }
  if (more > 0) result.push({ name: "(others)", resources: {}, count: more, reason: "More shapes wait." });
  return result;
}

/** One sentence: why this request has no worker yet. */
export function reasonOf(entry: PendingRequest, view: DemandView): string {
  const { resources, labelSelector, runtimeEnv, args, strategy } = entry.request;
  const failure = view.failureOf(runtimeEnv.hash);
  switch (entry.phase) {
    case "pulling":
      return `Its ${
        args.length === 1 ? "argument is" : `${args.length} arguments are`
      } being fetched to this node.`;
    case "forwarded":
      return `It waits at ${entry.forwardedTo}.`;
    case "starting":
      if (failure === undefined) return "A worker process is starting for it.";
      return `A worker process is starting for it, after ${failure.failures} that did not start: ${failure.message}`;
    case "queued":
      if (failure !== undefined) {
        return `Worker processes do not start (${failure.failures} times so far): ${failure.message}`;
      }
      if (strategy.type === "group") {
        return `Waits for ${describeResources(resources)} in ${describeBundle(strategy)}.`;
      }
      return `Waits for ${shortage(resources, view)} (${view.leases} leases held).`;
    case "deciding":
      break;
  }
  if (strategy.type === "group") return `Waits for the node of ${describeBundle(strategy)}.`;
  if (view.draining) return "This node is draining; another node is looked for.";
  const unmet = unmetLabels(view.labels, labelSelector);
  if (unmet.length > 0) return `This node does not fit (${unmet.join(", ")}); another node is looked for.`;
  if (!view.resources.feasible(resources)) {
    return `Needs ${describeResources(resources)}, this node has ${
      describeResources(view.resources.total)
    }; ` +
      "another node is looked for.";
  }
  return "The global scheduler is choosing a node.";
}

function describeBundle({ bundleIndex, groupId }: GroupStrategy): string {
  return `${bundleIndex < 0 ? "a bundle" : `bundle ${bundleIndex}`} of placement group ${groupId}`;
}

/** `CPU 1 (0 of 4 free)` for each resource that is short. */
function shortage(request: ResourceSet, view: DemandView): string {
  const { available, total } = view.resources;
  const lacking = view.resources.lacking(request);
  if (lacking.length === 0) return "its turn";
  return lacking.map((name) =>
    `${name} ${describeAmount(name, request[name] ?? 0)} (${
      describeAmount(name, Math.max(0, available[name] ?? 0))
    } of ${describeAmount(name, total[name] ?? 0)} free)`
  ).join(", ");
}
