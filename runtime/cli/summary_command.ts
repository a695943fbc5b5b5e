/**
 * `mobula summary KIND [FILTER…] --by COLUMN,…`: rows counted by columns, exact however many there are.
 * @module
 */
import { withHead } from "./head_client.ts";
import { cell, dim, print, printJson, table } from "./print.ts";
import { checkKind, FILTERS_MAX, KINDS } from "./state_kinds.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments } from "./usage.ts";

export const summaryCommand: CommandDefinition = {
  name: "summary",
  summary: "rows counted by columns: tasks by name and state, objects by node, …",
  positionals: [
    { name: "KIND", help: KINDS.join(", "), isRequired: true, choices: KINDS },
    { name: "FILTER", help: "as for `mobula ls`", maximum: FILTERS_MAX },
  ],
  flags: {
    ...COMMON_FLAGS,
    by: { type: "string", value: "COLUMN,…", help: "such as name,node,state; each kind has its own default" },
  },
  examples: [
    ["mobula summary tasks", "counts by name and state, with durations"],
    ["mobula summary tasks state=FAILED --by name,node", "where what fails"],
    ["mobula summary objects --by node --json", "for scripts"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const [kind, ...filters] = flags.positionals;
  checkKind("summary", kind);
  const by = flags.text("by")?.split(",").map((name) => name.trim()).filter((name) => name !== "");
  await withHead(flags, async (head) => {
    const answer = await head.ask("summarize", { kind, filters, ...by === undefined ? {} : { by } });
    if (flags.isSet("json")) return printJson(answer);
    const { rows, total, ungrouped, dropped } = answer;
    if (rows.length === 0) print(`no ${kind}${filters.length === 0 ? "" : " match"}`);
    else {
      const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
      print(table(columns, rows.map((row) => columns.map((column) => measure(row[column], column)))));
      print(dim(`${total} ${kind}`));
    }
    if (ungrouped > 0) print(`${ungrouped} more in groups that are not shown: there are too many`);
    if (dropped > 0) print(`${dropped} older ${kind} are no longer in memory and not counted`);
  });
  return 0;
}

/** `{count, sum, mean, min, max}` as `mean 12.5, max 80`; everything else as in lists. */
function measure(value: unknown, column: string): string {
  if (typeof value !== "object" || value === null || !("mean" in value)) return cell(value, column);
  const { mean, min, max } = value as { mean: number | null; min: number | null; max: number | null };
  return mean === null ? "" : `mean ${round(mean)}, ${round(min ?? 0)} to ${round(max ?? 0)}`;
}

function round(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Math.round(value * 100) / 100;
}
