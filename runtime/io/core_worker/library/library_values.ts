/**
 * Library actors inside values: what they travel as, and back.
 * @module
 */
import { handleOfQueue, Queue, queueOf } from "./queue.ts";
import { handleOfSemaphore, Semaphore, semaphoreOf } from "./semaphore.ts";

/** Kind and actor handle; null for any other value. */
export function libraryParts(value: object): readonly [kind: string, handle: unknown] | null {
  if (value instanceof Queue) return ["Queue", handleOfQueue(value)];
  if (value instanceof Semaphore) return ["Semaphore", handleOfSemaphore(value)];
  return null;
}

/** @throws {TypeError} for what is none. */
export function libraryValue(data: unknown): Queue<unknown> | Semaphore {
  const [kind, handle] = Array.isArray(data) ? data as unknown[] : [];
  if (kind === "Queue") return queueOf(handle);
  if (kind === "Semaphore") return semaphoreOf(handle);
  throw new TypeError(`a library actor of unknown kind ${String(kind)}`);
}
