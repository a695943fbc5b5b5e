/**
 * `mobula run app.ts [ARGS]`: runs a program in the cluster as if it ran here: its folder travels, its output and its end
 * come back.
 * @module
 */
import { submit, SUBMIT_FLAGS } from "./job_submit.ts";
import type { CommandDefinition } from "./usage.ts";

export const runCommand: CommandDefinition = {
  name: "run",
  summary: "run a program in the cluster, with its output and exit here",
  positionals: [
    { name: "PROGRAM", help: "a file of the folder that travels", isRequired: true },
    { name: "ARGS", help: "the program's own arguments", maximum: 10_000 },
  ],
  flags: SUBMIT_FLAGS,
  examples: [
    [
      "mobula run app.ts --size 3",
      "all that follows app.ts is app.ts's; exits with 0, or with 3 when it failed",
    ],
    ["mobula run --env LEVEL=debug --exclude '*.csv' app.ts", "with a variable, and without some files"],
  ],
  passesThrough: true,
  run: (flags) => submit("run", flags, false),
};
