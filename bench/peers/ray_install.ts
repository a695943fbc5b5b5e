/**
 * Finds or installs Ray for the comparison: the Python of MOBULA_BENCH_PYTHON, else a virtual environment of this project's
 * own cache folder with the pinned version.
 * @module
 */
import { execFile } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const VERSION = "2.58.0";
const INSTALL_MS_MAX = 15 * 60_000;
const run = promisify(execFile);

/** The path of a Python that has Ray. @throws {Error} when it cannot be installed here: with the last line of why. */
export async function rayPython(): Promise<string> {
  const own = process.env["MOBULA_BENCH_PYTHON"];
  if (own !== undefined) return own;
  const folder = fileURLToPath(new URL("../../node_modules/.cache/mobula-bench-ray", import.meta.url));
  const python = join(folder, "bin", "python");
  const done = join(folder, `ray-${VERSION}`);
  if (existsSync(done)) return python;
  process.stderr.write(`Installing Ray ${VERSION} for the comparison (some minutes, once)…\n`);
  try {
    rmSync(folder, { recursive: true, force: true });
    await run("python3", ["-m", "venv", folder]);
    const pip = ["-m", "pip", "install", "--quiet", "--retries", "0", `ray==${VERSION}`, "numpy"];
    await run(python, pip, { timeout: INSTALL_MS_MAX });
    await run("touch", [done]);
    return python;
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw new Error(`Ray cannot be installed here: ${lastLine(error)}`, { cause: error });
  }
}

function lastLine(error: unknown): string {
  const text = (error as { stderr?: string }).stderr ?? String(error);
  return text.trim().split("\n").at(-1) ?? "";
}
