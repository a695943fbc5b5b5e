/**
 * A program that runs beside the test: what it prints line by line, and how it ends.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { type Runtime, runtimeCommand } from "./run_program.ts";

const ROOT = join(import.meta.dirname, "../..");

/** See the module's header. */
export class StartedProgram {
  readonly child: ChildProcess;
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  /** All of its standard error so far. */
  errors = "";
  #lines: string[] = [];
  #partial = "";
  #wake: (() => void)[] = [];
  #closed = false;

  constructor(
    runtime: Runtime,
    program: string,
    options: {
      args?: readonly string[];
      env?: Record<string, string | undefined>;
      /** Nothing to read unless it is a pipe. */
      stdin?: "ignore" | "pipe";
    } = {},
  ) {
    const [binary, ...args] = runtimeCommand(runtime, program);
    this.child = spawn(binary!, [...args, ...(options.args ?? [])], {
      cwd: ROOT,
      env: { ...process.env, NO_COLOR: "1", ...options.env } as NodeJS.ProcessEnv,
      stdio: [options.stdin ?? "ignore", "pipe", "pipe"],
    });
    this.child.stderr!.on("data", (chunk: Uint8Array) => this.errors += new TextDecoder().decode(chunk));
    this.child.stdout!.on("data", (chunk: Uint8Array) => {
      const lines = (this.#partial + new TextDecoder().decode(chunk)).split("\n");
      this.#partial = lines.pop()!;
      this.#lines.push(...lines);
      this.#tell();
    });
    this.ended = new Promise((resolve, reject) => {
      this.child.on("error", reject);
      // Not "close": a cluster that lives on would hold the pipes.
      this.child.on("exit", (code, signal) => resolve(code ?? signal!));
      this.child.on("close", () => {
        this.#closed = true;
        this.#tell();
      });
    });
  }

  /** The next line that it prints. Throws, with its errors, when there is none any more. */
  async line(): Promise<string> {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) return line;
      if (this.#closed) throw new Error(`It ended without another line: ${this.errors}`);
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  #tell(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
