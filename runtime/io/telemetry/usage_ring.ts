/**
 * What the cluster used in each second: processors, memory, object stores, network, and what waited and ran. Ten minutes,
 * in a ring; sampled with the nodes' heartbeats. Agents that share a host tell the same of it: it counts once.
 * @module
 */
import type { TaskTotals, UsageDto } from "../../../dashboard/api_types.ts";
import type { NodeRow } from "../../protocol/messages.ts";

const STEP_MS = 1_000;
/** Seconds that are kept. */
export const USAGE_POINTS: number = 600;

const FIELDS = [
  "queued",
  "cpuPercent",
  "memoryUsed",
  "memoryTotal",
  "storeUsed",
  "storeSpilled",
  "storeTotal",
  "netIn",
  "netOut",
] as const;

type Sample = Readonly<Record<typeof FIELDS[number], number>>;

export class UsageRing {
  /** Samples by second, oldest first. */
  readonly #samples = new Map<number, Sample>();
  #newest = 0;

  /** The cluster as it is now; the last of a second counts. */
  sample(nowMs: number, nodes: Iterable<NodeRow>, tasks: TaskTotals): void {
    const second = Math.floor(nowMs / STEP_MS);
    // A clock that was set back keeps counting into the newest second.
    this.#newest = Math.max(this.#newest, second);
    this.#samples.set(this.#newest, sampleOf(nodes, tasks));
    if (this.#samples.size > USAGE_POINTS) this.#samples.delete(this.#samples.keys().next().value!);
  }

  /** The newest second: the version of the data as readers see it. */
  get newest(): number {
    return this.#newest;
  }

  /** Points from second `since` on (it may have changed since it was read), or all. */
  read(since: number | null): { version: number; kind: "snapshot" | "delta"; data: UsageDto } {
    const first = this.#samples.keys().next().value ?? 0;
    const isWhole = since === null || since < first || since > this.#newest;
    const atMs: number[] = [];
    const series = Object.fromEntries(FIELDS.map((field) => [field, [] as number[]])) as Record<
      keyof Sample,
      number[]
    >;
    // Readers are at most a little behind: few seconds are looked at.
    const seconds = isWhole ? this.#samples.keys() : range(since, this.#newest);
    for (const second of seconds) {
      const sample = this.#samples.get(second);
      if (sample === undefined) continue;
      atMs.push(second * STEP_MS);
      for (const field of FIELDS) series[field].push(sample[field]);
    }
    return {
      version: this.#newest,
      kind: isWhole ? "snapshot" : "delta",
      data: { stepMs: STEP_MS, atMs, ...series },
    };
  }
}

function* range(from: number, to: number): Iterable<number> {
  for (let second = from; second <= to; second++) yield second;
}

function sampleOf(nodes: Iterable<NodeRow>, tasks: TaskTotals): Sample {
  let cpu = 0, cpuWeight = 0, memoryUsed = 0, memoryTotal = 0, netIn = 0, netOut = 0;
  let storeUsed = 0, storeSpilled = 0, storeTotal = 0;
  const hosts = new Set<string>();
  for (const node of nodes) {
    if (node.state === "DEAD") continue;
    storeUsed += node.storeUsedBytes;
    storeSpilled += node.storeSpilledBytes;
    storeTotal += node.objectStoreBytes;
    if (hosts.has(node.hostname)) continue;
    hosts.add(node.hostname);
    const weight = node.resources["CPU"] ?? 1;
    cpu += node.cpuPercent * weight;
    cpuWeight += weight;
    memoryUsed += node.rssBytes;
    memoryTotal += node.machine?.memoryBytes ?? 0;
    netIn += node.machine?.netInPerSecond ?? 0;
    netOut += node.machine?.netOutPerSecond ?? 0;
  }
  return {
    queued: tasks.pendingArgs + tasks.pendingNode + tasks.submitted,
    cpuPercent: cpuWeight === 0 ? 0 : Math.round(10 * cpu / cpuWeight) / 10,
    memoryUsed,
    memoryTotal,
    storeUsed,
    storeSpilled,
    storeTotal,
    netIn,
    netOut,
  };
}
