#!/usr/bin/env node
/**
 * The `mobula` command: runs the command line (runtime/cli/main.ts) under the pinned Bun, else under what is there. It
 * works in the caller's folder, so that files among the arguments mean what they say.
 * @module
 */
import { join } from "node:path";
import process from "node:process";
import { ensureInstalled, root, runProgram } from "./runtimes.mjs";

await ensureInstalled();
process.exitCode = await runProgram(join(root, "runtime/cli/main.ts"), process.argv.slice(2), {
  options: { cwd: process.cwd() },
});
