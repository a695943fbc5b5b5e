/**
 * Failures that look alike are one group: the same function, the same kind of error, messages that differ in numbers and ids
 * only. A task that failed because another one had is counted with that one's failure, and is none of its own. Bounded; the
 * group that was seen longest ago gives way.
 * @module
 */
import type { ErrorGroupDto } from "../../../../dashboard/api/tasks.ts";
import type { ErrorFacts } from "../../../common/task_event.ts";

const GROUPS_MAX = 500;
const TASKS_EACH = 5;
const NODES_EACH = 20;

interface Group {
  readonly fingerprint: string;
  readonly functionName: string;
  readonly errorType: string;
  message: string;
  count: number;
  dependants: number;
  stack: string | null;
  firstMs: number;
  lastMs: number;
  readonly taskIds: string[];
  readonly nodes: Set<string>;
}

export interface Failure {
  readonly functionName: string;
  readonly error: ErrorFacts;
  readonly taskId: string;
  readonly nodeId: string | null;
  readonly atMs: number;
}

export class ErrorGroups {
  /** The one that was seen last comes last. */
  readonly #groups = new Map<string, Group>();
  #dropped = 0;

  /** Groups in all, those that gave way among them. */
  get total(): number {
    return this.#groups.size + this.#dropped;
  }

  /** A failure that comes from another task's is counted with that one, whichever of the two is heard of first. */
  add({ functionName, error, taskId, nodeId, atMs }: Failure): void {
    const { root } = error;
    if (root === undefined) {
      const group = this.#group(functionName, error.type, error.message, atMs);
      group.count++;
      group.message = error.message;
      group.stack = error.stack ?? group.stack;
      group.lastMs = Math.max(group.lastMs, atMs);
      if (group.taskIds.includes(taskId)) group.taskIds.splice(group.taskIds.indexOf(taskId), 1);
      group.taskIds.unshift(taskId);
      if (group.taskIds.length > TASKS_EACH) group.taskIds.pop();
      if (nodeId !== null && group.nodes.size < NODES_EACH) group.nodes.add(nodeId);
      return;
    }
    const group = this.#group(root.name, root.type, root.message, atMs);
    group.dependants++;
    if (group.taskIds.length < TASKS_EACH && !group.taskIds.includes(root.taskId)) {
      group.taskIds.push(root.taskId);
    }
  }

  #group(functionName: string, errorType: string, message: string, atMs: number): Group {
    const key = fingerprintOf(functionName, errorType, message);
    let group = this.#groups.get(key);
    if (group === undefined) {
      if (this.#groups.size >= GROUPS_MAX) {
        this.#groups.delete(this.#groups.keys().next().value!);
        this.#dropped++;
      }
      group = {
        ...{ fingerprint: key, functionName, errorType, message, count: 0, dependants: 0, stack: null },
        ...{ firstMs: atMs, lastMs: atMs, taskIds: [], nodes: new Set() },
      };
    } else this.#groups.delete(key);
    this.#groups.set(key, group);
    group.firstMs = Math.min(group.firstMs, atMs);
    return group;
  }

  /** Those with most failed attempts first. */
  rows(limit: number): ErrorGroupDto[] {
    const all = ({ count, dependants }: Group): number => count + dependants;
    const groups = [...this.#groups.values()].sort((a, b) => all(b) - all(a) || b.lastMs - a.lastMs);
    return groups.slice(0, limit).map((group) => ({
      ...group,
      taskIds: [...group.taskIds],
      nodes: [...group.nodes],
    }));
  }
}

/** 16 hexadecimal digits. */
export function fingerprintOf(functionName: string, errorType: string, message: string): string {
  const shape = message
    .replace(/\b[a-z]-[0-9a-f]{6,}[-0-9a-z.@]*/g, "#")
    .replace(/0x[0-9a-f]+|\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b/gi, "#")
    .replace(/\d+(?:\.\d+)?/g, "#");
  const text = `${functionName}\n${errorType}\n${shape}`;
  return hash32(text, 0x811c_9dc5) + hash32(text, 0x9747_b28c);
}

function hash32(text: string, seed: number): string {
  let h = seed;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x0100_0193);
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  return ((h ^ (h >>> 13)) >>> 0).toString(16).padStart(8, "0");
}
