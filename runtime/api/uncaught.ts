/**
 * An error of mobula that nobody catches ends the program as ever, with exit code 1; but it is printed once, as it is meant to be
 * read (common/error_report.ts), and after the last lines of the workers. Runtimes print uncaught errors each in their own way,
 * with all frames, causes and fields, and ask nobody. The program's own listeners go first. A rejection that
 * nobody handles, in the middle of a program, is Bun's to print: there the program goes on.
 * @module
 */
import { reportOf } from "../common/error_report.ts";
import { MobulaError } from "../common/errors.ts";
import { textSetting } from "../io/environment.ts";

/** How long the last lines are waited for. */
const LAST_LINES_MS = 1_000;

let lastLines: (() => Promise<void>) | null = null;
let isInstalled = false;

/** Whose lines are waited for: the driver of this process. */
export function setLastLines(flush: () => Promise<void>): void {
  lastLines = flush;
}

/** From the first failure on; before it, the runtime's own way stands. Not in test runners, which have theirs. */
export function watchUncaught(): void {
  if (isInstalled || isTestRunner() || textSetting("MOBULA_STACK") === "full") return;
  isInstalled = true;
  process.on("uncaughtException", onUncaught);
}

function onUncaught(error: unknown): void {
  if (process.listenerCount("uncaughtException") > 1) return;
  end(error);
}

function end(error: unknown): void {
  if (!(error instanceof MobulaError)) {
    console.error(error);
    process.exit(1);
  }
  const finish = (): void => {
    process.stderr.write(`${reportOf(error)}\n`);
    process.exit(1);
  };
  setTimeout(finish, LAST_LINES_MS);
  (lastLines?.() ?? Promise.resolve()).finally(finish);
}

function isTestRunner(): boolean {
  return textSetting("NODE_ENV") === "test" || textSetting("NODE_TEST_CONTEXT") !== null;
}
