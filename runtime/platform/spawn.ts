/**
 * Starts programs under any of the three runtimes: finds the binary and builds the argument list, which is all that
 * differs. Never through a shell.
 * @module
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RuntimeName } from "../common/task_spec.ts";
import type { SpawnOptions } from "./platform.ts";

/** Paths of the real binaries below a node_modules folder. The packages' own `bin` entries are wrapper scripts or links
 *  that an install without install scripts leaves broken; the platform packages always hold the program. */
const PACKAGED: Readonly<Record<RuntimeName, (modules: string) => string[]>> = {
  bun: (modules) => [
    ...within(join(modules, "@oven"), "bun-", join("bin", "bun")),
    join(modules, "bun", "bin", "bun.exe"),
  ],
  deno: (modules) => [...within(join(modules, "@deno"), "", "deno"), join(modules, "deno", "deno")],
  node: (modules) => [
    ...within(modules, "node-", join("bin", "node")),
    ...within(join(modules, "node", "node_modules"), "node-", join("bin", "node")),
    join(modules, "node", "bin", "node"),
  ],
};

const found = new Map<RuntimeName, string>();

/** The runtime of this very process, told by its adapter: preferred over other copies of the same runtime. */
export interface ThisRuntime {
  readonly name: RuntimeName;
  readonly path: string;
}

/**
 * The binary of a runtime: MOBULA_BUN, MOBULA_DENO or MOBULA_NODE in the environment, else this process's own binary,
 * else the one installed with mobula, else the first on PATH.
 * @throws {Error} when there is none; the message names the places and the variable.
 */
export function findRuntime(runtime: RuntimeName, self: ThisRuntime): string {
  const variable = `MOBULA_${runtime.toUpperCase()}`;
  const override = process.env[variable];
  if (override) {
    if (!executable(override)) throw new Error(`${variable} is ${override}, which is not an executable file`);
    return override;
  }
  if (self.name === runtime && executable(self.path)) return self.path;
  const known = found.get(runtime);
  if (known !== undefined) return known;
  for (const modules of nodeModulesAbove(dirname(fileURLToPath(import.meta.url)))) {
    for (const path of PACKAGED[runtime](modules)) {
      if (executable(path)) return remember(runtime, path);
    }
  }
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    if (folder === "" || folder.endsWith(join("node_modules", ".bin"))) continue;
    if (executable(join(folder, runtime))) return remember(runtime, join(folder, runtime));
  }
  throw new Error(
    `Cannot find ${runtime}: it is neither installed beside mobula nor on PATH; install it or set ${variable} to its path`,
  );
}

/** Arguments that run `entry` under `runtime`. */
export function runtimeArguments(
  runtime: RuntimeName,
  entry: string,
  denoFlags: readonly string[] = ["--allow-all"],
): string[] {
  switch (runtime) {
    case "bun":
      // --no-install: a missing package is an error here, never a download.
      return ["--no-install", entry];
    case "deno":
      return ["run", ...denoFlags, "--quiet", "--no-lock", entry];
    case "node":
      return ["--disable-warning=ExperimentalWarning", entry];
  }
}

/** See SpawnRuntime in platform.ts. */
export function spawnWith(
  self: ThisRuntime,
  runtime: RuntimeName,
  entry: string,
  options: SpawnOptions,
): ChildProcess {
  const binary = findRuntime(runtime, self);
  return spawn(binary, [...runtimeArguments(runtime, entry, options.denoFlags), ...(options.args ?? [])], {
    stdio: options.stdio ?? "pipe",
    detached: options.detached ?? false,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env as NodeJS.ProcessEnv }),
  });
}

function remember(runtime: RuntimeName, path: string): string {
  found.set(runtime, path);
  return path;
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Every node_modules folder from `folder` upwards, nearest first. */
function nodeModulesAbove(folder: string): string[] {
  const folders: string[] = [];
  for (let at = folder;; at = dirname(at)) {
    const modules = at.endsWith("node_modules") ? at : join(at, "node_modules");
    if (existsSync(modules)) folders.push(modules);
    if (dirname(at) === at) return folders;
  }
}

function within(folder: string, prefix: string, path: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.startsWith(prefix)).sort().map((name) =>
      join(folder, name, path)
    );
  } catch {
    return []; // The folder is not there: nothing is packaged below it.
  }
}
