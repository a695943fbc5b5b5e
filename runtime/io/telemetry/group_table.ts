/**
 * Groups that events update in O(1), and the live table of those that are shown. An event only marks its group; rows are
 * made when somebody reads, once for all readers. Above `cap` groups the highest ranks are shown, chosen anew now and then.
 * @module
 */
import { LiveTable } from "./live_table.ts";

/** How often membership is chosen anew when there are more groups than are shown. */
const RANK_INTERVAL_MS = 1_000;

export interface GroupTableOptions<Group, Row> {
  /** Rows that are shown at most. */
  readonly cap: number;
  /** Higher is shown rather. It is asked for every group. */
  readonly rank?: (group: Group) => number;
  /** In place of it, where there may be too many groups to look at: the keys of those to show. */
  readonly keys?: () => Iterable<string>;
  readonly row: (key: string, group: Group) => Row;
}

export class GroupTable<Group, Row> {
  /** All groups; the owner bounds them. */
  readonly groups: Map<string, Group> = new Map();
  readonly table: LiveTable<Row> = new LiveTable();
  readonly #options: GroupTableOptions<Group, Row>;
  /** All and only keys whose group changed since the last flush. */
  readonly #touched = new Set<string>();
  #rankedMs = -Infinity;
  #rankedSize = 0;

  constructor(options: GroupTableOptions<Group, Row>) {
    this.#options = options;
  }

  /** The group changed, or is new. */
  touch(key: string): void {
    this.#touched.add(key);
  }

  remove(key: string): void {
    if (!this.groups.delete(key)) return;
    this.#touched.delete(key);
    this.table.delete(key);
    this.table.setTotal(this.groups.size);
  }

  /** Bring the table up to date. */
  flush(nowMs: number): void {
    if (this.#touched.size === 0) return;
    this.table.setTotal(this.groups.size);
    const { cap, row } = this.#options;
    if (this.groups.size <= cap) {
      for (const key of this.#touched) this.table.set(key, row(key, this.groups.get(key)!));
      this.#touched.clear();
      return;
    }
    const due = nowMs - this.#rankedMs >= RANK_INTERVAL_MS || nowMs < this.#rankedMs;
    const members = due || this.#rankedSize !== cap ? this.#choose(nowMs) : null;
    if (members !== null) {
      for (const key of [...this.table.keys()]) if (!members.has(key)) this.table.delete(key);
      for (const key of members) if (!this.table.has(key)) this.#touched.add(key);
    }
    for (const key of this.#touched) {
      const shown = members === null ? this.table.has(key) : members.has(key);
      if (shown) this.table.set(key, row(key, this.groups.get(key)!));
    }
    // Groups that are not shown need no memory of their change, but the next choice must happen: it is due by time.
    if (members !== null) this.#touched.clear();
    else for (const key of [...this.#touched]) if (this.table.has(key)) this.#touched.delete(key);
  }

  #choose(nowMs: number): Set<string> {
    const { cap, rank = () => 0, keys } = this.#options;
    this.#rankedMs = nowMs;
    this.#rankedSize = cap;
    if (keys !== undefined) return new Set(keys());
    const ranked = [...this.groups].map(([key, group]) => ({ key, rank: rank(group) }));
    ranked.sort((a, b) => b.rank - a.rank);
    return new Set(ranked.slice(0, cap).map((entry) => entry.key));
  }
}
