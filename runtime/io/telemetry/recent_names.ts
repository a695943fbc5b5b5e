/**
 * The functions' names of the newest tasks, for objects whose maker's name came without them.
 * @module
 */

const NAMES_MAX = 2_000;

export class RecentNames {
  /** Oldest first. */
  readonly #names: Map<string, string> = new Map();

  set(taskId: string, name: string): void {
    if (this.#names.has(taskId)) return;
    this.#names.set(taskId, name);
    if (this.#names.size > NAMES_MAX) this.#names.delete(this.#names.keys().next().value!);
  }

  /** Null when it is not known (any more). */
  of(taskId: string): string | null {
    return this.#names.get(taskId) ?? null;
  }
}
