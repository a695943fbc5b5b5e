/**
 * One bug to plant in a copy of the machines, and the run that must find it: the sources that the simulator needs are
 * copied to a temporary folder, the bug is planted there, and seeds run in a process of its own until one fails.
 * @module
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runtimeCommand } from "../../support/run_program.ts";

/** A mutation of one source. */
export interface PlantedBug {
  /** Short and unique. */
  readonly name: string;
  /** Below `runtime/core/`. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly text: string;
  readonly replacement: string;
  /** What is wrong, and what a user would see. */
  readonly effect: string;
}

/** What became of a planted bug. */
export interface Finding {
  readonly bug: PlantedBug;
  /** The first seed that failed; null when all passed. */
  readonly seed: number | null;
  /** The checker, or the machine's own check, that found it. */
  readonly checker: string;
  readonly message: string;
  /** Seeds that ran, the failing one included. */
  readonly seeds: number;
  readonly ms: number;
}

const ROOT = join(import.meta.dirname, "../../..");
/** What the simulator needs to run. */
const SOURCES = ["runtime/common", "runtime/protocol", "runtime/core", "test/simulation", "package.json"];
/** A run that is still not over has an endless loop in it. */
const RUN_MS_MAX = 120_000;

/** Runs seeds 1 to `seeds` with the bug planted, until one fails. Throws when the bug's text is not in its file once. */
export async function find(bug: PlantedBug, seeds: number): Promise<Finding> {
  const folder = mkdtempSync(join(tmpdir(), "mobula-planted-"));
  try {
    for (const source of SOURCES) cpSync(join(ROOT, source), join(folder, source), { recursive: true });
    plant(bug, folder);
    const startMs = performance.now();
    const output = await run(join(folder, "test/simulation/planted_bugs/run_seeds.ts"), seeds);
    return { bug, ...output, ms: performance.now() - startMs };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Throws when the bug does not fit the sources any more. */
export function plant(bug: PlantedBug, folder: string): void {
  const path = join(folder, "runtime/core", bug.file);
  const before = readFileSync(path, "utf8");
  const places = before.split(bug.text).length - 1;
  if (places !== 1) {
    throw new Error(
      `Cannot plant "${bug.name}": its text stands ${places} times in runtime/core/${bug.file}, not once. ` +
        "The source changed: plant the bug as it would look there now.",
    );
  }
  writeFileSync(path, before.replace(bug.text, () => bug.replacement));
}

function run(program: string, seeds: number): Promise<Omit<Finding, "bug" | "ms">> {
  const [binary, ...args] = runtimeCommand("bun", program);
  const child = spawn(binary!, [...args, String(seeds)], { stdio: ["ignore", "pipe", "pipe"] });
  const out: Uint8Array[] = [];
  const err: Uint8Array[] = [];
  child.stdout.on("data", (chunk: Uint8Array) => out.push(chunk));
  child.stderr.on("data", (chunk: Uint8Array) => err.push(chunk));
  let hung = false;
  const timer = setTimeout(() => {
    hung = true;
    child.kill("SIGKILL");
  }, RUN_MS_MAX);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      if (hung) {
        const message = `it runs for more than ${RUN_MS_MAX} ms`;
        return resolve({ seed: 0, seeds: 0, checker: "endless loop", message });
      }
      if (code === 0) return resolve(JSON.parse(Buffer.concat(out).toString()));
      reject(new Error(`the seeds could not be run: ${Buffer.concat(err)}`));
    });
  });
}
