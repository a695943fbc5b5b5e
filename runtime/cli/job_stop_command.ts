/**
 * `mobula job stop ID`: SIGTERM to the program and all that it started, SIGKILL after a grace.
 * @module
 */
import { FINAL_STATES } from "../common/submission.ts";
import { connectHead, destinationOf } from "./head_client.ts";
import { findJob, jobEnd, PatientHead } from "./job_follow.ts";
import { print, printJson } from "./print.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments, UsageError } from "./usage.ts";

export const jobStopCommand: CommandDefinition = {
  name: "job stop",
  summary: "end a submitted job: SIGTERM, then SIGKILL after 3 s",
  positionals: [{ name: "ID", help: "of a submitted job, or how it begins", isRequired: true }],
  flags: { ...COMMON_FLAGS, detach: { type: "boolean", short: "d", help: "do not wait for its end" } },
  examples: [["mobula job stop job-1f3a…", "returns when all of its processes are gone"]],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const [prefix] = flags.positionals;
  if (prefix === undefined) throw new UsageError("job stop: say which job; `mobula job list` lists them");
  const destination = destinationOf(flags);
  const head = await connectHead(destination);
  const patient = new PatientHead(destination, head);
  try {
    const found = await findJob(head, prefix);
    const { submissionId } = found;
    const hadEnded = FINAL_STATES.has(found.state);
    const { stopped } = await head.ask("stopSubmission", { submissionId });
    const row = hadEnded || flags.isSet("detach") ? found : await jobEnd(patient, submissionId);
    if (flags.isSet("json")) printJson({ stopped, job: row });
    else if (hadEnded) print(`${submissionId} has ended already: ${row.state}`);
    else print(`${submissionId} ${flags.isSet("detach") ? "is being stopped" : row.state}`);
    return 0;
  } finally {
    patient.close();
  }
}
