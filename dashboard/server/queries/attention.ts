/**
 * What needs somebody's attention now, the worst first: the Now page's list. A decision over rows; nothing is asked here.
 * @module
 */
import type {
  ActorDto,
  ClusterDto,
  DemandDto,
  FailureDto,
  FunctionDto,
  JobDto,
  NodeDto,
} from "../../api_types.ts";
import type { AttentionItem } from "../../api/now.ts";

/** Items of one kind that are named; the rest is counted. */
const EACH_MAX = 3;
/** So many restarts in a life are a loop. */
const RESTARTS_MANY = 3;
/** What a node's row says when it went by its own will. */
const LEFT = /left|drained/;
const DISK_FREE_MIN = 0.1;
const MEMORY_USED_MAX = 0.95;

export interface AttentionInput {
  readonly cluster: ClusterDto;
  readonly nodes: readonly NodeDto[];
  readonly functions: readonly FunctionDto[];
  readonly failures: readonly FailureDto[];
  readonly actors: readonly ActorDto[];
  readonly jobs: readonly JobDto[];
}

export function attentionOf(input: AttentionInput): AttentionItem[] {
  const items = [
    ...nodesInTrouble(input),
    ...failingFunctions(input),
    ...restartingActors(input),
    ...waitingDemand(input.cluster.demand),
    ...fullNodes(input),
    ...failedJobs(input),
    ...whatIsMissing(input.cluster),
  ];
  const rank = { bad: 0, warn: 1, info: 2 };
  return items.sort((a, b) => rank[a.severity] - rank[b.severity]);
}

function nodesInTrouble({ nodes }: AttentionInput): AttentionItem[] {
  const gone = nodes.filter((node) => node.state === "DEAD" && !LEFT.test(node.stateMessage));
  const suspect = nodes.filter((node) => node.state === "SUSPECT");
  const draining = nodes.filter((node) => node.drain !== null && node.state !== "DEAD");
  return [
    ...named(gone, (node): AttentionItem => ({
      key: `dead ${node.nodeId}`,
      severity: "bad",
      kind: "node",
      title: `Node ${node.hostname} is dead`,
      detail: node.stateMessage,
      id: node.nodeId,
    })),
    ...named(suspect, (node): AttentionItem => ({
      key: `suspect ${node.nodeId}`,
      severity: "bad",
      kind: "node",
      title: `Node ${node.hostname} does not answer`,
      detail: node.stateMessage,
      id: node.nodeId,
    })),
    ...named(draining, (node): AttentionItem => ({
      key: `drain ${node.nodeId}`,
      severity: "info",
      kind: "node",
      title: `Node ${node.hostname} is being drained`,
      detail: node.drain!.reason,
      id: node.nodeId,
    })),
  ];
}

function failingFunctions({ functions, failures }: AttentionInput): AttentionItem[] {
  const failing = functions.filter((row) => row.failed > 0).sort((a, b) => b.failed - a.failed);
  return named(failing, (row): AttentionItem => {
    const newest = failures.filter((failure) => failure.name === row.name)
      .sort((a, b) => (b.endMs ?? 0) - (a.endMs ?? 0))[0];
    const said = newest === undefined ? "" : `${newest.errorType || "Error"}: ${newest.errorMessage}`;
    return {
      key: `failing ${row.key}`,
      severity: "bad",
      kind: "function",
      title: `${number(row.failed)} of ${number(row.failed + row.finished)} attempts of ${row.name} failed`,
      detail: said.slice(0, 200),
      filters: [`name=${row.name}`, "state=FAILED"],
      ...(newest !== undefined && { id: newest.taskId }),
    };
  });
}

function restartingActors({ actors }: AttentionInput): AttentionItem[] {
  const looping = actors.filter((actor) =>
    actor.state === "RESTARTING" || (actor.state !== "DEAD" && actor.numRestarts >= RESTARTS_MANY)
  );
  return named(looping, (actor): AttentionItem => ({
    key: `actor ${actor.actorId}`,
    severity: actor.numRestarts >= RESTARTS_MANY ? "bad" : "warn",
    kind: "actor",
    title: `${actor.name || actor.className} restarted ${times(actor.numRestarts)}`,
    detail: actor.deathMessage ?? "",
    id: actor.actorId,
  }));
}

