/**
 * `mobula mem`: every stored object, where it is, who made it and who keeps it; with sums per node, owner or producer.
 * @module
 */
import { byteText } from "../common/byte_text.ts";
import type { MemoryGrouping, MemoryReport, MemoryRow, ObjectHolder } from "../common/memory_facts.ts";
import { withHead } from "./head_client.ts";
import { age, dim, print, printJson, table } from "./print.ts";
import {
  type CommandDefinition,
  COMMON_FLAGS,
  type Flags,
  type ParsedArguments,
  UsageError,
} from "./usage.ts";

const GROUPINGS: readonly MemoryGrouping[] = ["node", "owner", "producer"];
const ORDERS: readonly string[] = ["size", "age"];
/** Holders that a line names. */
const HOLDERS_SHOWN = 3;

const MEM_FLAGS: Flags = {
  ...COMMON_FLAGS,
  "group-by": { type: "string", value: "node|owner|producer", help: "sums only, of each" },
  sort: { type: "string", value: "size|age", help: "largest or oldest first; default size" },
  limit: { type: "string", value: "N", help: "at most so many objects; default 100" },
};

export const memCommand: CommandDefinition = {
  name: "mem",
  summary: "objects: where they are, who made them, who keeps them",
  flags: MEM_FLAGS,
  examples: [
    ["mobula mem --sort age", "the oldest objects first, with who holds each"],
    ["mobula mem --group-by producer", "bytes by the function that made them"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const group = oneOf("group-by", flags.text("group-by"), GROUPINGS);
  const order = oneOf("sort", flags.text("sort"), ORDERS) ?? "size";
  const limit = flags.integer("limit", 1, 10_000) ?? 100;
  return await withHead(flags, async (head) => {
    const report = await head.ask("memory", { limit: 10_000 });
    const rows = sorted(report.rows, order).slice(0, limit);
    if (flags.isSet("json")) printJson(group === null ? { ...report, rows } : report.totals[group]);
    else if (group === null) printObjects(report, rows);
    else print(totalsTable(report, group));
    for (const node of report.unreachable) warn(`node ${node} does not answer`);
    for (const process of report.silent) {
      warn(`${process} is busy and does not answer: its refs are shown without more`);
    }
    return 0;
  });
}

function oneOf<T extends string>(flag: string, value: string | null, known: readonly T[]): T | null {
  if (value === null || known.includes(value as T)) return value as T | null;
  throw new UsageError(`mem: --${flag} is one of ${known.join(", ")}, not ${JSON.stringify(value)}`);
}

function sorted(rows: readonly MemoryRow[], order: string): MemoryRow[] {
  const rank = (row: MemoryRow): number => order === "age" ? row.ageMs ?? -1 : row.bytes;
  return [...rows].sort((a, b) => rank(b) - rank(a));
}

function printObjects(report: MemoryReport, rows: readonly MemoryRow[]): void {
  if (rows.length === 0) return print("no objects");
  const headings = ["object", "size", "state", "age", "nodes", "producer", "owner", "call site", "held by"];
  print(table(
    headings,
    rows.map((row) => [
      row.objectId,
      byteText(row.bytes),
      row.state,
      row.ageMs === null ? "" : age(row.ageMs),
      row.nodes.map(({ nodeId }) => nodeId).join(" "),
      row.producer,
      row.owner,
      row.callSite ?? "",
      holdersText(row.holders),
    ]),
  ));
  const more = report.rows.length + report.left - rows.length;
  if (more > 0) print(dim(`${more} more; --limit shows them`));
  print();
  print(totalsTable(report, "node"));
  print();
  print(totalsTable(report, "owner"));
}

/** `w-1f3a PINNED_IN_MEMORY, d-77c0 LOCAL_REFERENCE, and 2 more`. */
function holdersText(holders: readonly ObjectHolder[]): string {
  const shown = holders.slice(0, HOLDERS_SHOWN).map(({ holder, kind }) => `${holder} ${kind}`);
  if (holders.length > HOLDERS_SHOWN) shown.push(`and ${holders.length - HOLDERS_SHOWN} more`);
  return shown.join(", ");
}

function totalsTable({ totals, stores }: MemoryReport, group: MemoryGrouping): string {
  const rows = totals[group].map((total) => [
    total.key,
    String(total.objects),
    String(total.copies),
    byteText(total.bytes),
    byteText(total.inMemoryBytes),
    byteText(total.spilledBytes),
    byteText(total.inFlightBytes),
    ...group === "node" ? [byteText(stores.find(({ nodeId }) => nodeId === total.key)?.capacity ?? 0)] : [],
  ]);
  const headings = [group, "objects", "copies", "bytes", "in memory", "spilled", "in flight"];
  return table(group === "node" ? [...headings, "store"] : headings, rows);
}

function warn(text: string): void {
  process.stderr.write(`mobula: ${text}\n`);
}
