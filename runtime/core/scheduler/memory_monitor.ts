/**
 * The memory monitor: when a node runs low on memory, which worker ends so that the others live. It reads nothing and kills
 * nothing itself.
 *
 *              above the threshold                 its worker exited
 *   watching ----------------------> killing one ---------------------> watching
 *
 * One at a time: the next one is chosen on a reading that was taken after the last one was gone. Who, in this order (Ray's
 * policy by owners): work that may be run again before work that may not; of that, work of callers that have more of it
 * running, so that each caller keeps one task going; then what was started last, so that the least is lost.
 * @module
 */
import type { ProcessId } from "../../common/ids.ts";

export interface MemoryMonitorConfig {
  /** Share of all memory, 0 to 1. */
  readonly threshold: number;
  /** Memory that may stay free at most when work is ended, in bytes; null: the share alone decides. */
  readonly minFreeBytes: number | null;
}

/** A worker with work that could be ended. */
export interface MemoryCandidate {
  readonly workerId: ProcessId;
  /** The process whose work it runs. */
  readonly owner: ProcessId;
  readonly retriable: boolean;
  readonly sinceMs: number;
}

export type MemoryEvent =
  | {
    readonly type: "read";
    readonly usedBytes: number;
    readonly totalBytes: number;
    readonly candidates: readonly MemoryCandidate[];
  }
  | { readonly type: "workerExited"; readonly workerId: ProcessId };

export interface MemoryKill {
  readonly type: "kill";
  readonly workerId: ProcessId;
  readonly thresholdBytes: number;
}

/** See the module's header. */
export class MemoryMonitor {
  readonly #config: MemoryMonitorConfig;
  #killing: ProcessId | null = null;
  #kills: number = 0;

  constructor(config: MemoryMonitorConfig) {
    this.#config = config;
  }

  /** Workers that it has ended. */
  get kills(): number {
    return this.#kills;
  }

  /** Whom to end now; null for nobody. */
  step(event: MemoryEvent): MemoryKill | null {
    if (event.type === "workerExited") {
      if (event.workerId === this.#killing) this.#killing = null;
      return null;
    }
    const thresholdBytes = this.thresholdOf(event.totalBytes);
    if (this.#killing !== null || event.usedBytes <= thresholdBytes) return null;
    const victim = chooseVictim(event.candidates);
    if (victim === null) return null;
    this.#killing = victim.workerId;
    this.#kills++;
    return { type: "kill", workerId: victim.workerId, thresholdBytes };
  }

  /** Above this work is ended; bytes. */
  thresholdOf(totalBytes: number): number {
    const { threshold, minFreeBytes } = this.#config;
    const share = Math.floor(totalBytes * threshold);
    return minFreeBytes === null ? share : Math.max(share, totalBytes - minFreeBytes);
  }
}

/** See the module's header; null when there is nobody. */
export function chooseVictim(candidates: readonly MemoryCandidate[]): MemoryCandidate | null {
  const running = new Map<string, number>();
  for (const candidate of candidates) {
    if (candidate.retriable) running.set(candidate.owner, (running.get(candidate.owner) ?? 0) + 1);
  }
  const sizeOf = ({ retriable, owner }: MemoryCandidate): number => retriable ? running.get(owner)! : 1;
  let best: MemoryCandidate | null = null;
  for (const candidate of candidates) {
    if (best === null || isBefore(candidate, best)) best = candidate;
  }
  return best;

  function isBefore(a: MemoryCandidate, b: MemoryCandidate): boolean {
    if (a.retriable !== b.retriable) return a.retriable;
    if (sizeOf(a) !== sizeOf(b)) return sizeOf(a) > sizeOf(b);
    if (a.sinceMs !== b.sinceMs) return a.sinceMs > b.sinceMs;
    // A total order, so that every reader of the same node decides alike.
    return a.workerId > b.workerId;
  }
}
