/**
 * `mobula why ID`: one sentence with the numbers: why a task, an actor, an object or a placement group is where it is.
 * @module
 */
import { withHead } from "./head_client.ts";
import { print, printJson } from "./print.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments, UsageError } from "./usage.ts";

export const whyCommand: CommandDefinition = {
  name: "why",
  summary: "why a task, actor or object is where it is",
  positionals: [{ name: "ID", help: "of a task, actor, object or placement group", isRequired: true }],
  flags: COMMON_FLAGS,
  examples: [
    ["mobula why t-1f3a…", "one sentence: what it waits for, with the numbers"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const id = flags.positionals[0];
  if (id === undefined) {
    throw new UsageError(
      "why: say what, such as t-1f3a…; `mobula ls tasks` and `mobula ls actors` list them",
    );
  }
  return await withHead(flags, async (head) => {
    const { sentence } = await head.ask("why", { id });
    if (flags.isSet("json")) printJson({ id, sentence });
    else print(sentence);
    return 0;
  });
}
