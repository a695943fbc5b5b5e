/**
 * `mobula job logs ID [-f]`: what a submitted job printed: its stdout on stdout, its stderr on stderr.
 * @module
 */
import { connectHead, destinationOf } from "./head_client.ts";
import { findJob, PatientHead, readOutput } from "./job_follow.ts";
import { attach, jsonSink, rawSink } from "./job_submit.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments, UsageError } from "./usage.ts";

export const jobLogsCommand: CommandDefinition = {
  name: "job logs",
  summary: "what a submitted job printed; -f follows it",
  positionals: [{ name: "ID", help: "of a submitted job, or how it begins", isRequired: true }],
  flags: {
    ...COMMON_FLAGS,
    follow: {
      type: "boolean",
      short: "f",
      help: "until it has ended; then exits with 0, or with 3 when it failed",
    },
  },
  examples: [
    ["mobula job logs job-1f3a…", "all of it so far"],
    ["mobula job logs -f job-1f3a…", "attach to it: Ctrl-C asks whether to stop it"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const [prefix] = flags.positionals;
  if (prefix === undefined) throw new UsageError("job logs: say which job; `mobula job list` lists them");
  const destination = destinationOf(flags);
  const head = await connectHead(destination);
  const patient = new PatientHead(destination, head);
  try {
    const { submissionId } = await findJob(head, prefix);
    const isJson = flags.isSet("json");
    if (flags.isSet("follow")) return await attach(patient, submissionId, isJson);
    await readOutput(patient, submissionId, isJson ? jsonSink() : rawSink, false);
    return 0;
  } finally {
    patient.close();
  }
}
