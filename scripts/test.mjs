#!/usr/bin/env node
/**
 * `npm test`: the checks (format, lint, types), then every test file in a process of its own, then one last line
 * `N passed, N failed` (with `, N skipped`). A file of its own process keeps a crash, a leaked handle or a patched global
 * to that file. `--all` (npm run test:all) includes the long runs (*.long.test.ts); other arguments select files by
 * substring and leave out the checks.
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import process from "node:process";
import { runChecks } from "./check.mjs";
import { readReport } from "./junit.mjs";
import { RUN_VARIABLE, RunWatch } from "./leftovers.mjs";
import { ensureInstalled, findRuntime, root, runtimeEnvironment } from "./runtimes.mjs";
import { setUpToolchain } from "./toolchain.mjs";

/** One test's default, and what a whole file may take before it counts as hung. */
const TEST_TIMEOUT_MS = 60_000;
const FILE_TIMEOUT_MS = 300_000;
const FILE_TIMEOUT_ALL_MS = 1_800_000;
/** Files that run at the same time: most of them wait for something most of the time. The long runs get the machine alone. */
const FILES_AT_ONCE = 2;

const all = process.argv.includes("--all");
const selected = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const total = { passed: 0, failed: 0, skipped: 0 };
const failures = [];
const skips = [];

await ensureInstalled();
const startMs = Date.now();
for (const { name, missing } of setUpToolchain()) {
  if (missing !== null) console.log(`not set up: ${name}: ${missing}`);
}
if (selected.length === 0) {
  for (const check of await runChecks()) count(check.passed ? "passed" : "failed", check.name);
}
const reports = mkdtempSync(join(tmpdir(), "mobula-test-"));
// What tests bundle is not the user's to keep.
const cache = join(reports, "cache");
try {
  makeBundles();
  const files = testFiles().entries();
  const lane = async () => {
    for (const [index, file] of files) await runFile(file, index);
  };
  await Promise.all(Array.from({ length: all ? 1 : FILES_AT_ONCE }, lane));
} finally {
  rmSync(reports, { recursive: true, force: true });
}
summary();

/** Every test file, short ones first so that a broken basis shows early. */
function testFiles() {
  const files = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.test\.tsx?$/.test(name) && (all || !name.includes(".long.test.")))
    .map((name) => join("test", name))
    .filter((name) => selected.length === 0 || selected.some((part) => name.includes(part)));
  const order = ["common", "protocol", "core", "simulation", "platform", "io", "process", "api", "cli"];
  const rank = (file) => (order.indexOf(file.split("/")[1]) + order.length + 1) % (order.length + 1);
  return files.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** Without them the tests run too; whoever needs them says so. */
function makeBundles() {
  const env = { ...runtimeEnvironment(), MOBULA_CACHE_DIR: cache };
  spawnSync(findRuntime("bun"), ["test/support/make_bundles.ts"], { cwd: root, env, stdio: "inherit" });
}

async function runFile(file, index) {
  const report = join(reports, `report-${index}.xml`);
  const fileStartMs = Date.now();
  const runId = `${process.pid}-${fileStartMs}-${index}.`;
  const watch = new RunWatch(runId);
  const { code, output } = await runTest(file, report, runId, watch);
  const cases = readReport(report);
  for (const test of cases) count(test.outcome, `${file}: ${test.name}`);
  const bad = cases.filter((test) => test.outcome === "failed").length;
  // A crash, an error between tests or a hang leaves no failed case, only the exit code.
  if (code !== 0 && bad === 0) count("failed", `${file}: exited with ${code}`);
  const left = await watch.end();
  for (const line of left) count("failed", `${file} left behind ${line}`);
  const failed = code !== 0 || bad > 0 || left.length > 0;
  if (failed) console.log(output);
  const seconds = ((Date.now() - fileStartMs) / 1000).toFixed(1);
  console.log(
    `${failed ? "FAILED" : "ok    "} ${relative("test", file)} (${cases.length} tests, ${seconds} s)`,
  );
}

function runTest(file, report, runId, watch) {
  const bun = findRuntime("bun");
  const args = [
    "test",
    `./${file}`,
    `--timeout=${TEST_TIMEOUT_MS}`,
    "--reporter=junit",
    `--reporter-outfile=${report}`,
  ];
  const env = { ...runtimeEnvironment(), [RUN_VARIABLE]: runId, ...(all ? { MOBULA_TEST_ALL: "1" } : {}) };
  env.MOBULA_CACHE_DIR = cache;
  // A user's cluster or token must not leak into the tests.
  for (const name of ["MOBULA_ADDRESS", "MOBULA_TOKEN", "MOBULA_SESSION_DIR", "MOBULA_NAMESPACE"]) {
    delete env[name];
  }
  return new Promise((resolve) => {
    const chunks = [];
    const child = spawn(bun, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
    const hung = setTimeout(() => {
      chunks.push(
        `\n${file}: no end after ${(all ? FILE_TIMEOUT_ALL_MS : FILE_TIMEOUT_MS) / 1000} s, killed\n`,
      );
      child.kill("SIGKILL");
    }, all ? FILE_TIMEOUT_ALL_MS : FILE_TIMEOUT_MS);
    const interrupted = () => {
      child.kill("SIGTERM");
      watch.end().finally(() => process.exit(130));
    };
    process.once("SIGINT", interrupted);
    process.once("SIGTERM", interrupted);
    child.stdout.on("data", (chunk) => chunks.push(chunk));
    child.stderr.on("data", (chunk) => chunks.push(chunk));
    const end = (code) => {
      clearTimeout(hung);
      process.off("SIGINT", interrupted);
      process.off("SIGTERM", interrupted);
      resolve({ code, output: chunks.map(String).join("") });
    };
    child.on("error", (error) => {
      chunks.push(error.message);
      end(127);
    });
    // Not `close`: a leaked grandchild that holds the pipe must not hang the run; it is found as left behind.
    child.on("exit", (code, signal) => setTimeout(end, 50, code ?? signal));
  });
}

function count(outcome, name) {
  total[outcome]++;
  if (outcome === "failed") failures.push(name);
  if (outcome === "skipped") skips.push(name);
}

function summary() {
  console.log("");
  for (const name of skips) console.log(`skipped: ${name}`);
  for (const name of failures) console.log(`FAILED:  ${name}`);
  console.log(`took ${((Date.now() - startMs) / 1000).toFixed(0)} s`);
  const skipped = total.skipped === 0 ? "" : `, ${total.skipped} skipped`;
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
}
