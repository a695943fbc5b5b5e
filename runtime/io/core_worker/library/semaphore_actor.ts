/**
 * The actor behind a Semaphore. It uses nothing from outside: see library_class.ts.
 * @module
 */

/** Permits, who holds them, and who waits for one: first come, first served. */
export class SemaphoreActor {
  free: number;
  /** Who holds each permit that is given out. */
  held: Map<string, string> = new Map();
  waiting: Map<string, { readonly user: string; tell(isGiven: boolean): void }> = new Map();
  users: Set<string> = new Set();

  constructor(permits: number) {
    this.free = permits;
  }

  /** Stands as long as this user lives; then its permits are free. */
  async *presence(user: string): AsyncGenerator<number, void, void> {
    this.users.add(user);
    try {
      yield 0;
      yield 1;
    } finally {
      this.users.delete(user);
      for (const [id, waiter] of this.waiting) if (waiter.user === user) this.withdraw(id);
      for (const [id, holder] of this.held) if (holder === user) this.release(id);
    }
  }

  /** Whether it has one now. */
  acquireNow(id: string, user: string): boolean {
    if (this.free === 0 || !this.users.has(user)) return false;
    this.free--;
    this.held.set(id, user);
    return true;
  }

  /** False when it was withdrawn. */
  async acquire(id: string, user: string): Promise<boolean> {
    if (!this.users.has(user)) return false;
    return this.acquireNow(id, user) ||
      await new Promise((tell) => this.waiting.set(id, { user, tell }));
  }

  release(id: string): void {
    if (!this.held.delete(id)) return;
    this.free++;
    for (const [next, waiter] of this.waiting) {
      this.waiting.delete(next);
      return waiter.tell(this.acquireNow(next, waiter.user));
    }
  }

  withdraw(id: string): void {
    this.waiting.get(id)?.tell(false);
    this.waiting.delete(id);
  }
}
