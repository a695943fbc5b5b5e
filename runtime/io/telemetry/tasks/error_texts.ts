/**
 * What is kept of an attempt's error, as one text, so that equal ones are kept once.
 * @module
 */
import type { ErrorFacts, RootFailure } from "../../../common/task_event.ts";

/** Longest parts that are kept. */
const NAME_MAX = 200;
const MESSAGE_MAX = 1_000;
const STACK_MAX = 1_700;

const SEPARATOR = "\u0000";

/** Type, message, stack, and the failure of another task that it comes from: id, name, type, message. */
export function errorText({ type, message, stack = "", root }: ErrorFacts): string {
  const parts = [cut(type, NAME_MAX), cut(message, MESSAGE_MAX), cut(stack, STACK_MAX)];
  if (root !== undefined) {
    parts.push(cut(root.taskId, NAME_MAX), cut(root.name, NAME_MAX), cut(root.type, NAME_MAX));
    parts.push(cut(root.message, MESSAGE_MAX));
  }
  return parts.join(SEPARATOR);
}

/** The parts of such a text; null for "", of what has not failed. */
export function errorOf(text: string): ErrorFacts | null {
  if (text === "") return null;
  const [type = "", message = "", stack = "", ...rest] = text.split(SEPARATOR);
  const root: RootFailure | null = rest.length < 4
    ? null
    : { taskId: rest[0]!, name: rest[1]!, type: rest[2]!, message: rest[3]! };
  return { type, message, ...stack !== "" && { stack }, ...root !== null && { root } };
}

function cut(part: unknown, length: number): string {
  return String(part).slice(0, length).replaceAll(SEPARATOR, "");
}
