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

/** What is needed of Ray: alone, or with its dashboard (`ray[default]`), whose agents also cost processor time on each node. */
export type RayKind = "plain" | "dashboard";

/** The path of a Python that has Ray. @throws {Error} when it cannot be installed here: with the last line of why. */
export async function rayPython(kind: RayKind = "plain"): Promise<string> {
  const own = process.env["MOBULA_BENCH_PYTHON"];
  if (own !== undefined) {
    if (kind === "dashboard") await checkDashboard(own);
    return own;
  }
  const name = kind === "plain" ? "mobula-bench-ray" : "mobula-bench-ray-dashboard";
  const folder = fileURLToPath(new URL(`../../node_modules/.cache/${name}`, import.meta.url));
  const python = join(folder, "bin", "python");
  const done = join(folder, `ray-${VERSION}`);
  if (existsSync(done)) return python;
  process.stderr.write(`Installing Ray ${VERSION} for the comparison (some minutes, once)…\n`);
  try {
    rmSync(folder, { recursive: true, force: true });
    await run("python3", ["-m", "venv", folder]);
    const ray = `ray${kind === "plain" ? "" : "[default]"}==${VERSION}`;
    const pip = ["-m", "pip", "install", "--quiet", "--retries", "0", ray, "numpy"];
    await run(python, pip, { timeout: INSTALL_MS_MAX });
    if (kind === "dashboard") await checkDashboard(python);
    await run("touch", [done]);
    return python;
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw new Error(`Ray cannot be installed here: ${lastLine(error)}`, { cause: error });
  }
}

/** The same look that Ray itself takes before it starts its dashboard. @throws {Error} when something is missing. */
async function checkDashboard(python: string): Promise<void> {
  try {
    await run(python, ["-c", "import ray.dashboard.optional_deps"]);
  } catch (error) {
    throw new Error(`its dashboard cannot start, ray[default] is not installed: ${lastLine(error)}`, {
      cause: error,
    });
  }
}

function lastLine(error: unknown): string {
  const text = (error as { stderr?: string }).stderr ?? String(error);
  return text.trim().split("\n").at(-1) ?? "";
}
