/**
 * Values by key that the table does not keep alive; a key may have several. Bounded by the values that are alive.
 * @module
 */

/** See the module's header. */
export class WeakTable<K, V extends object> {
  /** A list only where a key has several: there may be a hundred thousand keys. */
  readonly #refs = new Map<K, WeakRef<V> | WeakRef<V>[]>();
  readonly #collected: FinalizationRegistry<K> = new FinalizationRegistry((key) => this.#without(key, null));

  add(key: K, value: V): void {
    const known = this.#refs.get(key);
    const ref = new WeakRef(value);
    this.#refs.set(
      key,
      known === undefined ? ref : known instanceof WeakRef ? [known, ref] : [...known, ref],
    );
    this.#collected.register(value, key, value);
  }

  delete(key: K, value: V): void {
    this.#collected.unregister(value);
    this.#without(key, value);
  }

  /** The values of one key, oldest first. */
  of(key: K): V[] {
    const known = this.#refs.get(key);
    if (known === undefined) return [];
    const refs = known instanceof WeakRef ? [known] : known;
    return refs.map((ref) => ref.deref()).filter((value) => value !== undefined);
  }

  /** All values; none is left in the table. */
  takeAll(): V[] {
    const values = [...this.#refs.keys()].flatMap((key) => this.of(key));
    for (const value of values) this.#collected.unregister(value);
    this.#refs.clear();
    return values;
  }

  #without(key: K, value: V | null): void {
    const known = this.#refs.get(key);
    if (known === undefined) return;
    const refs = (known instanceof WeakRef ? [known] : known)
      .filter((ref) => ![undefined, value].includes(ref.deref()));
    if (refs.length === 0) this.#refs.delete(key);
    else this.#refs.set(key, refs.length === 1 ? refs[0]! : refs);
  }
}
