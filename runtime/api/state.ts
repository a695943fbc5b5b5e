/**
 * What the cluster is and does: nodes, resources, and rows for people.
 * @module
 */
import { DRAIN_DEADLINE_MS } from "../common/config.ts";
import type { TraceEvent } from "../../dashboard/api/timeline.ts";
import type { NodeId } from "../common/ids.ts";
import { checkKnownOptions } from "../common/options.ts";
import { kindOfId } from "../common/id_kinds.ts";
import { addResources, fromUnits } from "../common/resources.ts";
import { taskSentence } from "../core/why/task_sentence.ts";
import { requireCoreWorker } from "../io/core_worker/current.ts";
import type { HeadMethods, NodeRow } from "../protocol/messages.ts";
import { keepAlive } from "./keep_alive.ts";

async function ask<M extends keyof HeadMethods>(
  method: M,
  params: HeadMethods[M]["params"],
): Promise<HeadMethods[M]["result"]> {
  const core = requireCoreWorker();
  const { result } = await keepAlive(core.link.request("head", { method, params }));
  return result as HeadMethods[M]["result"];
}

/** All nodes, dead ones included for a while. */
export async function nodes(): Promise<
  { nodeId: string; alive: boolean; resources: Record<string, number>; labels: Record<string, string> }[]
> {
  return (await ask("nodes", {})).nodes.map((node) => ({
    nodeId: node.nodeId,
    alive: node.state !== "DEAD",
    resources: fromUnits(node.resources),
    labels: { ...node.labels },
  }));
}

/** Resources of all live nodes together. */
export async function clusterResources(): Promise<Record<string, number>> {
  return await sum((node) => node.resources);
}

/** Resources that are free now, eventually consistent. A resource of which nothing is free is absent. */
export async function availableResources(): Promise<Record<string, number>> {
  const free = await sum((node) => node.available);
  for (const name of Object.keys(free)) if (free[name]! <= 0) delete free[name];
  return free;
}

async function sum(of: (node: NodeRow) => Readonly<Record<string, number>>): Promise<Record<string, number>> {
  const total: Record<string, number> = {};
  for (const node of (await ask("nodes", {})).nodes) if (node.state !== "DEAD") addResources(total, of(node));
  return fromUnits(total);
}

/** How long `why` waits for the head before it says what this process knows. */
const HEAD_ANSWER_MS = 5_000;

/** One sentence with the numbers: why this task (t-…), actor (a-…), object (o-…) or placement group (g-…) is where it is. RangeError for an id that
 *  nobody in the cluster knows. While the head is away, only this process's own tasks can be explained. */
