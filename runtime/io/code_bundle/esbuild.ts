/**
 * The bundler's program, run to its end for each request. Its JavaScript interface is not used: its synchronous calls need
 * a thread that hangs under Deno, and starting the program takes about 10 ms.
 * @module
 */
import { createRequire } from "node:module";
import { requirePackage } from "../../platform/runtime_folder.ts";

/** Part of cache keys: another version may write other code. */
export const ESBUILD_VERSION = "0.28.2";
const OUTPUT_BYTES_MAX = 512 * 1024 * 1024;

const ALWAYS: readonly string[] = [
  "--target=esnext",
  "--charset=utf8",
  "--legal-comments=none",
  "--log-level=error",
  "--log-limit=5",
  "--color=false",
];

let binary: string | undefined;

/** The bundler's program. @throws {Error} that says what to install when it is not there. */
export function esbuildBinary(): string {
  if (binary !== undefined) return binary;
  const given = process.env.ESBUILD_BINARY_PATH;
  if (given) return binary = given;
  const { resolve } = requirePackage;
  const name = `@esbuild/${process.platform}-${process.arch}`;
  try {
    return binary = createRequire(resolve("esbuild")).resolve(
      `${name}/${process.platform === "win32" ? "esbuild.exe" : "bin/esbuild"}`,
    );
  } catch (cause) {
    throw new Error(`The package ${name}, which bundles remote code, is not installed: run npm install`, {
      cause,
    });
  }
}

/** Run it in `folder`; what it printed. Throws an Error with its messages when it refuses. */
export function runEsbuild(folder: string, args: readonly string[], input: string): string {
  const { spawnSync } = process.getBuiltinModule("node:child_process");
  const { status, error, stdout, stderr } = spawnSync(esbuildBinary(), [...ALWAYS, ...args], {
    cwd: folder,
    input,
    maxBuffer: OUTPUT_BYTES_MAX,
    stdio: ["pipe", "pipe", "pipe"],
  });
  if (error !== undefined) {
    throw new Error(`The bundler cannot be run: ${error.message}`, { cause: error });
  }
  if (status !== 0) throw new SyntaxError(stderr.toString().trim() || `the bundler ended with ${status}`);
  return stdout.toString();
}
