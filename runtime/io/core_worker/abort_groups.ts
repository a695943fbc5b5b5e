/**
 * Work that ends when an AbortSignal says so. A million calls may share one signal: it has one listener here, as long as
 * any of them is under way, and joining and leaving take the same time however many there are.
 * @module
 */
import type { Work } from "./work.ts";

interface Group {
  /** In no order: `Work.signalIndex` is its place. */
  readonly members: Work[];
  readonly onAbort: () => void;
}

/** See the module's header. */
export class AbortGroups {
  readonly #groups = new WeakMap<AbortSignal, Group>();
  readonly #aborted: (work: Work) => void;

  /** `aborted` is told each member once, when its signal is aborted. */
  constructor(aborted: (work: Work) => void) {
    this.#aborted = aborted;
  }

  /** How many are under way with a signal. */
  sizeOf(signal: AbortSignal): number {
    return this.#groups.get(signal)?.members.length ?? 0;
  }

  /** The signal is not aborted yet. */
  join(signal: AbortSignal, work: Work): void {
    let group = this.#groups.get(signal);
    if (group === undefined) {
      const members: Work[] = [];
      group = { members, onAbort: () => this.#abort(members) };
      this.#groups.set(signal, group);
    }
    if (group.members.length === 0) signal.addEventListener("abort", group.onAbort, { once: true });
    work.signalIndex = group.members.length;
    group.members.push(work);
  }

  /** It has ended. Idempotent. */
  leave(signal: AbortSignal, work: Work): void {
    const { signalIndex } = work;
    const group = this.#groups.get(signal);
    if (signalIndex < 0 || group === undefined) return;
    work.signalIndex = -1;
    const last = group.members.pop()!;
    if (last !== work) {
      last.signalIndex = signalIndex;
      group.members[signalIndex] = last;
    }
    if (group.members.length === 0) signal.removeEventListener("abort", group.onAbort);
  }

  #abort(members: Work[]): void {
    const all = members.splice(0);
    for (const work of all) work.signalIndex = -1;
    for (const work of all) this.#aborted(work);
  }
}