/** One function that waits at several nodes is one item, with the reason of where it waits most. */
function waitingDemand(demand: readonly DemandDto[]): AttentionItem[] {
  const byName = new Map<string, { count: number; most: DemandDto }>();
  for (const row of demand) {
    if (row.reason === "") continue;
    const group = byName.get(row.name) ?? { count: 0, most: row };
    byName.set(row.name, {
      count: group.count + row.count,
      most: row.count > group.most.count ? row : group.most,
    });
  }
  const largest = [...byName.values()].sort((a, b) => b.count - a.count);
  return named(largest, ({ count, most }): AttentionItem => ({
    key: `demand ${most.name}`,
    severity: "warn",
    kind: "demand",
    title: `${most.name} waits for a worker (${number(count)} ${count === 1 ? "request" : "requests"})`,
    detail: most.reason,
    filters: [`name=${most.name}`, "state=PENDING_NODE_ASSIGNMENT"],
  }));
}

function fullNodes({ nodes }: AttentionInput): AttentionItem[] {
  const alive = nodes.filter((node) => node.state !== "DEAD");
  const about = (
    node: NodeDto,
    what: string,
    title: string,
    detail: string,
    isBad = false,
  ): AttentionItem => ({
    key: `${what} ${node.nodeId}`,
    severity: isBad ? "bad" : "warn",
    kind: "node",
    title,
    detail,
    id: node.nodeId,
  });
  const killed = alive.filter((node) => node.memoryKills > 0);
  const spilling = alive.filter((node) => node.storeSpilledBytes > 0);
  const fullDisks = alive.filter((node) =>
    node.diskBytes > 0 && node.diskFreeBytes < node.diskBytes * DISK_FREE_MIN
  );
  const fullMemory = alive.filter((node) =>
    node.memoryBytes > 0 && node.rssBytes > node.memoryBytes * MEMORY_USED_MAX
  );
  return [
    ...named(
      killed,
      (node) =>
        about(
          node,
          "oom",
          `${number(node.memoryKills)} workers of ${node.hostname} were ended for low memory`,
          "",
          true,
        ),
    ),
    ...named(
      fullMemory,
      (node) =>
        about(
          node,
          "memory",
          `${node.hostname} has little memory left`,
          `${share(node.rssBytes, node.memoryBytes)} in use`,
        ),
    ),
    ...named(
      spilling,
      (node) =>
        about(
          node,
          "spill",
          `${node.hostname} has objects on disk`,
          `${mebibytes(node.storeSpilledBytes)} spilled`,
        ),
    ),
    ...named(
      fullDisks,
      (node) =>
        about(
          node,
          "disk",
          `The disk of ${node.hostname} is nearly full`,
          `${mebibytes(node.diskFreeBytes)} free for spilled objects`,
        ),
    ),
  ];
}

function failedJobs({ jobs }: AttentionInput): AttentionItem[] {
  const failed = jobs.filter((job) => job.state === "FAILED").sort((a, b) =>
    (b.endedMs ?? 0) - (a.endedMs ?? 0)
  );
  return named(failed, (job): AttentionItem => ({
    key: `job ${job.jobId}`,
    severity: "warn",
    kind: "job",
    title: `The job ${job.entrypoint.split("/").at(-1) || job.jobId} failed`,
    detail: job.message,
    id: job.jobId,
  }));
}

/** What the picture leaves out is said, never silent. */
function whatIsMissing(cluster: ClusterDto): AttentionItem[] {
  const parts: readonly (readonly [number, string])[] = [
    [cluster.taskRowsSampledOut, "task rows were sampled out"],
    [cluster.functionNamesDropped, "reports of functions were left out"],
    [cluster.objectsUntracked, "objects are not tracked"],
  ];
  return parts.filter(([count]) => count > 0).map(([count, what]) => ({
    key: `missing ${what}`,
    severity: "info" as const,
    kind: "missing" as const,
    title: `${number(count)} ${what}`,
    detail: "Counts are exact all the same.",
  }));
}

/** The first few by name, the rest as a number. */
function named<Row>(rows: readonly Row[], item: (row: Row) => AttentionItem): AttentionItem[] {
  const items = rows.slice(0, EACH_MAX).map(item);
  const left = rows.length - items.length;
  const last = items.at(-1);
  if (left > 0 && last !== undefined) {
    items.push({ ...last, key: `${last.key} more`, title: `and ${number(left)} more`, detail: "" });
  }
  return items;
}

function number(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}
function times(count: number): string {
  return count === 1 ? "once" : `${number(count)} times`;
}
function share(part: number, whole: number): string {
  return `${Math.round(100 * part / whole)} %`;
}
function mebibytes(bytes: number): string {
  return bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