export async function why(id: string): Promise<string> {
  if (typeof id !== "string") throw new TypeError(`why(id): id must be a string, is ${String(id)}`);
  const core = requireCoreWorker();
  const asked = ask("why", { id }).then(({ sentence }) => sentence);
  const call = core.explain(id);
  if (call === null || call.stage.at === "ended") return await asked;
  const late = Promise.withResolvers<string>();
  const timer = setTimeout(() => {
    const { self: owner, node } = core.identity;
    const known = { id, owner, node, call, nowMs: core.nowMs(), lease: null, remote: null, cluster: null };
    const missing = call.stage.at === "arguments" ? call.stage.missing : [];
    const places = missing.map((one) => ({ id: one.id, nodes: [], bytes: 0, maker: null }));
    late.resolve(`${taskSentence({ ...known, missing: places, actor: null })}; the head does not answer.`);
  }, HEAD_ANSWER_MS);
  try {
    return await Promise.race([asked, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function checkType(name: string, value: unknown, type: "boolean" | "number" | "string"): void {
  if (value === undefined || typeof value === type) return;
  throw new TypeError(`Option ${name} must be a ${type}, is ${value === null ? "null" : typeof value}`);
}

function checkTexts(name: string, value: unknown): void {
  if (value === undefined || (Array.isArray(value) && value.every((one) => typeof one === "string"))) return;
  throw new TypeError(`Option ${name} must be an array of strings`);
}

export interface DrainOptions {
  /** When it leaves at the latest, in milliseconds from now; by default in an hour. */
  deadlineMs?: number;
  /** For people: it is the node's last word. */
  reason?: string;
  /** Only if nothing runs there now. */
  ifIdle?: boolean;
}

/**
 * Take a node out of the cluster: no new work goes there, running work continues to the deadline, its objects move to other
 * nodes, its actors are restarted elsewhere. False when it was refused (`ifIdle`, and it is not). MobulaError for an unknown
 * node, and for the head's.
 */
export async function drainNode(nodeId: string, options: DrainOptions = {}): Promise<boolean> {
  if (typeof nodeId !== "string") throw new TypeError(`drainNode needs a node id, not ${typeof nodeId}`);
  checkKnownOptions(options, ["deadlineMs", "reason", "ifIdle"]);
  const { deadlineMs = DRAIN_DEADLINE_MS, reason = "drainNode() was called", ifIdle = false } = options;
  checkType("deadlineMs", deadlineMs, "number");
  checkType("reason", reason, "string");
  checkType("ifIdle", ifIdle, "boolean");
  if (!(deadlineMs >= 0 && deadlineMs < Infinity)) {
    throw new RangeError(`Option deadlineMs must be a finite number of at least 0, is ${deadlineMs}`);
  }
  const { accepted } = await ask("drainNode", { nodeId: nodeId as NodeId, deadlineMs, reason, ifIdle });
  return accepted;
}

/** What to list. Filters are AND-ed: "state=FAILED", "name~fetch", "durationMs>5s", "bytes>=64MiB". */
export interface ListOptions {
  filters?: string[];
  /** Rows in the answer: 100 by default, 10,000 at most. */
  limit?: number;
  /** `next` of the answer before. */
  after?: string;
  /** Also the columns that are long or seldom wanted. */
  detail?: boolean;
}

/** Rows, newest first, and what is not among them: nothing is cut silently. */
export interface StateRows extends Array<Record<string, unknown>> {
  /** Rows that the filters let through. */
  readonly total: number;
  /** Pass it as `after` for the rows that follow; null at the end. */
  readonly next: string | null;
  /** Rows of this kind that the cluster no longer remembers. */
  readonly dropped: number;
}

/** What is said of the rows is none of them: it is not enumerated, and does not travel with them. */
function withFacts<F extends object>(
  rows: Record<string, unknown>[],
  facts: F,
): Record<string, unknown>[] & F {
  for (const [name, value] of Object.entries(facts)) Object.defineProperty(rows, name, { value });
  return rows as Record<string, unknown>[] & F;
}

const LIST_OPTIONS: readonly string[] = ["filters", "limit", "after", "detail"];

async function list(kind: string, options: ListOptions = {}): Promise<StateRows> {
  checkKnownOptions(options, LIST_OPTIONS);
  checkTexts("filters", options.filters);
  checkType("limit", options.limit, "number");
  checkType("after", options.after, "string");
  checkType("detail", options.detail, "boolean");
  const { rows, total, next, dropped } = await ask("list", { kind, ...options });
  return withFacts(rows, { total, next, dropped });
}

export async function listTasks(options?: ListOptions): Promise<StateRows> {
  return await list("tasks", options);
}
export async function listActors(options?: ListOptions): Promise<StateRows> {
  return await list("actors", options);
}
export async function listObjects(options?: ListOptions): Promise<StateRows> {
  return await list("objects", options);
}
export async function listNodes(options?: ListOptions): Promise<StateRows> {
  return await list("nodes", options);
}
export async function listWorkers(options?: ListOptions): Promise<StateRows> {
  return await list("workers", options);
}
export async function listJobs(options?: ListOptions): Promise<StateRows> {
  return await list("jobs", options);
}
export async function listPlacementGroups(options?: ListOptions): Promise<StateRows> {
  return await list("placement-groups", options);
}

export interface SummarizeOptions {
  /** Columns that rows are grouped by: ["name", "nodeId"]. Each kind has its own default. */
  by?: string[];
  filters?: string[];
}

/** Groups, the largest first. */
export interface SummaryRows extends Array<Record<string, unknown>> {
  /** The sum of all counts. */
  readonly total: number;
  /** Rows of groups that were left out, because there were too many. */
  readonly ungrouped: number;
  /** Rows of this kind that the cluster no longer remembers, and that are not counted. */
  readonly dropped: number;
}

/**
 * Count rows by columns. Each row of the answer has the columns of `by`, `count`, and for each measured column (durationMs,
 * bytes, …) `{ count, sum, mean, min, max }`, or null without any number.
 * @throws {RangeError} for an unknown kind or column (it names those that there are), or a bad filter.
 */
export async function summarize(
  kind: "tasks" | "actors" | "objects" | "nodes" | "workers" | "jobs" | "placement-groups",
  options: SummarizeOptions = {},
): Promise<SummaryRows> {
  checkType("kind", kind, "string");
  checkKnownOptions(options, ["by", "filters"]);
  checkTexts("by", options.by);
  checkTexts("filters", options.filters);
  const { rows, total, ungrouped, dropped } = await ask("summarize", { kind, ...options });
  return withFacts(rows, { total, ungrouped, dropped });
}

/**
 * All that is known of one task, actor, object, node, worker, job or placement group, by its id: no row when it is not known
 * (any more), for a task one for each attempt. Of an object also `holders`: who keeps it, and how. For that all nodes are
 * asked; a process that computes is waited for, a second at most.
 * @throws {TypeError | RangeError} for what is no id.
 */
export async function getState(id: string): Promise<Record<string, unknown>[]> {
  kindOfId(id);
  return (await ask("state", { id })).rows;
}

/**
 * What tasks did, when and where, as events of Chrome's trace format: nodes are processes, workers threads, runs slices, and arrows
 * lead from what made an argument to what took it. `JSON.stringify({ traceEvents: await timeline() })` in a file opens in
 * Perfetto (ui.perfetto.dev). Of tasks that end faster than they can be recorded it has a sample (`mobula status` says how many
 * are missing); what has just ended comes a second later at most.
 */
export async function timeline(): Promise<TraceEvent[]> {
  await requireCoreWorker().recorder.flush();
  const events: TraceEvent[] = [];
  let after: string | null = null;
  do {
    const page: HeadMethods["timeline"]["result"] = await ask("timeline", after === null ? {} : { after });
    for (const event of page.traceEvents) events.push(event as unknown as TraceEvent);
    after = page.next;
  } while (after !== null);
  return events;
}
