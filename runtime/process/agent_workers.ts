/**
 * The worker processes that an agent starts: spawned, watched until they exit, ended by message or by force. A worker's
 * end is told once, with a cause, whatever came first: its exit, or its connection.
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, fstatSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { spawnRuntime } from "#platform";
import { RUNTIME_URL } from "../platform/runtime_folder.ts";
import { LOG_LINES_MAX } from "../common/error_report.ts";
import { RuntimeEnvSetupError } from "../common/errors.ts";
import { hex, type JobId, type NodeId, type ProcessId, workerId } from "../common/ids.ts";
import { markOf } from "../common/log_lines.ts";
import type { DeathCause, RuntimeEnvSpec, RuntimeName } from "../common/task_spec.ts";
import { shutdownGraceMs, workerStartTimeoutMs } from "../io/environment.ts";
import type { Environments } from "./agent_environments.ts";
import { LineReader, type ReadLine } from "../core/logs/line_reader.ts";
import { withFile } from "../io/logs/log_folder.ts";
import { LogTails, type TailedLines } from "./agent_logs.ts";
import { pruneWorkerLogs } from "./log_files.ts";
import { noteWorker } from "./agent_session.ts";
import { PROCESS_CONFIG_VARIABLE } from "./config.ts";
import { WorkerBundles } from "./worker_bundle.ts";
import { sandboxFlags, sandboxVariables } from "./sandbox.ts";
import { startVariables } from "./start_variables.ts";

/** An idle one has nothing to finish. */
const IDLE_EXIT_GRACE_MS = 2_000;
/** A worker whose connection broke has this long to be seen exiting. */
const EXIT_SEEN_MS = 200;
/** Ends of our making that are none of the work's own: an actor may come back from them. */
const ACCIDENTS: ReadonlySet<DeathCause["code"]> = new Set(["WORKER_DIED", "OUT_OF_MEMORY", "PREEMPTED"]);
const LEFT: DeathCause = { code: "NODE_DIED", message: "Its node left the cluster." };
/** How much of a worker's log goes into the error of a failed start. */
const LOG_TAIL_BYTES = 2_000;
/** Where a dead worker's last lines are looked for, and what of each goes into the error. */
const LAST_BYTES = 16 * 1024;
const LAST_LINE_LENGTH = 300;
/** Causes of ends that are remembered for workerFate. */
const FATES_MAX = 1_000;
/** Ended workers after which the oldest logs are removed. */
const PRUNE_LOGS_EVERY = 32;

/** What a worker process is told (see worker_main.ts). */
export interface WorkerConfig {
  readonly sessionDir: string;
  readonly agentSocket: string;
  /** Where it must listen for pushes. */
  readonly socketPath: string;
  readonly workerId: ProcessId;
  readonly nodeId: string;
  readonly clusterId: string;
  readonly tokenPath: string;
  /** Whether the node has GPUs, so that the worker says to its code which ones it may use. */
  readonly hasGpus: boolean;
  /** Its environment, which its own tasks inherit. */
  readonly runtimeEnv: RuntimeEnvSpec;
  /** Of a restricted worker: what it has instead of the cluster's token, good for its own two connections only. */
  readonly secret: string | null;
  readonly agentPid: number;
}

export interface WorkersOptions {
  readonly config: Omit<WorkerConfig, "socketPath" | "workerId" | "runtimeEnv" | "secret">;
  readonly environments: Environments;
  /** Where objects are, and what restricted workers may never open. */
  readonly storeDir: string;
  /** Folder of the workers' sockets. */
  readonly socketDir: string;
  readonly logDir: string;
  readonly runtime: RuntimeName;
  /** `final`: it would fail again. */
  readonly onStartFailed: (startId: number, message: string, final: boolean) => void;
  /** A worker that was ready is gone. */
  readonly onExit: (worker: WorkerProcess, cause: DeathCause, intended: boolean) => void;
  /** What a worker printed, whole lines. False when nobody is there to read it yet. */
  readonly onOutput: (worker: WorkerProcess, lines: readonly TailedLines[]) => boolean;
  /** Ask it to end after what it runs. */
  readonly askToExit: (id: ProcessId, reason: DeathCause) => void;
}

