/**
 * Submitted jobs on this node: each program is a process of ours in a process group of its own, in a folder of its own,
 * and writes to files of its own. A stop, its end, and our own end take the whole group; a stop also what has left the group.
 *
 *   preparing --> running --> ended --head has heard--> (forgotten)
 *        \-----stopped-----------^
 *
 * A small shell between us and the program watches a pipe from us and kills the group when we are gone, however we went;
 * then it becomes the program, which so has the pid that we know.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { runtimeName } from "#platform";
import type { NodeId } from "../common/ids.ts";
import type { SubmissionOutcome, SubmissionSpec } from "../common/submission.ts";
import { unpackFolder } from "../io/runtime_env/unpack_folder.ts";
import { RUNTIME_URL } from "../platform/runtime_folder.ts";
import { findRuntime, runtimeArguments } from "../platform/spawn.ts";
import { headSource } from "./agent_environments.ts";
import type { HeadLink } from "./agent_head_link.ts";
import type { AgentPaths } from "./agent_session.ts";
import { type AgentConfig, PROCESS_CONFIG_VARIABLE } from "./config.ts";
import { markedProcesses } from "./marked_processes.ts";
import { SubmissionOutputs } from "./submission_outputs.ts";

const ID = "MOBULA_SUBMISSION_ID";
/** Between SIGTERM and SIGKILL (Ray: 3 s). */
const STOP_GRACE_MS = 3_000;
/** How long the exit code of a program that ended is known by its pid. */
const EXIT_KEPT_MS = 5_000;
/** When the node leaves. */
const LEAVE_GRACE_MS = 1_000;

/** Ends the group when the pipe from the agent ends; signals to the group must not end the watch before. */
const GUARD = `exec 3<&0 </dev/null
( trap '' TERM INT HUP QUIT; cat <&3; kill -KILL 0 ) >/dev/null 2>&1 &
exec 3<&-
exec "$@"`;

export interface SubmissionsOptions {
  readonly nodeId: NodeId;
  readonly epoch: number;
  readonly head: HeadLink;
  readonly token: string;
  readonly config: Pick<AgentConfig, "headAddress" | "sessionDir" | "workerRuntime">;
  readonly paths: AgentPaths;
}

interface Submission {
  readonly spec: SubmissionSpec;
  child: ChildProcess | null;
  isStopping: boolean;
  hasEnded: boolean;
  /** The group's kill, once it was asked to end. */
  timer: ReturnType<typeof setTimeout> | undefined;
}

export class Submissions {
  readonly outputs: SubmissionOutputs;
  readonly #options: SubmissionsOptions;
  /** The programs' own folders; it goes with the agent. */
  readonly #dir: string;
  /** All and only those of which the head has not heard the end. */
  readonly #submissions: Map<string, Submission> = new Map();

  /** Of programs that run, by pid. */
  readonly #exits: Map<number, Promise<number | null>> = new Map();

