#!/usr/bin/env node
/**
 * `npm run quickstart`: the quickstart program, then the word count over the installed packages, each on an embedded
 * cluster of its own that ends with it.
 * @module
 */
import process from "node:process";
import { ensureInstalled, runProgram } from "./runtimes.mjs";

await ensureInstalled();
for (const [program, ...args] of [["examples/quickstart.ts"], ["examples/wordcount.ts", "--check"]]) {
  console.log(`\n── ${[program, ...args].join(" ")}`);
  const code = await runProgram(program, args);
  if (code !== 0) {
    console.error(`${program} exited with ${code}`);
    process.exit(code);
  }
}
