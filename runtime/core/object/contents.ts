/**
 * What the objects stored on one node contain, and which processes keep it: a process that reads an object with many refs
 * keeps its contents as a whole, in one step, instead of holding each. What is inside stays held as long as the object is stored
 * here or somebody keeps its contents.
 *
 *     (unknown) --sealed--> stored --keep--> stored, kept --deleted--> kept --last letGo--> (unknown)
 *                              +--deleted--> (unknown)        kept --sealed (made again)--> stored, kept
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { ObjectId, ProcessId } from "../../common/ids.ts";
import type { RefTarget } from "../../protocol/messages.ts";

interface Content {
  targets: readonly RefTarget[];
  isStored: boolean;
  /** Over all processes. */
  keeps: number;
}

const NONE: readonly RefTarget[] = Object.freeze([]);

/** See the module's header. Bounded by objects stored here, and by values that processes of this node have read. */
export class Contents {
  readonly #contents = new Map<ObjectId, Content>();
  readonly #ofProcess = new Map<ProcessId, Map<ObjectId, number>>();

  has(id: ObjectId): boolean {
    return this.#contents.has(id);
  }

  /** How many refs and handles an object contains, as far as that is known here. */
  count(id: ObjectId): number {
    return this.#contents.get(id)?.targets.length ?? 0;
  }

  /** Answers what is to be held from now on. */
  sealed(id: ObjectId, targets: readonly RefTarget[]): readonly RefTarget[] {
    if (targets.length === 0) return NONE;
    const known = this.#contents.get(id);
    if (known === undefined) {
      this.#contents.set(id, { targets, isStored: true, keeps: 0 });
      return targets;
    }
    if (known.isStored) return NONE; // Sealed twice.
    // It was lost and made again, and may contain others than the value that was read before.
    known.isStored = true;
    const before = new Set<string>(known.targets.map((target) => target.id));
    const added = targets.filter((target) => !before.has(target.id));
    known.targets = [...known.targets, ...added];
    return added;
  }

  /** Answers what nobody holds any more for its sake. */
  deleted(id: ObjectId): readonly RefTarget[] {
    const known = this.#contents.get(id);
    if (known === undefined) return NONE;
    known.isStored = false;
    return this.#endOf(id, known);
  }

  /** The contents of an object that is known here: one more keep of this process. */
  keep(process: ProcessId, id: ObjectId): void {
    const known = this.#contents.get(id);
    assert(known !== undefined, `the contents of ${id} are known where they are kept`);
    known.keeps++;
    let kept = this.#ofProcess.get(process);
    if (kept === undefined) this.#ofProcess.set(process, kept = new Map());
    kept.set(id, (kept.get(id) ?? 0) + 1);
  }

  /** One keep less. Answers as deleted(). */
  letGo(process: ProcessId, id: ObjectId): readonly RefTarget[] {
    const kept = this.#ofProcess.get(process);
    const count = kept?.get(id);
    if (kept === undefined || count === undefined) return NONE; // Its keeps ended with it.
    if (count > 1) kept.set(id, count - 1);
    else kept.delete(id);
    if (kept.size === 0) this.#ofProcess.delete(process);
    const known = this.#contents.get(id)!;
    known.keeps--;
    return this.#endOf(id, known);
  }

  /** What the process keeps, as often as it does. */
  keptBy(process: ProcessId): ObjectId[] {
    return [...this.#ofProcess.get(process) ?? []].flatMap(([id, count]) =>
      Array.from({ length: count }, () => id)
    );
  }

  #endOf(id: ObjectId, known: Content): readonly RefTarget[] {
    if (known.isStored || known.keeps > 0) return NONE;
    this.#contents.delete(id);
    return known.targets;
  }

  check(): void {
    const keeps = new Map<ObjectId, number>();
    for (const kept of this.#ofProcess.values()) {
      for (const [id, count] of kept) keeps.set(id, (keeps.get(id) ?? 0) + count);
    }
    for (const [id, known] of this.#contents) {
      assert(known.isStored || known.keeps > 0, `somebody needs what ${id} contains`);
      assert(known.keeps === (keeps.get(id) ?? 0), `keeps of ${id}'s contents are known by process`);
    }
    for (const id of keeps.keys()) assert(this.#contents.has(id), `what is kept of ${id} is known`);
  }
}
