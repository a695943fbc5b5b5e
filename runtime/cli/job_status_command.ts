/**
 * `mobula job status ID` and `mobula job show ID`: a submitted job's state in a line, and all that is known of it.
 * @module
 */
import { withHead } from "./head_client.ts";
import { findJob } from "./job_follow.ts";
import { print, printFields, printJson } from "./print.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments, UsageError } from "./usage.ts";

const ID = { name: "ID", help: "of a submitted job, or how it begins", isRequired: true } as const;

export const jobStatusCommand: CommandDefinition = {
  name: "job status",
  summary: "the state of a submitted job, in a line",
  positionals: [ID],
  flags: COMMON_FLAGS,
  examples: [["mobula job status job-1f3a…", "such as `job-1f3a… FAILED: it ended with exit code 7`"]],
  run: (flags) => run("job status", flags, false),
};

export const jobShowCommand: CommandDefinition = {
  name: "job show",
  summary: "all that is known of a submitted job",
  positionals: [ID],
  flags: COMMON_FLAGS,
  examples: [["mobula job show job-1f3a…", "with its times, its exit code or signal, and its last words"]],
  run: (flags) => run("job show", flags, true),
};

async function run(command: string, flags: ParsedArguments, all: boolean): Promise<number> {
  const [prefix] = flags.positionals;
  if (prefix === undefined) throw new UsageError(`${command}: say which job; \`mobula job list\` lists them`);
  return await withHead(flags, async (head) => {
    const row = await findJob(head, prefix);
    if (flags.isSet("json")) printJson(row);
    else if (all) printFields(row as unknown as Record<string, unknown>);
    else print(`${row.submissionId} ${row.state}${row.message === "" ? "" : `: ${row.message}`}`);
    return 0;
  });
}
