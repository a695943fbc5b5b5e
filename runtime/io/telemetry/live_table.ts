/**
 * Rows by key that many readers follow at their own pace: each row knows the version in which it last changed, so a reader
 * that says what it has gets only the difference, and nothing is queued for a reader that does not ask.
 *
 * Answers are kept until the next change: readers that are equally far share one.
 * @module
 */
import type { TableData } from "../../../dashboard/api_types.ts";

/** Keys of removed rows that are remembered; a reader that is further behind gets a snapshot. */
const REMOVED_MAX = 1_000;
/** Different `since` for which an answer is kept. */
const ANSWERS_MAX = 16;

export interface TableAnswer<Row> {
  readonly version: number;
  readonly kind: "snapshot" | "delta";
  readonly data: TableData<Row>;
}

export class LiveTable<Row> {
  #version = 1;
  readonly #rows = new Map<string, { row: Row; version: number }>();
  /** Removed keys with the version of their removal, oldest first. */
  readonly #removed = new Map<string, number>();
  /** Readers at this version or later can be told everything that was removed since. */
  #removedSince = 1;
  #total = 0;
  readonly #answers = new Map<number, TableAnswer<Row>>();

  get version(): number {
    return this.#version;
  }
  get size(): number {
    return this.#rows.size;
  }
  has(key: string): boolean {
    return this.#rows.has(key);
  }
  keys(): IterableIterator<string> {
    return this.#rows.keys();
  }

  set(key: string, row: Row): void {
    const version = this.#changed();
    const entry = this.#rows.get(key);
    if (entry !== undefined) {
      entry.row = row;
      entry.version = version;
    } else {
      this.#rows.set(key, { row, version });
      this.#removed.delete(key);
    }
  }

  delete(key: string): void {
    if (!this.#rows.delete(key)) return;
    this.#removed.set(key, this.#changed());
    if (this.#removed.size <= REMOVED_MAX) return;
    const [oldest, version] = this.#removed.entries().next().value!;
    this.#removed.delete(oldest);
    this.#removedSince = version;
  }

  /** How many rows there are in all, when the table shows only some. */
  setTotal(total: number): void {
    if (total === this.#total) return;
    this.#total = total;
    this.#changed();
  }

  read(since: number | null): TableAnswer<Row> {
    const from = since !== null && since >= this.#removedSince && since <= this.#version ? since : 0;
    let answer = this.#answers.get(from);
    if (answer === undefined) {
      answer = this.#answer(from);
      if (this.#answers.size >= ANSWERS_MAX) this.#answers.clear();
      this.#answers.set(from, answer);
    }
    return answer;
  }

  #answer(from: number): TableAnswer<Row> {
    const rows: Row[] = [];
    for (const entry of this.#rows.values()) if (entry.version > from) rows.push(entry.row);
    const removed: string[] = [];
    if (from > 0) { for (const [key, version] of this.#removed) if (version > from) removed.push(key); }
    const total = Math.max(this.#total, this.#rows.size);
    return { version: this.#version, kind: from > 0 ? "delta" : "snapshot", data: { rows, removed, total } };
  }

  #changed(): number {
    this.#answers.clear();
    return ++this.#version;
  }
}
