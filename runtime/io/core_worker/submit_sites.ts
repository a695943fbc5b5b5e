/**
 * Where in the user's code functions are called, for errors. A stack costs some 10 us, so it is taken when a function is
 * called for the first time (with these options), not for each task.
 * @module
 */
import { stackHere, userFrame } from "./call_sites.ts";

/** Stacks taken in one process: programs that make options for every call pay for so many of them. */
const TAKEN_MAX = 500;

/** See the module's header. */
export class SubmitSites {
  readonly #sites = new Map<string, Set<string>>();
  #taken = 0;

  /** Call while the user's call is on the stack. */
  note(taskName: string): void {
    if (this.#taken >= TAKEN_MAX) return;
    this.#taken++;
    const frame = userFrame(stackHere());
    if (frame === null) return;
    const known = this.#sites.get(taskName);
    if (known === undefined) this.#sites.set(taskName, new Set([frame]));
    else known.add(frame);
  }

  /** `app.ts:17:3`, where tasks of this name were first called. */
  of(taskName: string): string | null {
    const [first, ...others] = this.#sites.get(taskName) ?? [];
    if (first === undefined) return null;
    return others.length === 0
      ? first
      : `${first} and ${others.length} other ${others.length === 1 ? "place" : "places"}`;
  }
}
