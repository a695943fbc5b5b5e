/**
 * `mobula show ID`: all that is known of one task, actor, object, node, worker, job or placement group.
 * @module
 */
import { kindOfId } from "../common/id_kinds.ts";
import { withHead } from "./head_client.ts";
import { print, printFields, printJson } from "./print.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments, UsageError } from "./usage.ts";

export const showCommand: CommandDefinition = {
  name: "show",
  summary: "all that is known of one thing",
  positionals: [{
    name: "ID",
    help: "of a task, actor, object, node, worker, job or placement group",
    isRequired: true,
  }],
  flags: COMMON_FLAGS,
  examples: [
    ["mobula show t-1f3a…", "a task: where it ran, when, what it failed with"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const [id] = flags.positionals;
  checkId(id);
  let found = true;
  await withHead(flags, async (head) => {
    const { rows } = await head.ask("state", { id });
    found = rows.length > 0;
    if (flags.isSet("json")) return printJson(rows);
    if (!found) return print(`${id} is not known (any more)`);
    for (const row of rows) printFields(row);
  });
  return found ? 0 : 1;
}

function checkId(id: string | undefined): asserts id is string {
  if (id === undefined) throw new UsageError("show: say what, by its id; `mobula ls KIND` lists them");
  try {
    kindOfId(id);
  } catch (error) {
    throw new UsageError(`show: ${(error as Error).message}`);
  }
}
