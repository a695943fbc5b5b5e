/**
 * Submitted jobs: programs that the cluster runs as drivers, under an agent's supervision. The types that the head, the
 * agents, the command line and the HTTP API share, and what may be asked for.
 * @module
 */
import type { JobId, NodeId } from "./ids.ts";
import type { RuntimeName } from "./task_spec.ts";

/** As in Ray; the last three are final. */
export type SubmissionState = "PENDING" | "RUNNING" | "SUCCEEDED" | "FAILED" | "STOPPED";

/** What is to be run. */
export interface SubmissionSpec {
  readonly submissionId: string;
  /** The program, relative to the working folder. */
  readonly program: string;
  readonly args: readonly string[];
  /** Null: the node's own. */
  readonly runtime: RuntimeName | null;
  /** Hash of the packed folder that the program runs in; null: an empty one. */
  readonly workingDir: string | null;
  /** Where the submitter's packages are (a node_modules folder): used when the node has the same folder. */
  readonly modules: string | null;
  /** Variables for the program, and for its tasks. */
  readonly env: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Null: the head's node. */
  readonly nodeId: NodeId | null;
}

/** How a program ended. */
export interface SubmissionOutcome {
  /** Null when a signal ended it, or nobody saw it end. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** Why it failed, "" when it did not: its last words, or why it never ran. */
  readonly message: string;
  readonly endedMs: number;
}

/** A submitted job, as people and scripts see it. */
export interface SubmissionRow {
  readonly submissionId: string;
  readonly state: SubmissionState;
  /** Why it is in this state; "" when there is nothing to say. */
  readonly message: string;
  /** The command line, for people. */
  readonly entrypoint: string;
  readonly runtime: RuntimeName | null;
  readonly workingDir: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly nodeId: NodeId | null;
  readonly pid: number | null;
  /** The driver's job once it has said hello to the cluster. */
  readonly jobId: JobId | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly submittedMs: number;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
}

/** What a client asks for; what is left out has its default. */
export interface SubmitParams {
  /** Default: a fresh one. */
  readonly submissionId?: string | undefined;
  readonly program: string;
  readonly args?: readonly string[] | undefined;
  readonly runtime?: RuntimeName | undefined;
  readonly workingDir?: string | undefined;
  readonly modules?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly nodeId?: NodeId | undefined;
}

export const FINAL_STATES: ReadonlySet<SubmissionState> = new Set(["SUCCEEDED", "FAILED", "STOPPED"]);

const RUNTIMES: readonly unknown[] = ["bun", "deno", "node"];
const ARGS_MAX = 10_000;
const TEXT_BYTES_MAX = 1024 * 1024;
const KEYS: readonly string[] = [
  "submissionId",
  "program",
  "args",
  "runtime",
  "workingDir",
  "modules",
  "env",
  "metadata",
  "nodeId",
];

/**
 * The spec of what was asked for. `freshId` is taken when no id is given.
 * @throws {TypeError} for what has the wrong type, and for names that are not known.
 * @throws {RangeError} for what has an impossible value.
 */
export function checkSubmission(value: unknown, freshId: string): SubmissionSpec {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError("A job is described by an object");
  }
  const asked = value as Record<string, unknown>;
  const unknown = Object.keys(asked).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) {
    throw new TypeError(`A job has no ${JSON.stringify(unknown.slice(0, 80))}; it has ${KEYS.join(", ")}`);
  }
  const submissionId = textOf(asked, "submissionId") ?? freshId;
  if (!/^[A-Za-z0-9][\w.-]{0,99}$/.test(submissionId)) {
    throw new RangeError(
      `submissionId must be 1 to 100 letters, digits, dots, dashes and underscores, is ${
        quote(submissionId)
      }`,
    );
  }
  const workingDir = textOf(asked, "workingDir");
  if (workingDir !== null && !/^[0-9a-f]{64}$/.test(workingDir)) {
    throw new RangeError(`workingDir must be the hash of a packed folder, is ${quote(workingDir)}`);
  }
  const runtime = textOf(asked, "runtime");
  if (runtime !== null && !RUNTIMES.includes(runtime)) {
    throw new RangeError(`runtime must be bun, deno or node, is ${quote(runtime)}`);
  }
  const env = textsOf(asked, "env");
  for (const name of Object.keys(env)) {
    if (!/^[^=\0]+$/.test(name)) throw new RangeError(`env has an impossible name: ${quote(name)}`);
  }
  const spec: SubmissionSpec = {
    submissionId,
    program: programOf(asked),
    args: argsOf(asked),
    runtime: runtime as RuntimeName | null,
    workingDir,
    modules: textOf(asked, "modules"),
    env,
    metadata: { job_name: submissionId, job_submission_id: submissionId, ...textsOf(asked, "metadata") },
    nodeId: textOf(asked, "nodeId") as NodeId | null,
  };
  const size = JSON.stringify(spec).length;
  if (size > TEXT_BYTES_MAX) {
    throw new RangeError(`A job's description has ${size} bytes, limit ${TEXT_BYTES_MAX}`);
  }
  return spec;
}

/** The command line for people. */
export function entrypointOf({ program, args }: SubmissionSpec): string {
  const shown = [program, ...args].map((word) => /^[\w./:=@%+,-]+$/.test(word) ? word : JSON.stringify(word));
  const text = shown.join(" ");
  return text.length > 1_000 ? `${text.slice(0, 999)}…` : text;
}

function programOf(asked: Record<string, unknown>): string {
  const program = textOf(asked, "program");
  if (program === null) throw new TypeError("A job needs a program: a path relative to its working folder");
  if (program.startsWith("/") || program.split("/").includes("..") || program.includes("\0")) {
    throw new RangeError(`program must be a path inside of the working folder, is ${quote(program)}`);
  }
  return program;
}

function argsOf(asked: Record<string, unknown>): readonly string[] {
  const { args = [] } = asked;
  if (!Array.isArray(args) || !args.every((one) => typeof one === "string")) {
    throw new TypeError("args must be an array of texts");
  }
  if (args.length > ARGS_MAX) throw new RangeError(`args has ${args.length} texts, limit ${ARGS_MAX}`);
  if (args.some((one) => one.includes("\0"))) throw new RangeError("args must not contain NUL characters");
  return args;
}

function textOf(asked: Record<string, unknown>, name: string): string | null {
  const value = asked[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== "string") throw new TypeError(`${name} must be a text, is ${typeof value}`);
  if (value === "") throw new RangeError(`${name} must not be empty`);
  return value;
}

function textsOf(asked: Record<string, unknown>, name: string): Record<string, string> {
  const value = asked[name] ?? {};
  const isRecord = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isRecord || !Object.values(value).every((one) => typeof one === "string" && !one.includes("\0"))) {
    throw new TypeError(`${name} must be an object of texts`);
  }
  return value as Record<string, string>;
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 120));
}
