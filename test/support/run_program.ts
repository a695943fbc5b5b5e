/**
 * Runs a small program under one of the three runtimes and gives what it printed: for what must hold on all of them.
 * @module
 */
import { spawn } from "node:child_process";
import { join } from "node:path";

export const RUNTIMES: readonly ["bun", "deno", "node"] = ["bun", "deno", "node"];
export type Runtime = (typeof RUNTIMES)[number];

const ROOT = join(import.meta.dirname, "../..");

/** The command line that runs `program` under `runtime`, with the pinned version of this project. */
export function runtimeCommand(runtime: Runtime, program: string): string[] {
  const binary = join(ROOT, "node_modules/.bin", runtime);
  if (runtime === "deno") return [binary, "run", "-A", "--no-lock", "--quiet", program];
  return [binary, program];
}

/** Standard output of the program; rejects with its standard error when it fails. Input, if any, goes to stdin. */
export function runProgram(
  runtime: Runtime,
  program: string,
  options: {
    args?: readonly string[];
    input?: string | Uint8Array;
    cwd?: string;
    env?: Record<string, string>;
  } = {},
): Promise<string> {
  const [binary, ...args] = runtimeCommand(runtime, program);
  const child = spawn(binary!, [...args, ...(options.args ?? [])], {
    cwd: options.cwd ?? ROOT,
    env: { ...process.env, NO_COLOR: "1", ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const out: Uint8Array[] = [];
  const err: Uint8Array[] = [];
  child.stdout.on("data", (chunk: Uint8Array) => out.push(chunk));
  child.stderr.on("data", (chunk: Uint8Array) => err.push(chunk));
  child.stdin.on("error", () => {}); // A program that reads nothing may be gone before its input is written.
  child.stdin.end(options.input ?? "");
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(Buffer.concat(out).toString());
      else reject(new Error(`${runtime} ${program} ended with ${code}: ${Buffer.concat(err)}`));
    });
  });
}
