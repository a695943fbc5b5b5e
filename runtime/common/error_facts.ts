/**
 * What the history keeps of a failure: its class, what it says, where user code threw, and whose failure it was first: a task
 * that failed because another one had is no failure of its own.
 * @module
 */
import { errorCodeOf, type TaskError } from "./errors.ts";
import { causesOf, userFrames } from "./error_report.ts";
import type { ErrorFacts, RootFailure } from "./task_event.ts";

const MESSAGE_MAX = 1_000;
const FRAMES_MAX = 8;
const FRAME_LENGTH_MAX = 200;

/** Of what the task `taskId` failed with. */
export function errorFacts(thrown: unknown, taskId: string): ErrorFacts {
  if (!(thrown instanceof Error)) return { type: "Error", message: String(thrown).slice(0, MESSAGE_MAX) };
  const said = { type: thrown.name, message: thrown.message.slice(0, MESSAGE_MAX) };
  const chain = causesOf(thrown);
  const failed = chain.findLast((error): error is TaskError => errorCodeOf(error) === "TaskError");
  const root = failed === undefined ? namedRoot(chain) : {
    taskId: failed.taskId,
    name: failed.taskName,
    type: failed.name,
    message: failed.message.slice(0, MESSAGE_MAX),
  };
  if (root !== null && root.taskId !== taskId && root.taskId !== "") return { ...said, root };
  const frames = userFrames(failed?.remoteStack ?? chain.at(-1)!.stack).slice(0, FRAMES_MAX);
  if (frames.length === 0) return said;
  return { ...said, stack: frames.map((line) => line.trim().slice(0, FRAME_LENGTH_MAX)).join("\n") };
}

/** Where the system failed a task, its message names the task first: `fetch (t-12-3) …`. */
function namedRoot(chain: readonly Error[]): RootFailure | null {
  const error = chain.at(-1)!;
  const named = /^(\S+) \((t-[0-9a-z-]+)[,)]/.exec(error.message);
  if (named === null) return null;
  return {
    taskId: named[2]!,
    name: named[1]!,
    type: error.name,
    message: error.message.slice(0, MESSAGE_MAX),
  };
}
