/**
 * Values by key that the table does not keep alive; a key may have several. Bounded by the values that are alive.
 * @module
 */

/** See the module's header. */
export class WeakTable<K, V extends object> {
  readonly #refs = new Map<K, WeakRef<V>[]>();
  readonly #collected: FinalizationRegistry<K> = new FinalizationRegistry((key) => this.#without(key, null));

  add(key: K, value: V): void {
    const refs = this.#refs.get(key);
    if (refs === undefined) this.#refs.set(key, [new WeakRef(value)]);
    else refs.push(new WeakRef(value));
    this.#collected.register(value, key, value);
  }

  delete(key: K, value: V): void {
    this.#collected.unregister(value);
    this.#without(key, value);
  }

  /** The values of one key, oldest first. */
  of(key: K): V[] {
    return (this.#refs.get(key) ?? []).map((ref) => ref.deref()).filter((value) => value !== undefined);
  }

  /** All values; none is left in the table. */
  takeAll(): V[] {
    const values = [...this.#refs.keys()].flatMap((key) => this.of(key));
    for (const value of values) this.#collected.unregister(value);
    this.#refs.clear();
    return values;
  }

  #without(key: K, value: V | null): void {
    const refs = this.#refs.get(key)?.filter((ref) => ![undefined, value].includes(ref.deref()));
    if (refs === undefined) return;
    if (refs.length === 0) this.#refs.delete(key);
    else this.#refs.set(key, refs);
  }
}
