/**
 * The key-value table, served from memory. A change is answered when it is durable; so is a read of a key whose change is
 * not durable yet, so that nobody acts on what a crash could take back.
 * @module
 */
import type { LoadedStore } from "../io/storage/rows.ts";
import type { GcsStore } from "../io/storage/store_client.ts";

/** All values together; it is a table for small things. */
export const KV_BYTES_MAX: number = 256 * 1024 * 1024;
export const KV_VALUE_BYTES_MAX: number = 16 * 1024 * 1024;
export const KV_KEY_LENGTH_MAX: number = 1_024;
const KEYS_LISTED_MAX = 100_000;

export class KeyValueTable {
  readonly #store: GcsStore;
  readonly #values: Map<string, Uint8Array> = new Map();
  /** Changes of this key that are not durable yet. */
  readonly #changing: Map<string, number> = new Map();
  #bytes = 0;

  constructor(store: GcsStore, loaded: LoadedStore) {
    this.#store = store;
    for (const { key, value } of loaded.kv) {
      this.#values.set(key, value);
      this.#bytes += value.length;
    }
  }

  /** Answers whether the key existed; with `overwrite` false an existing value stays. RangeError beyond the limits. */
  async put(key: string, value: Uint8Array, overwrite: boolean): Promise<boolean> {
    checkKey(key);
    const before = this.#values.get(key);
    if (before === undefined || overwrite) {
      const bytes = this.#bytes + value.length - (before?.length ?? 0);
      if (value.length > KV_VALUE_BYTES_MAX || bytes > KV_BYTES_MAX) {
        throw new RangeError(
          `kvPut ${key}: ${value.length} bytes are too many (${KV_VALUE_BYTES_MAX} a value, ${KV_BYTES_MAX} together): ` +
            "put it into the object store",
        );
      }
      const own = value.slice();
      this.#store.write({ table: "kv", put: { key, value: own } });
      this.#values.set(key, own);
      this.#bytes = bytes;
    }
    await this.#durable(key);
    return before !== undefined;
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  async get(key: string): Promise<Uint8Array | null> {
    if (this.#changing.has(key)) await this.#store.committed();
    return this.#values.get(key) ?? null;
  }

  /** Answers whether the key existed. */
  async delete(key: string): Promise<boolean> {
    checkKey(key);
    const before = this.#values.get(key);
    if (before !== undefined) {
      this.#store.write({ table: "kv", remove: [key] });
      this.#values.delete(key);
      this.#bytes -= before.length;
    }
    await this.#durable(key);
    return before !== undefined;
  }

  /** Keys that begin with `prefix`, in order; at most 100,000. */
  async list(prefix: string): Promise<string[]> {
    if (this.#changing.size > 0) await this.#store.committed();
    const keys: string[] = [];
    for (const key of this.#values.keys()) if (key.startsWith(prefix)) keys.push(key);
    return keys.sort().slice(0, KEYS_LISTED_MAX);
  }

  async #durable(key: string): Promise<void> {
    this.#changing.set(key, (this.#changing.get(key) ?? 0) + 1);
    try {
      await this.#store.committed();
    } finally {
      const left = this.#changing.get(key)! - 1;
      if (left === 0) this.#changing.delete(key);
      else this.#changing.set(key, left);
    }
  }
}

function checkKey(key: unknown): void {
  if (typeof key !== "string" || key === "" || key.includes("\0")) {
    throw new TypeError("a key is a text that is not empty and has no NUL");
  }
  if (key.length > KV_KEY_LENGTH_MAX) {
    throw new RangeError(`a key has at most ${KV_KEY_LENGTH_MAX} characters, this one ${key.length}`);
  }
}
