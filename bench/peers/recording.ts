/**
 * What recording and the dashboard cost: the same tasks in flight on two clusters, one with both and one without, slice by
 * slice in turns (on off, off on), so that each pair stood side by side. Throughput by pairs, processor time of all processes
 * of each cluster by task.
 * @module
 */
import { treeCpuUs } from "../process_tree.ts";
import { percentile } from "../timing.ts";
import type { Peer } from "./peer.ts";

const WORKLOAD = "single client tasks async";
const TASKS = 1_000;
const WARMUP_MS = 1_500;

export interface RecordingCost {
  /** Rate with both as a share of the rate without, by pairs. */
  readonly share: number;
  /** The middle half of the pairs. */
  readonly middle: readonly [low: number, high: number];
  readonly pairs: number;
  /** Microseconds of processor time a task takes in all processes of the cluster. */
  readonly cpuUs: { readonly full: number; readonly plain: number };
}

interface Side {
  readonly peer: Peer;
  readonly rates: number[];
  tasks: number;
  cpuUs: number;
}

export async function measureRecording(
  full: Peer,
  plain: Peer,
  pairs: number,
  sliceMs: number,
): Promise<RecordingCost> {
  const side = (peer: Peer): Side => ({ peer, rates: [], tasks: 0, cpuUs: 0 });
  const [on, off] = [side(full), side(plain)];
  for (const { peer } of [on, off]) await peer.slice(WORKLOAD, WARMUP_MS);
  for (let pair = 0; pair < pairs; pair++) {
    for (const one of pair % 2 === 0 ? [on, off] : [off, on]) await measureSlice(one, sliceMs);
  }
  const shares = on.rates.map((rate, pair) => rate / off.rates[pair]!);
  return {
    share: percentile(shares, 0.5),
    middle: [percentile(shares, 0.25), percentile(shares, 0.75)],
    pairs,
    cpuUs: { full: on.cpuUs / on.tasks, plain: off.cpuUs / off.tasks },
  };
}

async function measureSlice(side: Side, ms: number): Promise<void> {
  const beforeUs = treeCpuUs(side.peer.pid);
  const slice = await side.peer.slice(WORKLOAD, ms);
  side.cpuUs += treeCpuUs(side.peer.pid) - beforeUs;
  side.tasks += slice.count * TASKS;
  side.rates.push(slice.count * TASKS / (slice.ms / 1_000));
}
