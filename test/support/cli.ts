/**
 * Runs the command line as a process, in a session folder of its own.
 * @module
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Runtime, runtimeCommand } from "./run_program.ts";

export interface CliResult {
  readonly code: number | null;
  readonly out: string;
  /** Without the line end. */
  readonly error: string;
}

const program = join(import.meta.dirname, "../../runtime/cli/main.ts");

/** A session folder, the environment that points at it, and the command line in it. */
export class CliSession {
  readonly folder: string = mkdtempSync(join(tmpdir(), "mobula-test-"));
  readonly sessionDir: string = join(this.folder, "session");

  /** The caller's environment without what names another cluster. */
  get env(): Record<string, string | undefined> {
    return {
      ...process.env,
      MOBULA_SESSION_DIR: this.sessionDir,
      MOBULA_ADDRESS: undefined,
      MOBULA_TOKEN: undefined,
    };
  }

  mobula(
    args: readonly string[],
    options: { runtime?: Runtime; env?: Record<string, string> } = {},
  ): Promise<CliResult> {
    const [binary, ...rest] = runtimeCommand(options.runtime ?? "bun", program);
    const child = spawn(binary!, [...rest, ...args], {
      env: { ...this.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let error = "";
    child.stdout.on("data", (chunk) => out += chunk);
    child.stderr.on("data", (chunk) => error += chunk);
    return new Promise((resolve) => child.on("close", (code) => resolve({ code, out, error: error.trim() })));
  }

  /** For commands that must succeed: their JSON. Throws with stderr otherwise. */
  async json<T>(...args: string[]): Promise<T> {
    const { code, out, error } = await this.mobula([...args, "--json"]);
    if (code !== 0) throw new Error(`mobula ${args.join(" ")} exited with ${code}: ${error}`);
    return JSON.parse(out) as T;
  }

  /** Ends what runs in the session, and removes its folder. */
  async end(): Promise<void> {
    await this.mobula(["stop"]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
