/**
 * `mobula job list`: submitted jobs, the newest first.
 * @module
 */
import type { SubmissionRow } from "../common/submission.ts";
import { withHead } from "./head_client.ts";
import { age, print, printJson, table } from "./print.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments } from "./usage.ts";

export const jobListCommand: CommandDefinition = {
  name: "job list",
  summary: "submitted jobs, the newest first",
  flags: COMMON_FLAGS,
  examples: [["mobula job list", "all that are remembered: those that run, and the newest 1,000 that ended"]],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  return await withHead(flags, async (head) => {
    const { rows } = await head.ask("submissions", {});
    if (flags.isSet("json")) printJson(rows);
    else if (rows.length === 0) print("no jobs were submitted");
    else {print(
        table(["JOB", "STATE", "EXIT", "NAME", "PROGRAM", "NODE", "DRIVER", "AGE", "RAN"], rows.map(cells)),
      );}
    return 0;
  });
}

function cells(row: SubmissionRow): string[] {
  const { submissionId, state, exitCode, signal, metadata, entrypoint, nodeId, jobId } = row;
  const name = metadata["job_name"] ?? "";
  const ranMs = row.startedMs === null ? null : (row.endedMs ?? Date.now()) - row.startedMs;
  return [
    submissionId,
    state,
    signal ?? (exitCode === null ? "" : String(exitCode)),
    name === submissionId ? "" : name,
    entrypoint.length > 50 ? `${entrypoint.slice(0, 49)}…` : entrypoint,
    nodeId ?? "",
    jobId ?? "",
    age(Date.now() - row.submittedMs),
    ranMs === null ? "" : age(ranMs),
  ];
}