/** One started process. */
export interface WorkerProcess {
  readonly id: ProcessId;
  readonly startId: number;
  readonly child: ChildProcess;
  readonly socketPath: string;
  readonly logPath: string;
  readonly runtime: RuntimeName;
  readonly env: RuntimeEnvSpec;
  /** See WorkerConfig; null for a worker that is not restricted. */
  readonly secret: string | null;
  readonly startedMs: number;
  /** It said that it is ready. */
  ready: boolean;
  /** The job that it is bound to; null until its first lease. */
  jobId: JobId | null;
  /** Where the driver of that job, or the owner of its actor, is. */
  homeNode: NodeId | null;
  /** Why we ended it; null when we did not. */
  ending: DeathCause | null;
  timer: ReturnType<typeof setTimeout> | undefined;
}

const WORKER_MAIN: string = fileURLToPath(new URL("process/worker_main.ts", RUNTIME_URL));

export class WorkerProcesses {
  readonly #options: WorkersOptions;
  /** All and only processes that were started and have not exited. */
  readonly #workers: Map<ProcessId, WorkerProcess> = new Map();
  readonly #logs: LogTails = new LogTails();
  readonly #fates: Map<ProcessId, DeathCause> = new Map();
  readonly #bundles: WorkerBundles = new WorkerBundles((line) => console.error(`agent ${line}`));
  readonly #startTimeoutMs: number = workerStartTimeoutMs();
  /** Calls that run may finish, shutdown hooks too. */
  readonly #exitGraceMs: number = shutdownGraceMs();
  #closed: boolean = false;
  /** Workers that ended since old logs were removed. */
  #unpruned: number = 0;

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.#pruneLogs();
  }

  get(id: ProcessId): WorkerProcess | undefined {
    return this.#workers.get(id);
  }
  all(): Iterable<WorkerProcess> {
    return this.#workers.values();
  }
  /** Why a worker is gone; null when it is not known. */
  fateOf(id: ProcessId): DeathCause | null {
    return this.#fates.get(id) ?? null;
  }

  /** What the job's workers have printed so far is passed on before this returns. */
  flushOutput(jobId: JobId): void {
    for (const worker of this.#workers.values()) {
      if (worker.jobId === jobId) this.#logs.flush(worker.logPath);
    }
  }

  /** Whether a worker of this environment has to wait for its folder. */
  isPreparing({ workingDir }: RuntimeEnvSpec): boolean {
    return workingDir !== undefined && this.#options.environments.isUnpacking(workingDir);
  }

  /** Start one; its outcome comes as `ready` or onStartFailed. */
  start(startId: number, env: RuntimeEnvSpec): void {
    if (this.#closed) return;
    const { environments, onStartFailed } = this.#options;
    if (env.workingDir === undefined) return this.#spawn(startId, env, null);
    const { workingDir } = env;
    environments.acquire(workingDir).then((folder) => {
      if (this.#closed) return environments.release(workingDir);
      this.#spawn(startId, env, folder);
    }, (error: Error) => {
      // What is wrong with a folder stays wrong; a head that is away comes back.
      onStartFailed(startId, error.message, error instanceof RuntimeEnvSetupError);
    });
  }

  #spawn(startId: number, env: RuntimeEnvSpec, folder: string | null): void {
    const { config, socketDir, logDir, environments, storeDir, onStartFailed } = this.#options;
    const random = hex(randomBytes(6));
    const id = workerId(random);
    const socketPath = join(socketDir, `${id}.sock`);
    const logPath = join(logDir, `${id}.log`);
    const secret = env.permissions === undefined ? null : hex(randomBytes(32));
    const workerConfig: WorkerConfig = { ...config, socketPath, workerId: id, runtimeEnv: env, secret };
    const runtime = env.runtime ?? this.#options.runtime;
    let child: ChildProcess;
    let log: number | null = null;
    try {
      // Appending, so that nothing that others write into it is overwritten; a worker reads its own last lines.
      log = openSync(logPath, "a+", 0o600);
      const cwd = folder ?? (secret === null ? null : environments.empty());
      // A restricted one may read no more than mobula's modules.
      const entry = secret === null ? this.#bundles.entryFor(runtime) : null;
      child = spawnRuntime(runtime, entry ?? WORKER_MAIN, {
        env: {
          ...startVariables(runtime),
          ...(secret === null ? process.env : sandboxVariables(process.env)),
          ...env.env,
          [PROCESS_CONFIG_VARIABLE]: JSON.stringify(workerConfig),
        },
        ...(cwd === null ? {} : { cwd }),
        ...(secret === null ? {} : {
          denoFlags: sandboxFlags(env.permissions!, { ...workerConfig, storeDir }),
          endsWithParent: true,
        }),
        // The pipe's end is here: it closes when the agent is gone, however it went.
        stdio: ["pipe", log, log],
      });
    } catch (error) {
      if (env.workingDir !== undefined) environments.release(env.workingDir);
      const { message } = error as Error;
      // A runtime that is not installed.
      queueMicrotask(() => onStartFailed(startId, message, message.startsWith("Cannot find ")));
      return;
    } finally {
      if (log !== null) closeSync(log);
    }
    const worker: WorkerProcess = {
      id,
      startId,
      child,
      socketPath,
      logPath,
      runtime,
      env,
      secret,
      startedMs: Date.now(),
      ready: false,
      jobId: null,
      homeNode: null,
      ending: null,
      timer: undefined,
    };
    worker.timer = setTimeout(() => {
      const message = `It was not ready within ${this.#startTimeoutMs / 1000} s and was killed`;
      this.#kill(worker, { code: "WORKER_DIED", message });
    }, this.#startTimeoutMs);
    this.#workers.set(id, worker);
    if (child.pid !== undefined) noteWorker(socketDir, child.pid);
    this.#logs.add(logPath, (lines) => this.#options.onOutput(worker, lines));
    child.stdin?.on("error", () => undefined);
    child.on("error", (error) => this.#exited(worker, null, null, error.message));
    child.on("exit", (code, signal) => this.#exited(worker, code, signal, null));
  }

  /** It is ready for work. Null for one that is unknown or was told to end. */
  ready(id: ProcessId): WorkerProcess | null {
    const worker = this.#workers.get(id);
    if (worker === undefined || worker.ready || worker.ending !== null) return null;
    clearTimeout(worker.timer);
    worker.ready = true;
    return worker;
  }

  /** Its connection to the agent is over: without one it is of no use, alive or not. */
  disconnected(id: ProcessId): void {
    const worker = this.#workers.get(id);
    if (worker === undefined) return;
    this.#killSoon(worker, { code: "WORKER_DIED", message: "The worker lost its connection to the agent." });
  }

  /** End a worker, now or after what it runs. */
  stop(id: ProcessId, options: { force: boolean; idle: boolean; cause: DeathCause }): void {
    const worker = this.#workers.get(id);
    if (worker === undefined) return;
    if (options.force && options.cause.code === "WORKER_DIED") return this.#killSoon(worker, options.cause);
    if (options.force) return this.#kill(worker, options.cause);
    worker.ending ??= options.cause;
    this.#options.askToExit(id, options.cause);
    this.#killAfter(worker, options.idle ? IDLE_EXIT_GRACE_MS : this.#exitGraceMs);
  }

  /** It ends by itself, for this reason. `drained`: nothing but its shutdown hook is left to run. */
  leaving(id: ProcessId, cause: DeathCause, drained: boolean): void {
    const worker = this.#workers.get(id);
    if (worker === undefined) return;
    worker.ending ??= cause;
    if (drained) this.#killAfter(worker, this.#exitGraceMs);
  }

  #killAfter(worker: WorkerProcess, graceMs: number): void {
    clearTimeout(worker.timer);
    worker.timer = setTimeout(() => worker.child.kill("SIGKILL"), graceMs);
  }

  /** Kill all at once and start no more; resolves when all are gone. */
  async close(cause: DeathCause = LEFT): Promise<void> {
    this.#closed = true;
    this.#bundles.close();
    const exits = [...this.#workers.values()].map((worker) => {
      const exit = new Promise<void>((resolve) => worker.child.once("exit", () => resolve()));
      this.#kill(worker, cause);
      return exit;
    });
    await Promise.race([
      Promise.all(exits),
      new Promise<void>((resolve) => setTimeout(resolve, 2_000).unref()),
    ]);
  }

  /** Somebody saw it die: its exit is usually on its way, and tells the better cause. */
  #killSoon(worker: WorkerProcess, cause: DeathCause): void {
    clearTimeout(worker.timer);
    worker.timer = setTimeout(() => this.#kill(worker, cause), EXIT_SEEN_MS);
  }

  #kill(worker: WorkerProcess, cause: DeathCause): void {
    worker.ending ??= cause;
    clearTimeout(worker.timer);
    worker.child.kill("SIGKILL");
  }

  #pruneLogs(): void {
    this.#unpruned = 0;
    pruneWorkerLogs(this.#options.logDir, new Set(Array.from(this.all(), ({ logPath }) => logPath)));
  }

  #exited(worker: WorkerProcess, code: number | null, signal: string | null, failure: string | null): void {
    if (!this.#workers.delete(worker.id)) return;
    clearTimeout(worker.timer);
    if (worker.env.workingDir !== undefined) this.#options.environments.release(worker.env.workingDir);
    this.#logs.remove(worker.logPath);
    if (++this.#unpruned >= PRUNE_LOGS_EVERY) this.#pruneLogs();
    rmSync(worker.socketPath, { force: true });
    const how = failure ?? (signal === null ? `exit code ${code}` : `signal ${signal}`);
    const { onStartFailed, onExit } = this.#options;
    if (!worker.ready) {
      const tail = logTail(worker.logPath);
      const why = worker.ending?.message ?? `It ended with ${how}`;
      onStartFailed(worker.startId, tail === "" ? why : `${why}; its log ends: ${tail}`, false);
      return;
    }
    // Leaving by itself with code 0 is meant (exitActor, process.exit()), as in Ray.
    const meant = worker.ending === null && code === 0;
    const cause = worker.ending ?? {
      code: meant ? "EXITED" : "WORKER_DIED",
      message: `The worker process ${worker.id} (pid ${worker.child.pid}) ended with ${how}.`,
    };
    const told = meant ? cause : { ...cause, ...lastLines(worker.logPath) };
    this.#fates.set(worker.id, told);
    if (this.#fates.size > FATES_MAX) this.#fates.delete(this.#fates.keys().next().value!);
    onExit(worker, told, meant || (worker.ending !== null && !ACCIDENTS.has(worker.ending.code)));
  }
}

/** What the worker's last task printed last. */
function lastLines(path: string): Pick<DeathCause, "logLines"> {
  const found: ReadLine[] = [];
  try {
    withFile(path, (fd) => {
      const { size } = fstatSync(fd);
      const bytes = new Uint8Array(Math.min(size, LAST_BYTES));
      const length = readSync(fd, bytes, 0, bytes.length, size - bytes.length);
      const reader = new LineReader(0, (line) => found.push(line));
      reader.feed(bytes.subarray(0, length));
      reader.end();
    });
  } catch {
    return {}; // The log is gone.
  }
  const task = found.at(-1)?.mark?.task ?? null;
  const lines = found.filter(({ mark }) => task !== null && mark?.task === task).slice(-LOG_LINES_MAX);
  return lines.length === 0 ? {} : { logLines: lines.map(({ text }) => text.slice(0, LAST_LINE_LENGTH)) };
}

function logTail(path: string): string {
  try {
    const lines = readFileSync(path, "utf8").slice(-LOG_TAIL_BYTES).split("\n");
    return lines.filter((line) => markOf(line) === null).join("\n").trim();
  } catch {
    return "";
  }
}
