/**
 * Starts one process of the cluster (head_main.ts, agent_main.ts, supervisor_main.ts) and waits for the line on its stdout
 * that says it is ready, or why not.
 * @module
 */
import type { ChildProcess, StdioOptions } from "node:child_process";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { runtimeName, spawnRuntime } from "#platform";
import type { RuntimeName } from "../common/task_spec.ts";
import { RUNTIME_URL } from "../platform/runtime_folder.ts";
import { findRuntime } from "../platform/spawn.ts";
import { type NotReady, PROCESS_CONFIG_VARIABLE } from "./config.ts";
import { clusterProgram } from "./worker_bundle.ts";

/** Those that the bundle of a cluster's processes has. */
const BUNDLED: ReadonlySet<string> = new Set(["head_main.ts", "agent_main.ts"]);
/** How long a process may take until it says that it serves. */
const START_TIMEOUT_MS = 30_000;
/** Of a process that fails to start, this much of its stderr goes into the error. */
const ERROR_TEXT_MAX = 4_000;

export interface StartOptions {
  /** Stderr of the child: "pipe" (default; its end goes into the error of a failed start) or a file descriptor. */
  readonly stderr?: "pipe" | number;
  /** Where its stdout goes after the ready line; nowhere by default. */
  readonly output?: Writable;
  /** Default 30 s. */
  readonly timeoutMs?: number;
  /** What the child waits for after it has loaded its code, sent as the first line of its stdin. When it fails, so does the start. */
  readonly firstLine?: Promise<string>;
}

/** A process that is ready, and what it said. */
export interface StartedProcess<R> {
  readonly process: ChildProcess;
  readonly ready: R;
}

/**
 * Start `entry` (a file beside this one, or a file's address) with its config; resolves when it is ready. Its stdin is a
 * pipe from here, the lifeline; it has a process group of its own, so that Ctrl-C in a terminal reaches only us, who end it
 * in order.
 * @throws {Error} naming the entry, with what it said, when it exits, fails or takes too long; it is dead then.
 */
export async function startProcess<R extends { readonly ready: true }>(
  entry: string,
  config: { readonly runtime: RuntimeName },
  options: StartOptions = {},
): Promise<StartedProcess<R>> {
  const stderr = options.stderr ?? "pipe";
  const stdio: StdioOptions = ["pipe", "pipe", stderr];
  const { entry: file, args } = BUNDLED.has(entry)
    ? clusterProgram(config.runtime, `process/${entry}`)
    : { entry: fileURLToPath(new URL(entry, new URL("process/", RUNTIME_URL))), args: [] };
  const child = spawnRuntime(config.runtime, file, {
    env: childEnvironment(config),
    stdio,
    detached: true,
    args,
  });
  // Writing to a child that just died is not our failure: its exit says so.
  child.stdin!.on("error", () => undefined);
  try {
    const ready = readyLine<R>(child, options);
    const sent = options.firstLine?.then((line) => void child.stdin!.write(`${line}\n`));
    return { process: child, ready: (await Promise.all([ready, sent]))[0] };
  } catch (error) {
    child.kill("SIGKILL");
    const name = entry.replace(/^.*\//, "").replace(/(_main)?\.ts$/, "");
    throw new Error(`Cannot start ${name}: ${(error as Error).message}`, { cause: error });
  }
}

/** Ours, without what is meant for drivers: a cluster's processes read the token from its file. */
function childEnvironment(config: unknown): Record<string, string | undefined> {
  const env: Record<string, string | undefined> = { ...process.env };
  delete env["MOBULA_TOKEN"];
  delete env["MOBULA_ADDRESS"];
  env[PROCESS_CONFIG_VARIABLE] = JSON.stringify(config);
  return env;
}

function readyLine<R extends { readonly ready: true }>(
  child: ChildProcess,
  { timeoutMs = START_TIMEOUT_MS, output }: StartOptions,
): Promise<R> {
  const { promise, resolve, reject } = Promise.withResolvers<R>();
  let out = "";
  let errors = "";
  const timer = setTimeout(
    () => reject(new Error(`it was not ready within ${timeoutMs / 1000} s`)),
    timeoutMs,
  );
  const onError = (chunk: Uint8Array): void => {
    errors = (errors + new TextDecoder().decode(chunk)).slice(-ERROR_TEXT_MAX);
  };
  const onOutput = (chunk: Uint8Array): void => {
    out += new TextDecoder().decode(chunk);
    const end = out.indexOf("\n");
    if (end < 0) return;
    child.stdout!.off("data", onOutput);
    output?.write(out.slice(end + 1));
    // The pipes must be read on, else a child that writes a lot stops.
    if (output === undefined) child.stdout!.resume();
    else child.stdout!.pipe(output);
    try {
      const line = JSON.parse(out.slice(0, end)) as R | NotReady;
      if (line.ready) resolve(line);
      else reject(new Error(line.error));
    } catch {
      reject(new Error(`it said ${JSON.stringify(out.slice(0, end))}`));
    }
  };
  const onClose = (code: number | null, signal: string | null): void =>
    reject(
      new Error(
        `it ended with ${signal ?? `code ${code}`}${errors.trim() === "" ? "" : `: ${errors.trim()}`}`,
      ),
    );
  child.stdout!.on("data", onOutput);
  child.stderr?.on("data", onError);
  child.once("error", reject);
  // Not "exit": the reason may still be in the pipes then.
  child.once("close", onClose);
  return promise.finally(() => {
    clearTimeout(timer);
    child.off("error", reject);
    child.off("close", onClose);
    child.stderr?.off("data", onError).resume();
  });
}

/** The runtime for cluster processes: MOBULA_RUNTIME, else Bun where it is installed (it starts fastest), else this one. */
export function preferredRuntime(): RuntimeName {
  const chosen = process.env.MOBULA_RUNTIME;
  if (chosen === "bun" || chosen === "deno" || chosen === "node") return chosen;
  try {
    findRuntime("bun", { name: runtimeName, path: process.execPath });
    return "bun";
  } catch {
    return runtimeName;
  }
}
