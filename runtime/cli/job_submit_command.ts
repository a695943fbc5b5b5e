/**
 * `mobula job submit [OPTIONS] -- app.ts [ARGS]`: as `mobula run`, and with --detach it does not wait.
 * @module
 */
import { submit, SUBMIT_FLAGS } from "./job_submit.ts";
import type { CommandDefinition } from "./usage.ts";

export const jobSubmitCommand: CommandDefinition = {
  name: "job submit",
  summary: "submit a program as a job, and follow it or not",
  positionals: [
    { name: "PROGRAM", help: "a file of the folder that travels", isRequired: true },
    { name: "ARGS", help: "the program's own arguments", maximum: 10_000 },
  ],
  flags: {
    ...SUBMIT_FLAGS,
    detach: { type: "boolean", short: "d", help: "print the job's id and leave it running" },
  },
  examples: [
    [
      "mobula job submit --detach -- train.ts --epochs 3",
      "prints the id; `mobula job logs -f ID` follows it",
    ],
    ["mobula job submit --working-dir app --name nightly -- main.ts", "with a folder and a name"],
  ],
  passesThrough: true,
  run: (flags) => submit("job submit", flags, flags.isSet("detach")),
};
