#!/usr/bin/env node
/**
 * Formatting, lint and types: what must hold before any test runs. Used by scripts/test.mjs, and alone by `npm run check`.
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { ensureInstalled, findRuntime, root, runCommand } from "./runtimes.mjs";

/** TypeScript projects: the runtime with its examples and benchmarks, the tests, and the page (with the DOM's types). */
const PROJECTS = ["tsconfig.json", "test/tsconfig.json", "dashboard/app/tsconfig.json"];

/**
 * Run all checks, each to its end.
 * @returns {Promise<{ name: string, passed: boolean }[]>}
 */
export async function runChecks() {
  const deno = findRuntime("deno");
  const node = findRuntime("node") ?? findRuntime("bun");
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const checks = [
    ["format (deno fmt --check)", deno, ["fmt", "--check", "--quiet"]],
    ["lint (deno lint)", deno, ["lint", "--quiet"]],
    ...PROJECTS.filter((project) => existsSync(join(root, project)))
      .map((project) => [`types (${project})`, node, [tsc, "-p", project]]),
  ];
  const results = [];
  for (const [name, command, args] of checks) {
    const startMs = Date.now();
    const passed = command !== null && await runCommand(command, args) === 0;
    if (command === null) console.error(`Cannot check ${name}: its runtime is not installed`);
    console.log(`${passed ? "ok    " : "FAILED"} ${name} (${((Date.now() - startMs) / 1000).toFixed(1)} s)`);
    results.push({ name, passed });
  }
  return results;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await ensureInstalled();
  const results = await runChecks();
  process.exitCode = results.every((result) => result.passed) ? 0 : 1;
}
