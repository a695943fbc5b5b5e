/**
 * `mobula ls KIND [FILTER…]`: rows of tasks, actors, objects, nodes, workers, jobs or placement groups.
 * @module
 */
import { withHead } from "./head_client.ts";
import { cell, dim, print, printJson, table } from "./print.ts";
import {
  type CommandDefinition,
  COMMON_FLAGS,
  type Flags,
  type ParsedArguments,
  UsageError,
} from "./usage.ts";

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

const LS_FLAGS: Flags = {
  ...COMMON_FLAGS,
  limit: { type: "string", value: "N", help: "at most so many rows; default 100" },
  after: { type: "string", value: "ID", help: "begin after this row" },
  detail: { type: "boolean", help: "all columns" },
};

export const lsCommand: CommandDefinition = {
  name: "ls",
  summary: "rows of tasks, actors, objects, nodes, workers, jobs, placement-groups",
  positionals: [
    { name: "KIND", help: KINDS.join(", "), isRequired: true, choices: KINDS },
    { name: "FILTER", help: "such as state=FAILED; all must hold", maximum: FILTERS_MAX },
  ],
  flags: LS_FLAGS,
  examples: [
    ["mobula ls tasks state=FAILED", "tasks that failed"],
    ["mobula ls actors --detail --json", "all that is known of each actor, as JSON"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
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
