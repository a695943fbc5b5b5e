#!/usr/bin/env node
/**
 * Runs a program of this project under a pinned runtime: `node scripts/run.mjs [--runtime bun|deno|node] FILE [ARG…]`.
 * @module
 */
import process from "node:process";
import { ensureInstalled, runProgram } from "./runtimes.mjs";

const args = process.argv.slice(2);
let runtimes = ["bun", "deno", "node"];
if (args[0] === "--runtime") {
  if (!runtimes.includes(args[1])) {
    console.error(`Unknown runtime ${args[1]}: --runtime takes bun, deno or node`);
    process.exit(1);
  }
  runtimes = [args[1]];
  args.splice(0, 2);
}
if (args.length === 0) {
  console.error("Usage: node scripts/run.mjs [--runtime bun|deno|node] FILE [ARG…]");
  process.exit(1);
}
await ensureInstalled();
process.exitCode = await runProgram(args[0], args.slice(1), { runtimes });
