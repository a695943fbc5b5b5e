/**
 * How many tasks of each group end per second, out of successive exact counts: smoothed over a few seconds. Pure: the clock
 * comes in.
 * @module
 */
import type { GraphGroup } from "../../../api/graph.ts";

/** Weight of the past after one second. */
const KEEP = 0.6;

interface Seen {
  readonly ended: number;
  readonly atMs: number;
  readonly rate: number;
}

export class GroupRates {
  readonly #seen = new Map<string, Seen>();

  update(groups: readonly GraphGroup[], nowMs: number): void {
    for (const group of groups) {
      const ended = group.finished + group.failed;
      const before = this.#seen.get(group.id);
      if (before === undefined) {
        this.#seen.set(group.id, { ended, atMs: nowMs, rate: 0 });
        continue;
      }
      const seconds = (nowMs - before.atMs) / 1000;
      if (seconds < 0.2) continue;
      const now = Math.max(0, ended - before.ended) / seconds;
      const keep = KEEP ** seconds;
      this.#seen.set(group.id, { ended, atMs: nowMs, rate: before.rate * keep + now * (1 - keep) });
    }
  }

  of(groupId: string): number {
    return this.#seen.get(groupId)?.rate ?? 0;
  }
}
