/**
 * The actor behind a Queue. It uses nothing from outside: see library_class.ts.
 * @module
 */

interface Getter {
  readonly user: string;
  give(taken: readonly unknown[] | "empty" | "closed"): void;
}

interface Putter {
  readonly item: unknown;
  tell(outcome: "added" | "full"): void;
}

/**
 * Items, and who waits for one or for room: both in the order of their calls. Items travel inside arrays, so that a ref among
 * them stays a ref.
 *
 *   open --close()--> closing (puts are refused, what is there may be taken) --nothing is left--> closed
 */
export class QueueActor {
  maxSize: number;
  /** From `head` on. */
  items: unknown[] = [];
  head = 0;
  getters: Map<string, Getter> = new Map();
  putters: Map<string, Putter> = new Map();
  users: Set<string> = new Set();
  closing = false;
  whenEmpty: (() => void)[] = [];

  /** `maxSize` 0: no limit. */
  constructor(maxSize: number) {
    this.maxSize = maxSize;
  }

  /** Stands as long as this user lives; then its waiting gets are over, so that no item is given to the dead. */
  async *presence(user: string): AsyncGenerator<number, void, void> {
    this.users.add(user);
    try {
      yield 0;
      yield 1;
    } finally {
      this.users.delete(user);
      for (const [id, getter] of this.getters) {
        if (getter.user === user) {
          this.getters.delete(id);
          getter.give("empty");
        }
      }
    }
  }

  size(): number {
    return this.items.length - this.head;
  }

  /** All of them, or none. */
  putNow(items: readonly unknown[]): "added" | "full" | "closed" {
    if (this.closing) return "closed";
    const room = this.maxSize === 0 ? Infinity : this.maxSize - this.size();
    if (this.putters.size > 0 || items.length > room) return "full";
    for (const item of items) this.add(item);
    return "added";
  }

  async put(id: string, items: readonly unknown[]): Promise<"added" | "full" | "closed"> {
    const outcome = this.putNow(items);
    if (outcome !== "full") return outcome;
    return await new Promise((tell) => this.putters.set(id, { item: items[0], tell }));
  }

  /** So many items, or none. */
  getNow(count: number): readonly unknown[] | "empty" | "closed" {
    if (this.size() < count) return this.closing ? "closed" : "empty";
    const items = this.items.slice(this.head, this.head + count);
    this.items.fill(undefined, this.head, this.head + count);
    this.head += count;
    if (this.head > 1024 && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    this.admit();
    return items;
  }

  async get(id: string, user: string): Promise<readonly unknown[] | "empty" | "closed"> {
    const taken = this.getNow(1);
    if (taken !== "empty" || !this.users.has(user)) return taken;
    return await new Promise((give) => this.getters.set(id, { user, give }));
  }

  /** A put or get that waits has waited long enough. */
  withdraw(id: string): void {
    this.putters.get(id)?.tell("full");
    this.putters.delete(id);
    this.getters.get(id)?.give("empty");
    this.getters.delete(id);
    this.settle();
  }

  /** No further puts. Resolves when everything was taken. */
  async close(): Promise<void> {
    this.closing = true;
    // Nothing is there, and nothing will come.
    for (const getter of this.getters.values()) getter.give("closed");
    this.getters.clear();
    const empty = new Promise<void>((resolve) => this.whenEmpty.push(resolve));
    this.settle();
    await empty;
  }

  add(item: unknown): void {
    for (const [id, getter] of this.getters) {
      this.getters.delete(id);
      return getter.give([item]);
    }
    this.items.push(item);
  }

  /** There may be room. */
  admit(): void {
    for (const [id, putter] of this.putters) {
      if (this.size() >= this.maxSize) break;
      this.putters.delete(id);
      this.add(putter.item);
      putter.tell("added");
    }
    this.settle();
  }

  settle(): void {
    if (!this.closing || this.size() > 0 || this.putters.size > 0) return;
    for (const resolve of this.whenEmpty.splice(0)) resolve();
  }
}
