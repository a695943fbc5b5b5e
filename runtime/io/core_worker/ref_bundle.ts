/**
 * Refs that came with one value. A value with many refs (BUNDLED_REFS_MIN) costs its reader one message, not one a ref: the agent
 * keeps the contents of the object as a whole, for as long as the bundle lives. Every ref keeps its bundle; a ref that is
 * used leaves it and is held on its own, as any other. A bundle ends when no ref is left in it, or is taken apart a moment
 * after the first ref has left it, so that one ref that is kept does not keep all others.
 * @module
 */
import type { NodeId, ObjectId } from "../../common/ids.ts";
import type { RefTarget } from "../../protocol/messages.ts";
import type { AgentLink } from "./agent_link.ts";
import type { Entry } from "./entry.ts";
import { sendingRegistry } from "./finalizers.ts";
import { Timer } from "./timers.ts";

/** Refs of one value mostly go together: so long after the first, those that stay are held one by one. */
const TAKE_APART_MS = 1_000;

/** What a bundle's refs become when they leave it. */
export interface BundleTable {
  readonly link: AgentLink;
  arrived(target: RefTarget): Entry;
  unused(entry: Entry): void;
}

/** What stands behind one ref as long as its bundle does. */
export class BundledRef {
  /** As an entry that was let go: whoever looks at it asks on. */
  readonly released = true;
  readonly id: ObjectId;
  readonly home: NodeId;
  /** 1 as long as its ref is neither released nor used. */
  count = 0;
  readonly #bundle: RefBundle;
  /** Since the bundle was taken apart; counted. */
  entry: Entry | null = null;

  constructor(id: ObjectId, home: NodeId, bundle: RefBundle) {
    this.id = id;
    this.home = home;
    this.#bundle = bundle;
  }

  /** The entry that its ref stands for from now on, counted; null when the ref was released. */
  leave(): Entry | null {
    if (this.count === 0) return null;
    this.count = 0;
    if (this.entry !== null) return this.entry;
    const entry = this.#bundle.table.arrived(this);
    entry.count++;
    this.#bundle.left();
    return entry;
  }

  /** The ref is released. */
  release(): void {
    if (this.count === 0) return;
    this.count = 0;
    if (this.entry === null) this.#bundle.left();
    else if (--this.entry.count === 0) this.#bundle.table.unused(this.entry);
  }
}

/** See the module's header. */
export class RefBundle {
  /** The object whose contents are kept. */
  readonly target: RefTarget;
  readonly table: BundleTable;
  readonly #bundles: RefBundles;
  #refs: BundledRef[] = [];
  #left = 0;
  #timer: Timer | null = null;
  #isOver = false;

  constructor(target: RefTarget, table: BundleTable, bundles: RefBundles) {
    this.target = target;
    this.table = table;
    this.#bundles = bundles;
  }

  get isEmpty(): boolean {
    return this.#refs.length === 0;
  }

  add(id: ObjectId, home: NodeId): BundledRef {
    const ref = new BundledRef(id, home, this);
    this.#refs.push(ref);
    return ref;
  }

  /** Those that are in it. */
  refs(): BundledRef[] {
    return this.#refs.filter(({ count }) => count > 0);
  }

  /** A ref was released, or has an entry of its own. */
  left(): void {
    if (this.#isOver) return;
    if (++this.#left === this.#refs.length) this.end();
    else this.#timer ??= Timer.background(() => this.#takeApart(), TAKE_APART_MS);
  }

  #takeApart(): void {
    if (this.#isOver) return;
    for (const ref of this.refs()) {
      ref.entry = this.table.arrived(ref);
      ref.entry.count++;
    }
    this.end();
  }

  /** Nothing is left in it. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#refs = [];
    this.#timer?.clear();
    this.#bundles.ended(this);
  }
}

/** The bundles of one process. */
export class RefBundles {
  readonly #table: BundleTable;
  readonly #live = new Map<RefBundle["target"], WeakRef<RefBundle>>();
  readonly #collected: FinalizationRegistry<RefTarget> = sendingRegistry((target) => this.#over(target));
  #open: RefBundle | null = null;
  #isClosed = false;

  constructor(table: BundleTable) {
    this.#table = table;
  }

  /** The bundle of the value that is being decoded. */
  get open(): RefBundle | null {
    return this.#open;
  }

  /** Decode the value of `target`, whose contents the agent keeps for this process. */
  around<T>({ id, home }: RefTarget, decode: () => T): T {
    const bundle = new RefBundle({ id, home }, this.#table, this);
    this.#live.set(bundle.target, new WeakRef(bundle));
    this.#collected.register(bundle, bundle.target, bundle);
    this.#open = bundle;
    let isDecoded = false;
    try {
      const value = decode();
      isDecoded = true;
      return value;
    } finally {
      this.#open = null;
      if (!isDecoded || bundle.isEmpty) bundle.end();
    }
  }

  /** Every ref that is in a bundle, and not known to be collected. */
  *refs(): Iterable<BundledRef> {
    for (const bundle of this.#live.values()) yield* bundle.deref()?.refs() ?? [];
  }

  ended(bundle: RefBundle): void {
    this.#collected.unregister(bundle);
    this.#over(bundle.target);
  }

  #over(target: RefTarget): void {
    if (this.#isClosed) return;
    this.#live.delete(target);
    this.#table.link.reference({ op: "dropContents", id: target.id, home: target.home });
  }

  close(): void {
    this.#isClosed = true;
    this.#live.clear();
  }
}
