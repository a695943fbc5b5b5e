/**
 * `mobula ls KIND [FILTER…]`: rows of tasks, actors, objects, nodes, workers, jobs or placement groups.
 * @module
 */
import { withHead } from "./head_client.ts";
import { cell, dim, print, printJson, table } from "./print.ts";
import { COMMON_FLAGS, type Flags, parseFlags, UsageError } from "./usage.ts";

const KINDS: readonly string[] = [
  "tasks",
  "actors",
  "objects",
  "nodes",
  "workers",
  "jobs",
  "placement-groups",
];
const FILTERS_MAX = 32;

export const LS_FLAGS: Flags = {
  ...COMMON_FLAGS,
  limit: { type: "string", value: "N", help: "at most so many rows; default 100" },
  after: { type: "string", value: "ID", help: "begin after this row" },
  detail: { type: "boolean", help: "all columns" },
};

export async function lsCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("ls", args, LS_FLAGS, 1 + FILTERS_MAX);
  const [kind, ...filters] = flags.positionals;
  if (kind === undefined || !KINDS.includes(kind)) {
    throw new UsageError(`ls: say what to list: ${KINDS.join(", ")}`);
  }
  const after = flags.text("after");
  const limit = flags.integer("limit", 1, 10_000) ?? 100;
  await withHead(flags, async (head) => {
    const { rows, total } = await head.ask("list", {
      kind,
      filters,
      limit,
      ...(after === null ? {} : { after }),
      detail: flags.isSet("detail"),
    });
    if (flags.isSet("json")) return printJson(rows);
    if (rows.length === 0) return print(`no ${kind}${filters.length === 0 ? "" : " match"}`);
    const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    print(table(columns, rows.map((row) => columns.map((column) => cell(row[column], column)))));
    if (total > rows.length) print(dim(`${rows.length} of ${total}; --limit shows more`));
  });
  return 0;
}
