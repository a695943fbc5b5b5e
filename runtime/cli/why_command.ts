/**
 * `mobula why ID`: one sentence with the numbers: why a task, an actor, an object or a placement group is where it is.
 * @module
 */
import { withHead } from "./head_client.ts";
import { print, printJson } from "./print.ts";
import { COMMON_FLAGS, parseFlags, UsageError } from "./usage.ts";

export async function whyCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("why", args, COMMON_FLAGS, 1);
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
