/**
 * The resources of one node, or of a bundle on it: what there is, what is free, and which GPU indices are whose. Not a
 * queue: it only says yes or no. CPUs of a blocked task may be lent and taken back at once, so that free CPUs can go below zero for a
 * moment (design, section 3: a task that resumes may oversubscribe and never queues).
 * @module
 */
import { assert } from "../../common/assert.ts";
import { addResources, fits, RESOURCE_UNIT, type ResourceSet } from "../../common/resources.ts";

/** What one lease holds. Made and changed by {@link NodeResources} only. */
export interface Allocation {
  /** What it was taken from and goes back to: the node's own, or a bundle's. */
  readonly pool: NodeResources;
  readonly resources: ResourceSet;
  /** GPU index -> units held of it. */
  readonly gpus: ReadonlyMap<number, number>;
  /** True while its CPUs are lent to others because its task is blocked. */
  cpuLent: boolean;
}

export class NodeResources {
  readonly total: ResourceSet;
  /** Units free now; a negative amount of CPU is oversubscription by resumed tasks. */
  readonly available: Record<string, number>;
  /** Free units of each GPU, by the node's index. */
  readonly #gpuFree: number[] = [];
  /** All and only allocations that were acquired and not released. */
  readonly #held: Set<Allocation> = new Set();

  /** `gpuShares`: of a part of a node, the shares that it has of which indices; default: all from 0. */
  constructor(total: ResourceSet, gpuShares: ReadonlyMap<number, number> | null = null) {
    this.total = { ...total };
    this.available = { ...total };
    if (gpuShares !== null) {
      for (let index = 0; index <= Math.max(-1, ...gpuShares.keys()); index++) {
        this.#gpuFree.push(gpuShares.get(index) ?? 0);
      }
      return;
    }
    let gpus = total["GPU"] ?? 0;
    // A node may be given half a GPU: the last index then has only that share.
    while (gpus > 0) {
      this.#gpuFree.push(Math.min(gpus, RESOURCE_UNIT));
      gpus -= RESOURCE_UNIT;
    }
  }

  /** Whether nobody holds anything. */
  get isIdle(): boolean {
    return this.#held.size === 0;
  }

  /** Whether an idle node could hold it. */
  feasible(request: ResourceSet): boolean {
    return fits(this.total, request);
  }

  /** Whether `acquire` would say yes. */
  fitsNow(request: ResourceSet): boolean {
    return fits(this.available, request) && this.#chooseGpus(request["GPU"] ?? 0) !== null;
  }

  /** Take the resources, or null when they are not free (GPUs must be free by index, not only in sum). */
  acquire(request: ResourceSet): Allocation | null {
    if (!fits(this.available, request)) return null;
    const gpus = this.#chooseGpus(request["GPU"] ?? 0);
    if (gpus === null) return null;
    for (const [index, units] of gpus) this.#gpuFree[index]! -= units;
    addResources(this.available, request, -1);
    const allocation: Allocation = { pool: this, resources: request, gpus, cpuLent: false };
    this.#held.add(allocation);
    return allocation;
  }

  release(allocation: Allocation): void {
    if (!this.#held.delete(allocation)) throw new Error("Cannot release resources that are not held.");
    if (allocation.cpuLent) this.takeCpu(allocation);
    for (const [index, units] of allocation.gpus) this.#gpuFree[index]! += units;
    addResources(this.available, allocation.resources, 1);
  }

  /** The task is blocked: others may use its CPUs. */
  lendCpu(allocation: Allocation): void {
    if (allocation.cpuLent) return;
    allocation.cpuLent = true;
    this.available["CPU"] = (this.available["CPU"] ?? 0) + (allocation.resources["CPU"] ?? 0);
  }

  /** The task goes on: its CPUs are its own again, free or not. */
  takeCpu(allocation: Allocation): void {
    if (!allocation.cpuLent) return;
    allocation.cpuLent = false;
    this.available["CPU"] = (this.available["CPU"] ?? 0) - (allocation.resources["CPU"] ?? 0);
  }

  /** Names of the resources of which too little is free. */
  lacking(request: ResourceSet): string[] {
    const names = Object.keys(request).filter((name) => (this.available[name] ?? 0) < request[name]!);
    if (names.length === 0 && this.#chooseGpus(request["GPU"] ?? 0) === null) names.push("GPU");
    return names;
  }

  check(): void {
    const sum: Record<string, number> = { ...this.available };
    const gpuSum = [...this.#gpuFree];
    for (const allocation of this.#held) {
      addResources(sum, allocation.resources, 1);
      if (allocation.cpuLent) sum["CPU"] = (sum["CPU"] ?? 0) - (allocation.resources["CPU"] ?? 0);
      let gpuUnits = 0;
      for (const [index, units] of allocation.gpus) {
        gpuSum[index]! += units;
        gpuUnits += units;
      }
      assert(gpuUnits === (allocation.resources["GPU"] ?? 0), "an allocation's GPU indices add up");
    }
    for (const name of new Set([...Object.keys(sum), ...Object.keys(this.total)])) {
      assert((sum[name] ?? 0) === (this.total[name] ?? 0), `free and held ${name} add up to the total`);
      assert(name === "CPU" || (this.available[name] ?? 0) >= 0, `${name} is never oversubscribed`);
    }
    const whole = this.total["GPU"] ?? 0;
    assert(gpuSum.reduce((a, b) => a + b, 0) === whole, "free and held GPU indices add up");
    assert(this.#gpuFree.every((free) => free >= 0), "no GPU is held more than once");
  }

  /** GPU indices for an amount: whole ones lowest first; a fraction on the fullest index that has room. */
  #chooseGpus(units: number): Map<number, number> | null {
    const chosen = new Map<number, number>();
    if (units === 0) return chosen;
    let left = units;
    for (let index = 0; index < this.#gpuFree.length && left >= RESOURCE_UNIT; index++) {
      if (this.#gpuFree[index] !== RESOURCE_UNIT) continue;
      chosen.set(index, RESOURCE_UNIT);
      left -= RESOURCE_UNIT;
    }
    if (left >= RESOURCE_UNIT) return null;
    if (left > 0) {
      let best = -1;
      for (let index = 0; index < this.#gpuFree.length; index++) {
        if (chosen.has(index) || this.#gpuFree[index]! < left) continue;
        if (best < 0 || this.#gpuFree[index]! < this.#gpuFree[best]!) best = index;
      }
      if (best < 0) return null;
      chosen.set(best, left);
    }
    return chosen;
  }
}