  constructor(options: SubmissionsOptions) {
    this.#options = options;
    this.#dir = join(options.paths.dir, "jobs");
    this.outputs = new SubmissionOutputs(options.paths.logs, (id) => this.#isLive(id));
  }

  /** NodeMethods.startSubmission. Of one that is here already it changes nothing. */
  start(spec: SubmissionSpec): void {
    const { submissionId } = spec;
    if (this.#submissions.has(submissionId)) return;
    const submission: Submission = {
      spec,
      child: null,
      isStopping: false,
      hasEnded: false,
      timer: undefined,
    };
    this.#submissions.set(submissionId, submission);
    this.#run(submission).catch((error: Error) => {
      this.#ended(submission, {
        exitCode: null,
        signal: null,
        message: `it could not start: ${error.message}`,
      });
    });
  }

  /** NodeMethods.endSubmission. */
  end(submissionId: string): void {
    const submission = this.#submissions.get(submissionId);
    if (submission === undefined) {
      // The order to start it was lost, or the head has its end already and takes no notice.
      return this.#report(submissionId, { exitCode: null, signal: null, message: "", endedMs: Date.now() });
    }
    if (submission.isStopping) return;
    submission.isStopping = true;
    if (submission.child !== null) this.#endGroup(submission, STOP_GRACE_MS);
  }

  /** The exit code of the program with this pid, when it comes; null for a process that is none of ours. */
  exitOf(pid: number): Promise<number | null> | null {
    return this.#exits.get(pid) ?? null;
  }

  /** The node leaves: all of them end. */
  async close(): Promise<void> {
    const live = [...this.#submissions.values()].filter(({ child, hasEnded }) => child !== null && !hasEnded);
    await Promise.all(live.map((submission) => {
      const gone = new Promise((resolve) => submission.child!.once("exit", resolve));
      submission.isStopping = true;
      this.#endGroup(submission, LEAVE_GRACE_MS);
      return gone;
    }));
    this.outputs.close();
  }

  #isLive(submissionId: string): boolean {
    return this.#submissions.get(submissionId)?.hasEnded === false;
  }

  async #run(submission: Submission): Promise<void> {
    const { spec } = submission;
    const { nodeId, epoch, head } = this.#options;
    const folder = await this.#prepare(spec);
    if (submission.isStopping) {
      return this.#ended(submission, { exitCode: null, signal: null, message: "" });
    }
    const program = resolve(folder, spec.program);
    if (!existsSync(program)) throw new Error(`there is no ${spec.program} in its folder`);
    const runtime = spec.runtime ?? this.#options.config.workerRuntime;
    const binary = findRuntime(runtime, { name: runtimeName, path: process.execPath });
    const command = [binary, ...runtimeArguments(runtime, program), ...spec.args];
    const [out, err] = this.outputs.open(spec.submissionId);
    try {
      const child = spawn("/bin/sh", ["-c", GUARD, "sh", ...command], {
        cwd: folder,
        env: this.#environment(spec) as NodeJS.ProcessEnv,
        stdio: ["pipe", out, err],
        detached: true,
      });
      child.stdin!.on("error", () => undefined);
      submission.child = child;
      child.once("error", (error) => {
        if (child.pid === undefined) this.#ended(submission, { ...NO_EXIT, message: error.message });
      });
      child.once("exit", (code, signal) => this.#exited(submission, code, signal));
      if (child.pid === undefined) return;
      this.#exits.set(child.pid, exitOf(child));
      const params = { submissionId: spec.submissionId, nodeId, epoch, pid: child.pid };
      head.request("submissionStarted", params, [], { keep: true }).catch(() => undefined);
    } finally {
      closeSync(out);
      closeSync(err);
    }
  }

  /** The folder that it runs in; beside it, what its imports find: the submitter's packages where we have them, and mobula. */
  async #prepare({ submissionId, workingDir, modules }: SubmissionSpec): Promise<string> {
    const dir = this.#dir;
    const own = join(dir, submissionId);
    const folder = join(own, "folder");
    const shared = join(dir, "node_modules");
    if (!existsSync(shared)) {
      mkdirSync(shared, { recursive: true, mode: 0o700 });
      symlinkSync(fileURLToPath(new URL("..", RUNTIME_URL)), join(shared, "mobula"));
    }
    rmSync(own, { recursive: true, force: true });
    mkdirSync(own, { mode: 0o700 });
    if (modules !== null && existsSync(modules)) symlinkSync(modules, join(own, "node_modules"));
    if (workingDir === null) mkdirSync(folder, { mode: 0o700 });
    else await unpackFolder(workingDir, headSource(this.#options.head), folder);
    return folder;
  }

  #environment({ submissionId, workingDir, env, metadata, runtime }: SubmissionSpec): Record<string, string> {
    const all: Record<string, string | undefined> = { ...process.env };
    delete all[PROCESS_CONFIG_VARIABLE];
    const { token, config: { headAddress, sessionDir } } = this.#options;
    const jobEnv = {
      ...(workingDir === null ? {} : { workingDir: `mobula-folder:${workingDir}` }),
      ...(Object.keys(env).length === 0 ? {} : { env }),
      ...(runtime === null ? {} : { runtime }),
    };
    return {
      ...all as Record<string, string>,
      MOBULA_ADDRESS: headAddress,
      MOBULA_SESSION_DIR: sessionDir,
      MOBULA_TOKEN: token,
      [ID]: submissionId,
      MOBULA_JOB_METADATA: JSON.stringify(metadata),
      MOBULA_JOB_RUNTIME_ENV: JSON.stringify(jobEnv),
      ...env,
    };
  }

  #endGroup(submission: Submission, graceMs: number): void {
    const pid = submission.child?.pid;
    if (pid === undefined) return;
    this.#signal(submission, "SIGTERM");
    clearTimeout(submission.timer);
    submission.timer = setTimeout(() => this.#signal(submission, "SIGKILL"), graceMs);
  }

  /** To its group, and to what left the group (setsid): that has its environment yet. */
  #signal({ spec: { submissionId }, child }: Submission, signal: NodeJS.Signals): void {
    signalProcess(-child!.pid!, signal);
    const { headAddress, sessionDir } = this.#options.config;
    const marks = { [ID]: submissionId, MOBULA_ADDRESS: headAddress, MOBULA_SESSION_DIR: sessionDir };
    for (const pid of markedProcesses(marks, child!.pid!)) signalProcess(pid, signal);
  }

  #exited(submission: Submission, code: number | null, signal: NodeJS.Signals | null): void {
    clearTimeout(submission.timer);
    // Its connection to us may end after it.
    const { pid } = submission.child!;
    setTimeout(() => this.#exits.delete(pid!), EXIT_KEPT_MS).unref?.();
    // What it has left running in its group ends with it, and so does the guard; what left the group was to stay.
    if (submission.isStopping) this.#signal(submission, "SIGKILL");
    else signalProcess(-pid!, "SIGKILL");
    const words = this.outputs.lastWords(submission.spec.submissionId);
    const how = signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`;
    const message = code === 0 ? "" : words === "" ? how : `${how}; its last words:\n${words}`;
    this.#ended(submission, { exitCode: signal === null ? code : null, signal, message });
  }

  #ended(submission: Submission, how: Omit<SubmissionOutcome, "endedMs">): void {
    if (submission.hasEnded) return;
    submission.hasEnded = true;
    const { submissionId } = submission.spec;
    rmSync(join(this.#dir, submissionId), { recursive: true, force: true });
    this.outputs.prune();
    this.#report(submissionId, { ...how, endedMs: Date.now() });
  }

  #report(submissionId: string, outcome: SubmissionOutcome): void {
    const { head, nodeId } = this.#options;
    head.request("submissionEnded", { submissionId, nodeId, outcome }, [], { keep: true }).then(
      () => this.#submissions.delete(submissionId),
      () => undefined, // We are leaving, which the head knows.
    );
  }
}

const NO_EXIT: { readonly exitCode: null; readonly signal: null } = { exitCode: null, signal: null };

/** A negative number is a group's. */
function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // All of it has ended.
  }
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once("exit", (code) => resolve(code)));
}
