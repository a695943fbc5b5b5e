/**
 * What `mobula top` shows, as lines: the cluster in one line, its nodes, functions and actors, cut to the terminal's size.
 * @module
 */
import { byteText } from "../common/byte_text.ts";
import type { ActorDto, ClusterDto, FunctionDto, NodeDto } from "../../dashboard/api_types.ts";
import { age, table } from "./print.ts";

/** One look at the cluster. */
export interface TopSnapshot {
  readonly atMs: number;
  readonly cluster: ClusterDto;
  readonly nodes: readonly NodeDto[];
  readonly functions: readonly FunctionDto[];
  readonly actors: readonly ActorDto[];
}

export interface TopSize {
  readonly columns: number;
  readonly rows: number;
}

/** `before`: the look before, for rates; null at the first. */
export function topLines(now: TopSnapshot, before: TopSnapshot | null, size: TopSize): string[] {
  const head = headLines(now, before);
  const parts = [nodeTable(now), functionTable(now, before), actorTable(now)].filter((part) =>
    part.length > 0
  );
  // Each part has a blank line before it; what one does not need another may have.
  let left = Math.max(0, size.rows - head.length - parts.length);
  const lines = [...head];
  for (const [index, part] of parts.entries()) {
    const share = Math.max(2, Math.floor(left / (parts.length - index)));
    const shown = part.slice(0, Math.min(part.length, share));
    const hidden = part.length - shown.length;
    if (hidden > 0) shown[shown.length - 1] = `… ${hidden + 1} more`;
    left -= shown.length;
    lines.push("", ...shown);
  }
  return lines.slice(0, size.rows).map((line) => cut(line, size.columns));
}

function headLines({ cluster, atMs }: TopSnapshot, before: TopSnapshot | null): string[] {
  const { tasks, resources } = cluster;
  const rate = perSecond(
    tasks.finished + tasks.failed,
    before && sumEnded(before.cluster),
    atMs,
    before?.atMs,
  );
  const used = Object.entries(resources).map(([name, { used, total }]) =>
    name === "memory"
      ? `${name} ${byteText(used)}/${byteText(total)}`
      : `${name} ${round(used)}/${round(total)}`
  );
  return [
    `nodes ${cluster.nodesAlive} of ${cluster.nodesTotal}   jobs ${cluster.jobsRunning}   actors ${cluster.actorsAlive}   ` +
    `${used.join("  ")}   store ${byteText(cluster.storeUsedBytes)}/${byteText(cluster.storeBytes)}`,
    `tasks ${rate} per s   running ${tasks.running}   waiting ${
      tasks.pendingArgs + tasks.pendingNode
    }   finished ${tasks.finished}   failed ${tasks.failed}`,
  ];
}

function nodeTable({ nodes }: TopSnapshot): string[] {
  const living = nodes.filter(({ state }) => state !== "DEAD");
  return lines(
    ["NODE", "STATE", "CPU %", "CPUS", "MEMORY", "STORE", "SPILLED", "WORKERS"],
    living.map((node) => [
      `${node.nodeId}${node.isHeadNode ? " (head)" : ""}`,
      node.drain === null ? node.state : "DRAINING",
      String(Math.round(node.cpuPercent)),
      `${round(node.resources["CPU"]?.used ?? 0)} of ${round(node.resources["CPU"]?.total ?? 0)}`,
      node.memoryBytes === 0
        ? byteText(node.rssBytes)
        : `${byteText(node.rssBytes)} of ${byteText(node.memoryBytes)}`,
      `${byteText(node.storeUsedBytes)} of ${byteText(node.storeBytes)}`,
      byteText(node.storeSpilledBytes),
      String(node.workers),
    ]),
  );
}

function functionTable({ functions, atMs }: TopSnapshot, before: TopSnapshot | null): string[] {
  const earlier = new Map(before?.functions.map((one) => [one.key, one]));
  const busiest = [...functions].sort((a, b) =>
    b.running - a.running || waiting(b) - waiting(a) || b.finished - a.finished
  );
  return lines(
    ["FUNCTION", "RUNNING", "WAITING", "PER S", "FINISHED", "FAILED", "MEAN"],
    busiest.map((one) => {
      const last = earlier.get(one.key);
      return [
        one.name,
        String(one.running),
        String(waiting(one)),
        perSecond(one.finished + one.failed, last && last.finished + last.failed, atMs, before?.atMs),
        String(one.finished),
        String(one.failed),
        one.meanRunMs === null ? "" : duration(one.meanRunMs),
      ];
    }),
  );
}

/** A line for each class. */
function actorTable({ actors }: TopSnapshot): string[] {
  const classes = new Map<string, { alive: number; starting: number; restarts: number; dead: number }>();
  for (const { className, state, numRestarts } of actors) {
    const counts = classes.get(className) ?? { alive: 0, starting: 0, restarts: 0, dead: 0 };
    classes.set(className, counts);
    counts.restarts += numRestarts;
    if (state === "ALIVE") counts.alive++;
    else if (state === "DEAD") counts.dead++;
    else counts.starting++;
  }
  const rows = [...classes].sort(([, a], [, b]) => b.alive - a.alive);
  return lines(
    ["ACTOR CLASS", "ALIVE", "STARTING", "RESTARTS", "DEAD"],
    rows.map(([name, { alive, starting, restarts, dead }]) => [
      name,
      ...[alive, starting, restarts, dead].map(String),
    ]),
  );
}

function lines(headings: readonly string[], rows: readonly string[][]): string[] {
  return rows.length === 0 ? [] : table(headings, rows).split("\n");
}

function waiting({ pendingArgs, pendingNode }: FunctionDto): number {
  return pendingArgs + pendingNode;
}

function sumEnded({ tasks }: ClusterDto): number {
  return tasks.finished + tasks.failed;
}

function perSecond(
  count: number,
  before: number | null | undefined,
  atMs: number,
  beforeMs: number | undefined,
): string {
  if (before === null || before === undefined || beforeMs === undefined || atMs <= beforeMs) return "-";
  return String(Math.round(Math.max(0, count - before) * 1_000 / (atMs - beforeMs)));
}

function duration(ms: number): string {
  return ms < 1_000 ? `${round(ms)} ms` : age(ms);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Counts what is seen: styles take no room. */
function cut(line: string, columns: number): string {
  // deno-lint-ignore no-control-regex -- an escape sequence begins with a control character
  const plain = line.replace(/\x1b\[[\d;]*m/g, "");
  return plain.length <= columns ? line : `${plain.slice(0, Math.max(0, columns - 1))}…`;
}
