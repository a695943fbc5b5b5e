/**
 * `mobula show ID`: all that is known of one task, actor, object, node, worker, job or placement group.
 * @module
 */
import { type IdKind, kindOfId } from "../common/id_kinds.ts";
import { withHead } from "./head_client.ts";
import { print, printJson } from "./print.ts";
import { COMMON_FLAGS, parseFlags, UsageError } from "./usage.ts";

/** A task has a row per attempt: more are cut. */
const ROWS_MAX = 100;

export async function showCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("show", args, COMMON_FLAGS, 1);
  const [id] = flags.positionals;
  const { kind, column } = kindOf(id);
  let found = true;
  await withHead(flags, async (head) => {
    const query = { kind, filters: [`${column}=${id}`], limit: ROWS_MAX, detail: true };
    const { rows } = await head.ask("list", query);
    found = rows.length > 0;
    if (flags.isSet("json")) return printJson(rows);
    if (!found) return print(`${id} is not known (any more)`);
    for (const row of rows) {
      const width = Math.max(...Object.keys(row).map((name) => name.length));
      for (const [name, value] of Object.entries(row)) {
        print(`${name.padEnd(width)}  ${typeof value === "string" ? value : JSON.stringify(value)}`);
      }
    }
  });
  return found ? 0 : 1;
}

function kindOf(id: string | undefined): IdKind {
  if (id === undefined) throw new UsageError("show: say what, by its id; `mobula ls KIND` lists them");
  try {
    return kindOfId(id);
  } catch (error) {
    throw new UsageError(`show: ${(error as Error).message}`);
  }
}
