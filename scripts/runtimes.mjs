/**
 * Finds the runtimes that this project is pinned to, and runs programs under them. Plain JavaScript on purpose: these
 * scripts are what a fresh machine starts with, under Node 20, Bun or Deno, whichever it has.
 *
 * The binaries come from the platform packages themselves and not from node_modules/.bin: those entries need install
 * scripts that package managers may skip.
 * @module
 */
import { spawn } from "node:child_process";
import { existsSync, realpathSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

/** The runtime that executes this script. */
export const thisRuntime = process.versions.bun ? "bun" : process.versions.deno ? "deno" : "node";

/** The oldest Node that runs TypeScript files and has what mobula needs. */
const NODE_MAJOR_MIN = 24;

/**
 * The binary of a runtime: MOBULA_BUN, MOBULA_DENO or MOBULA_NODE, else the pinned one in node_modules, else this
 * process's own or the one on PATH; null when there is none.
 * @param {"bun" | "deno" | "node"} name
 * @returns {string | null}
 */
export function findRuntime(name) {
  const override = process.env[`MOBULA_${name.toUpperCase()}`];
  if (override) return override;
  return pinnedRuntime(name) ?? ownRuntime(name) ?? onPath(name);
}

/**
 * The arguments with which `name` runs a program.
 * @param {"bun" | "deno" | "node"} name
 * @param {string} file
 * @param {readonly string[]} args
 * @returns {string[]}
 */
export function programArguments(name, file, args = []) {
  if (name === "deno") return ["run", "-A", "--quiet", "--no-lock", file, ...args];
  return [file, ...args];
}

/**
 * This process's environment, and where the runtimes are: processes that mobula starts use the very same binaries.
 * @returns {NodeJS.ProcessEnv}
 */
export function runtimeEnvironment() {
  const env = { ...process.env };
  for (const name of ["bun", "deno", "node"]) {
    const binary = findRuntime(name);
    if (binary !== null) env[`MOBULA_${name.toUpperCase()}`] = binary;
  }
  return env;
}

/**
 * Run a command with this process's terminal, pass signals on to it and resolve to its exit code (128 + n for a signal).
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import("node:child_process").SpawnOptions} options
 * @returns {Promise<number>}
 */
export function runCommand(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: "inherit",
      env: runtimeEnvironment(),
      ...options,
    });
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
    const handlers = signals.map((signal) => () => {
      // On a terminal, Ctrl-C reaches the child as well: a second SIGINT would read as impatience.
      if (signal === "SIGINT" && process.stdin.isTTY) return;
      // Not child.kill: under Deno the child then counts as killed, whatever it does with the signal.
      if (child.pid !== undefined && child.exitCode === null) process.kill(child.pid, signal);
    });
    signals.forEach((signal, i) => process.on(signal, handlers[i]));
    const finish = (code) => {
      signals.forEach((signal, i) => process.off(signal, handlers[i]));
      resolve(code);
    };
    child.on("error", (error) => {
      console.error(`Cannot run ${command}: ${error.message}`);
      finish(127);
    });
    child.on("close", (code, signal) => finish(code ?? 128 + (constants.signals[signal] ?? 0)));
  });
}

/**
 * Run a program of this project under the first of `runtimes` that is there.
 * @param {string} file
 * @param {readonly string[]} args
 * @param {{ runtimes?: readonly ("bun" | "deno" | "node")[], options?: import("node:child_process").SpawnOptions }} how
 * @returns {Promise<number>}
 */
export function runProgram(file, args = [], { runtimes = ["bun", "deno", "node"], options = {} } = {}) {
  for (const name of runtimes) {
    const binary = findRuntime(name);
    if (binary !== null) return runCommand(binary, programArguments(name, file, args), options);
  }
  console.error(`Cannot run ${file}: no ${runtimes.join(", ")} found. Run \`npm install\` in ${root} first.`);
  return Promise.resolve(127);
}

/** Install the dependencies with what started this script, when node_modules is not there yet. */
export async function ensureInstalled() {
  // As somebody's dependency it is their package manager's business.
  const isCheckout = existsSync(join(root, "test"));
  if (!isCheckout || existsSync(join(root, "node_modules", "typescript"))) return;
  console.error("Installing dependencies (once)");
  const install = {
    bun: [process.execPath, ["install"]],
    // Flat, as npm and Bun lay node_modules out.
    deno: [process.execPath, ["install", "--quiet", "--node-modules-linker=hoisted"]],
    node: ["npm", ["install", "--no-audit", "--no-fund"]],
  }[thisRuntime];
  // Programs' stdout is the programs'.
  const code = await runCommand(install[0], install[1], { stdio: ["ignore", 2, 2] });
  if (code !== 0) {
    console.error(
      `Cannot install the dependencies: ${install[0]} ${install[1].join(" ")} exited with ${code}`,
    );
    process.exit(code);
  }
}

/** The binary inside this project's packages. */
function pinnedRuntime(name) {
  const arm = process.arch === "arm64";
  const libc = existsSync(arm ? "/lib/ld-linux-aarch64.so.1" : "/lib64/ld-linux-x86-64.so.2")
    ? "glibc"
    : "musl";
  const platform = `${process.platform}-${arm ? "aarch64" : "x64"}`;
  const bunPackage = process.platform === "linux" && libc === "musl" ? `${platform}-musl` : platform;
  const denoPackage = process.platform === "linux"
    ? `linux-${arm ? "arm64" : "x64"}-glibc`
    : `${process.platform}-${process.arch}`;
  const candidates = {
    bun: [["bun", `@oven/bun-${bunPackage}/bin/bun`], [".", "bun/bin/bun.exe"]],
    deno: [["deno", `@deno/${denoPackage}/deno`]],
    node: [[".", `node-${process.platform}-${process.arch}/bin/node`]],
  }[name];
  for (const [via, path] of candidates) {
    const binary = resolveFile(via, path);
    if (binary !== null) return binary;
  }
  const fetched = join(root, ".toolchain", "node", "node_modules", "node", "bin", "node");
  return name === "node" && existsSync(fetched) ? fetched : null;
}

/** A file of an installed package, looked up from the package that depends on it (layouts without hoisting). */
function resolveFile(via, path) {
  for (const from of [root, via === "." ? null : join(root, "node_modules", via)]) {
    if (from === null || !existsSync(join(from, "package.json"))) continue;
    const lookup = createRequire(join(realpathSync(from), "package.json"));
    for (const folder of lookup.resolve.paths(path) ?? []) {
      const file = join(folder, path);
      // Bun's install script moves the binary over a stub of some hundred bytes; other files are the binary or absent.
      if (existsSync(file) && statSync(file).size > 1_000_000) return file;
    }
  }
  return null;
}

function ownRuntime(name) {
  if (name !== thisRuntime || !isRecentEnough(name)) return null;
  return process.execPath;
}

function isRecentEnough(name) {
  return name !== "node" || Number(process.versions.node.split(".")[0]) >= NODE_MAJOR_MIN;
}

function onPath(name) {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    // Entries of node_modules/.bin may be stubs that wait for an install script, or an old Node.
    if (folder === "" || folder.includes("node_modules")) continue;
    if (name === "node") continue;
    if (existsSync(join(folder, name))) return join(folder, name);
  }
  return null;
}
