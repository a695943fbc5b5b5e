/**
 * What `mobula run` and `mobula job submit` have in common: the folder goes up, the job is submitted, and its output is
 * followed to its end.
 * @module
 */
import type { NodeId } from "../common/ids.ts";
import type { SubmissionRow, SubmitParams } from "../common/submission.ts";
import type { RuntimeName } from "../common/task_spec.ts";
import { connectHead, destinationOf } from "./head_client.ts";
import { describeFolder, jobFolder, scanJobFolder, uploadJobFolder } from "./job_folder.ts";
import { followJob, type OutputSink, PatientHead, writeTo } from "./job_follow.ts";
import { Interrupts } from "./job_interrupt.ts";
import { print, printJson } from "./print.ts";
import { COMMON_FLAGS, type Flags, type ParsedArguments, UsageError } from "./usage.ts";

export const SUBMIT_FLAGS: Flags = {
  ...COMMON_FLAGS,
  "working-dir": {
    type: "string",
    value: "DIR",
    help:
      "the folder that travels; default: the nearest one with a package.json or deno.json, else the program's",
  },
  exclude: {
    type: "string",
    value: "PATTERN",
    isMultiple: true,
    help: "what stays behind, as in .gitignore",
  },
  env: {
    type: "string",
    value: "NAME=VALUE",
    isMultiple: true,
    help: "a variable of the program and its tasks",
  },
  runtime: {
    type: "string",
    value: "bun|deno|node",
    help: "of the program and its tasks; default: the node's",
  },
  node: { type: "string", value: "NODE", help: "where the program runs; default: the head's node" },
  id: { type: "string", value: "ID", help: "the job's id; default: a fresh one" },
  name: { type: "string", value: "TEXT", help: "for people; default: the id" },
  metadata: { type: "string", value: "NAME=VALUE", isMultiple: true, help: "for people and scripts" },
};

/** Submits what the positional arguments name. Resolves to the exit code: 0, or 3 when the program failed or was stopped. */
export async function submit(command: string, flags: ParsedArguments, detach: boolean): Promise<number> {
  const [program, ...args] = flags.positionals;
  if (program === undefined) throw new UsageError(`${command}: say which program, such as app.ts`);
  const name = flags.text("name");
  const destination = destinationOf(flags);
  const folder = jobFolder(program, flags.text("working-dir"));
  const job: Omit<SubmitParams, "workingDir"> = {
    program: folder.program,
    args,
    submissionId: flags.text("id") ?? undefined,
    runtime: (flags.text("runtime") ?? undefined) as RuntimeName | undefined,
    nodeId: (flags.text("node") ?? undefined) as NodeId | undefined,
    modules: folder.modules ?? undefined,
    env: pairs(command, "env", flags),
    metadata: { ...name === null ? {} : { job_name: name }, ...pairs(command, "metadata", flags) },
  };
  const scanned = scanJobFolder(folder.root, flags.list("exclude"));
  for (const line of describeFolder(scanned)) tell(line);
  const head = await connectHead(destination);
  const patient = new PatientHead(destination, head);
  try {
    if (!await uploadJobFolder(scanned, head)) tell("the cluster has this folder already");
    const params = { job: { ...job, workingDir: scanned.hash } };
    const { submissionId } = (await head.request("submitJob", params, [])).result;
    const isJson = flags.isSet("json");
    if (detach) {
      if (isJson) printJson({ submissionId });
      else print(submissionId);
      return 0;
    }
    if (isJson) event({ type: "submitted", submissionId });
    else {tell(
        `job ${submissionId} is submitted; follow it elsewhere with \`mobula job logs -f ${submissionId}\``,
      );}
    return await attach(patient, submissionId, isJson);
  } finally {
    patient.close();
  }
}

/** Follows a job in this terminal, with Ctrl-C. */
export async function attach(head: PatientHead, submissionId: string, isJson: boolean): Promise<number> {
  const aborted = new AbortController();
  const interrupts = new Interrupts(submissionId, (what) => {
    if (what === "detach") return aborted.abort();
    tell(`stopping job ${submissionId}`);
    head.request("stopSubmission", { submissionId }).catch((error: Error) => tell(error.message));
  });
  try {
    const detached = new Promise<null>((resolve) =>
      aborted.signal.addEventListener("abort", () => resolve(null))
    );
    const followed = followJob(head, submissionId, isJson ? jsonSink() : rawSink, aborted.signal);
    // When it is left, nobody waits for it any more.
    followed.catch(() => undefined);
    const row = await Promise.race([followed, detached]);
    if (row !== null) return finish(row, isJson);
    tell(`job ${submissionId} goes on; \`mobula job logs -f ${submissionId}\` follows it`);
    return 0;
  } finally {
    interrupts.close();
  }
}

export const rawSink: OutputSink = (stream, bytes) => writeTo(process[stream], bytes);

/** NDJSON: {"type":"output","stream":"stdout","text":…}. A character that is cut in two waits for its rest. */
export function jsonSink(): OutputSink {
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  return (stream, bytes) => {
    event({ type: "output", stream, text: decoders[stream].decode(bytes, { stream: true }) });
    return Promise.resolve();
  };
}

/** How it ended, and the exit code for that. */
export function finish(row: SubmissionRow, isJson: boolean): number {
  if (isJson) event({ type: "ended", job: row });
  else if (row.state !== "SUCCEEDED") tell(`job ${row.submissionId} ${row.state}: ${firstLine(row.message)}`);
  return row.state === "SUCCEEDED" ? 0 : 3;
}

export function event(value: unknown): void {
  print(JSON.stringify(value));
}

function firstLine(text: string): string {
  return text.split("\n")[0]!.replace(/; its last words:$/, "");
}

function tell(line: string): void {
  process.stderr.write(`mobula: ${line}\n`);
}

function pairs(command: string, flag: string, flags: ParsedArguments): Record<string, string> {
  return Object.fromEntries(
    flags.list(flag).map((text) => {
      const at = text.indexOf("=");
      if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
      throw new UsageError(`${command}: --${flag} must be NAME=VALUE, is ${JSON.stringify(text)}`);
    }),
  );
}
