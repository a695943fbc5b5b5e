/**
 * Library actors inside values: what they travel as, and back.
 * @module
 */
import { dataOfQueue, Queue, queueOf } from "./queue.ts";
import { dataOfSemaphore, Semaphore, semaphoreOf } from "./semaphore.ts";

/** Kind, and what it travels as (library_handle.ts); null for any other value. */
export function libraryParts(value: object): readonly [kind: string, data: unknown] | null {
  if (value instanceof Queue) return ["Queue", dataOfQueue(value)];
  if (value instanceof Semaphore) return ["Semaphore", dataOfSemaphore(value)];
  return null;
}

/** @throws {TypeError} for what is none. */
export function libraryValue(data: unknown): Queue<unknown> | Semaphore {
  const [kind, actor] = Array.isArray(data) ? data as unknown[] : [];
  if (kind === "Queue") return queueOf(actor);
  if (kind === "Semaphore") return semaphoreOf(actor);
  throw new TypeError(`a library actor of unknown kind ${String(kind)}`);
}
