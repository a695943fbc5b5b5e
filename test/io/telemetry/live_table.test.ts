/**
 * Tables that readers follow at their own pace: whatever a reader has seen, applying what it gets makes it equal.
 */
import { expect, test } from "bun:test";
import { LiveTable } from "../../../runtime/io/telemetry/live_table.ts";

interface Row {
  readonly key: string;
  readonly value: number;
}

/** A reader as the page is one. */
class Reader {
  readonly rows = new Map<string, Row>();
  version: number | null = null;
  read(table: LiveTable<Row>): string {
    const { kind, data, version } = table.read(this.version);
    if (kind === "snapshot") this.rows.clear();
    for (const key of data.removed) this.rows.delete(key);
    for (const row of data.rows) this.rows.set(row.key, row);
    this.version = version;
    return kind;
  }
}

test("readers at any distance end up with the same rows", () => {
  const seed = Date.now() % 100_000;
  let state = seed;
  const random = (n: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % n;
  };
  const table = new LiveTable<Row>();
  const truth = new Map<string, Row>();
  const readers = Array.from({ length: 5 }, () => new Reader());
  for (let i = 0; i < 20_000; i++) {
    const key = `k${random(40)}`;
    if (random(3) === 0) {
      table.delete(key);
      truth.delete(key);
    } else {
      table.set(key, { key, value: i });
      truth.set(key, { key, value: i });
    }
    if (random(10) === 0) readers[random(5)]!.read(table);
  }
  for (const reader of readers) {
    reader.read(table);
    expect([...reader.rows.values()].sort(byKey), `seed ${seed}`).toEqual([...truth.values()].sort(byKey));
  }
});

function byKey(a: Row, b: Row): number {
  return a.key < b.key ? -1 : 1;
}

test("a reader that has all gets an empty difference", () => {
  const table = new LiveTable<Row>();
  table.set("a", { key: "a", value: 1 });
  const { version } = table.read(null);
  expect(table.read(version)).toMatchObject({ kind: "delta", data: { rows: [], removed: [], total: 1 } });
});

test("a reader that is too far behind the removals gets everything anew", () => {
  const table = new LiveTable<Row>();
  table.set("a", { key: "a", value: 1 });
  const reader = new Reader();
  reader.read(table);
  for (let i = 0; i < 1_500; i++) {
    table.set(`b${i}`, { key: `b${i}`, value: i });
    table.delete(`b${i}`);
  }
  expect(reader.read(table)).toBe("snapshot");
  expect([...reader.rows.keys()]).toEqual(["a"]);
});

test("a version of another life (the head restarted) is answered with a snapshot", () => {
  const table = new LiveTable<Row>();
  table.set("a", { key: "a", value: 1 });
  expect(table.read(9_999).kind).toBe("snapshot");
});
