/**
 * `mobula show ID`: all that is known of one task, actor, object, node, worker, job or placement group, or of a submitted
 * job; by its id or how that begins.
 * @module
 */
import { kindOfId } from "../common/id_kinds.ts";
import { withHead } from "./head_client.ts";
import { resolveId } from "./id_prefix.ts";
import { print, printFields, printJson } from "./print.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments, UsageError } from "./usage.ts";

export const showCommand: CommandDefinition = {
  name: "show",
  summary: "all that is known of one thing, by its id or how that begins",
  positionals: [{
    name: "ID",
    help: "of a task, actor, object, node, worker, job or placement group, or its beginning",
    isRequired: true,
  }],
  flags: COMMON_FLAGS,
  examples: [
    ["mobula show t-1f3a…", "a task: where it ran, when, what it failed with"],
    ["mobula show 1f3", "whatever has an id that begins so; several are listed"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const [given] = flags.positionals;
  checkId(given);
  let found = true;
  await withHead(flags, async (head) => {
    const id = await resolveId("show", head, given);
    const { row } = id === null
      ? await head.ask("submission", { submissionId: given, waitMs: 0 })
      : { row: null };
    const rows: Record<string, unknown>[] = id !== null
      ? (await head.ask("state", { id })).rows
      : row === null
      ? []
      : [{ ...row }];
    found = rows.length > 0;
    if (flags.isSet("json")) return printJson(rows);
    if (!found) return print(`${given} is not known (any more)`);
    for (const one of rows) printFields(one);
  });
  return found ? 0 : 1;
}

function checkId(id: string | undefined): asserts id is string {
  if (id === undefined) throw new UsageError("show: say what, by its id; `mobula ls KIND` lists them");
  try {
    // The beginning of an id has its letter, or at least none that no id has.
    if (/^[a-z]-/.test(id) || !/^[0-9A-Za-z][\w.-]*$/.test(id)) kindOfId(id);
  } catch (error) {
    throw new UsageError(`show: ${(error as Error).message}`);
  }
}
