/**
 * Does what reference counting decides: tells other homes, and gathers what is free for the head.
 * @module
 */
import type { NodeId, ObjectId, ProcessId } from "../../common/ids.ts";
import { References } from "../../core/object/references.ts";
import type { CountedFacts, ReferencesEvent } from "../../core/object/references_types.ts";
import type { StoreHost } from "./store_host.ts";

/** Frees of this long go to the head together. */
const FREE_INTERVAL_MS = 5;

export class ReferenceKeeper {
  readonly #host: StoreHost;
  readonly #nowMs: () => number;
  readonly #deleteHere: (ids: readonly ObjectId[]) => void;
  readonly #references: References;
  readonly #flushes = new Map<string, () => void>();
  #flushCount = 0;
  #freed: ObjectId[] = [];
  #freeTimer: NodeJS.Timeout | null = null;

  /** `deleteHere`: nobody refers to these; copies on this node go at once, the head tells the other holders. */
  constructor(host: StoreHost, nowMs: () => number, deleteHere: (ids: readonly ObjectId[]) => void) {
    this.#host = host;
    this.#nowMs = nowMs;
    this.#deleteHere = deleteHere;
    this.#references = new References(host.nodeId);
  }

  step(event: ReferencesEvent): void {
    for (const effect of this.#references.step(this.#nowMs(), event)) {
      switch (effect.type) {
        case "send": {
          const { batchId, home, changes } = effect;
          const delivered = (): void => this.step({ type: "delivered", batchId });
          // Rejected: the home is dead, and nobody counts there.
          this.#host.sendReferences(home, [...changes]).then(delivered, delivered);
          break;
        }
        case "freeObjects":
          this.#deleteHere(effect.ids);
          for (const id of effect.ids) this.#freed.push(id);
          this.#freeTimer ??= setTimeout(() => this.#sendFreed(), FREE_INTERVAL_MS);
          break;
        case "freeActor":
          this.#host.actorOutOfScope(effect.id);
          break;
        case "stranded":
          this.#host.stranded(effect.node, [...effect.ids]);
          break;
        case "flushed":
          this.#flushes.get(effect.flushId)?.();
          this.#flushes.delete(effect.flushId);
          break;
        default:
          effect satisfies never;
      }
    }
  }

  /** See References.counted. */
  counted(): Iterable<CountedFacts> {
    return this.#references.counted();
  }

  /** See References.contentsOf. */
  contentsOf(id: ObjectId): number {
    return this.#references.contentsOf(id);
  }

  /** See References.madeAt. */
  madeAt(id: ObjectId): NodeId | undefined {
    return this.#references.madeAt(id);
  }

  /** See ObjectStore.holdersOf. */
  holdersOf(id: ObjectId): { readonly processes: ProcessId[]; readonly nodes: NodeId[] } | null {
    const counted = this.#references.describe(id);
    if (counted === null) return null;
    const { owner, owned, holders, nodes } = counted;
    const processes = [...owned ? [owner!] : [], ...holders.filter((holder) => !holder.startsWith("o-"))];
    return { processes: processes as ProcessId[], nodes };
  }

  /** Resolves when every change so far has reached its home. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      const flushId = `f${++this.#flushCount}`;
      this.#flushes.set(flushId, resolve);
      this.step({ type: "flush", flushId });
    });
  }

  #sendFreed(): void {
    if (this.#freeTimer !== null) clearTimeout(this.#freeTimer);
    this.#freeTimer = null;
    if (this.#freed.length > 0) this.#host.free(this.#freed);
    this.#freed = [];
  }

  close(): void {
    for (const resolve of this.#flushes.values()) resolve();
    this.#flushes.clear();
    this.#sendFreed();
  }

  check(): void {
    this.#references.check();
  }
}
