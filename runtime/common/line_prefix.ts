/**
 * What stands before a worker's line on a driver's stderr: `(fetchPage#3 pid=812 n-1a2b3c4d) `, on a terminal in a
 * colour of its name's own.
 * @module
 */
import type { OutputBatch } from "./log_lines.ts";

/** Characters of a node's id that are shown: `n-` and 8 digits. */
const NODE_SHOWN = 10;
/** SGR codes that can be read on dark and light backgrounds; red is for errors. */
const COLOURS: readonly number[] = [36, 35, 34, 32, 33, 96, 95, 94];

/** What people call a task: its name and its number among its process's. */
export function taskLabel(name: string, taskId: string): string {
  const number = parseInt(taskId.slice(taskId.lastIndexOf("-") + 1), 36);
  return Number.isSafeInteger(number) ? `${name}#${number}` : name;
}

export function prefixOf({ name, pid, node }: Pick<OutputBatch, "name" | "pid" | "node">): string {
  const place = `pid=${pid} ${node.slice(0, NODE_SHOWN)}`;
  return name === null ? `(${place})` : `(${name} ${place})`;
}

/** The same colour for all tasks of one function and all of one actor class, everywhere. */
export function coloured(prefix: string, name: string | null): string {
  return `\x1b[${COLOURS[hashOf(name?.replace(/#\d+$/, "") ?? "") % COLOURS.length]}m${prefix}\x1b[39m`;
}

function hashOf(text: string): number {
  let hash = 2_166_136_261;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16_777_619);
  return hash >>> 0;
}
