/**
 * The function table: code by content hash. It is answered from the store, which has it durably; the newest sources stay in
 * memory, because a new function is asked for by every worker at once. Whoever asks for one whose export is under way waits.
 * @module
 */
import { MobulaError } from "../common/errors.ts";
import { GCS_REQUEST_TIMEOUT_MS } from "../common/config.ts";
import type { LoadedStore } from "../io/storage/rows.ts";
import type { GcsStore } from "../io/storage/store_client.ts";
import type { CodeKind } from "../protocol/messages.ts";

export type FunctionKind = CodeKind;

/** A function with its source and, when it has any, its captured values. */
export interface FunctionCode {
  readonly kind: FunctionKind;
  readonly name: string;
  readonly sections: readonly Uint8Array[];
}

/** Sources in memory; older ones are read from the store. */
const CACHE_BYTES_MAX = 64 * 1024 * 1024;
const KINDS: ReadonlySet<unknown> = new Set(["function", "class", "codec", "folder"]);

export class FunctionTable {
  readonly #store: GcsStore;
  readonly #nowMs: () => number;
  /** All functions, without source. */
  readonly #known: Map<string, { readonly kind: FunctionKind; readonly name: string }> = new Map();
  /** The newest sources, oldest first. */
  readonly #cache: Map<string, Uint8Array> = new Map();
  #cacheBytes = 0;
  /** Who waits for an export, by hash. */
  readonly #waiting: Map<string, Set<() => void>> = new Map();
  readonly #waitMs: number;

  constructor(
    store: GcsStore,
    loaded: LoadedStore,
    nowMs: () => number,
    waitMs: number = GCS_REQUEST_TIMEOUT_MS,
  ) {
    this.#store = store;
    this.#nowMs = nowMs;
    this.#waitMs = waitMs;
    for (const { hash, kind, name } of loaded.functions) {
      this.#known.set(hash, { kind: kind as FunctionKind, name });
    }
  }

  /** Resolves when it is durable. Idempotent: the hash says that the code is the same. */
  async export(
    hash: string,
    kind: FunctionKind,
    name: string,
    sections: readonly Uint8Array[],
  ): Promise<void> {
    if (typeof hash !== "string" || hash === "" || hash.length > 200) {
      throw new TypeError("exportFunction: hash is no text");
    }
    if (!KINDS.has(kind)) throw new TypeError(`exportFunction: kind is ${String(kind)}`);
    if (sections[0] === undefined || sections[0].length === 0) {
      throw new TypeError("exportFunction: the source is missing");
    }
    if (!this.#known.has(hash)) {
      const own = pack(sections);
      this.#store.write({
        table: "functions",
        put: {
          hash,
          kind,
          name: String(name).slice(0, 500),
          createdMs: Math.round(this.#nowMs()),
          source: own,
        },
      });
      this.#known.set(hash, { kind, name });
      this.#remember(hash, own);
      // The code rides with pushes before it is durable; who asks may have it at once as well.
      for (const wake of this.#waiting.get(hash) ?? []) wake();
      this.#waiting.delete(hash);
    }
    await this.#store.committed();
  }

  /** Waits for an export that is under way; an error after a bounded time. */
  async fetch(hash: string): Promise<FunctionCode> {
    if (!this.#known.has(hash)) await this.#exported(hash);
    const facts = this.#known.get(hash);
    const cached = this.#cache.get(hash);
    if (facts !== undefined && cached !== undefined) return { ...facts, sections: unpack(cached) };
    const row = await this.#store.readFunction(hash);
    if (facts === undefined || row === null) {
      throw new MobulaError(`Cannot find function ${hash}: it was never exported to this cluster`);
    }
    this.#remember(hash, row.source);
    return { ...facts, sections: unpack(row.source) };
  }

  #exported(hash: string): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(hash) ?? new Set();
      this.#waiting.set(hash, waiting);
      const wake = () => {
        clearTimeout(timer);
        waiting.delete(wake);
        if (waiting.size === 0) this.#waiting.delete(hash);
        resolve();
      };
      const timer = setTimeout(wake, this.#waitMs);
      timer.unref?.();
      waiting.add(wake);
    });
  }

  #remember(hash: string, source: Uint8Array): void {
    this.#cacheBytes += source.length - (this.#cache.get(hash)?.length ?? 0);
    this.#cache.delete(hash);
    this.#cache.set(hash, source);
    for (const [oldest, bytes] of this.#cache) {
      if (this.#cacheBytes <= CACHE_BYTES_MAX || oldest === hash) break;
      this.#cache.delete(oldest);
      this.#cacheBytes -= bytes.length;
    }
  }
}

/** One text cannot begin with it. */
const HAS_CAPTURES = 0;
const PACKED_HEAD_BYTES = 5;

/** As it is kept: the source alone, or a zero byte, the source's length (32 bits), the source, the captures. */
function pack([source, captures]: readonly Uint8Array[]): Uint8Array {
  if (captures === undefined) return source!.slice();
  const packed = new Uint8Array(PACKED_HEAD_BYTES + source!.length + captures.length);
  packed[0] = HAS_CAPTURES;
  new DataView(packed.buffer).setUint32(1, source!.length);
  packed.set(source!, PACKED_HEAD_BYTES);
  packed.set(captures, PACKED_HEAD_BYTES + source!.length);
  return packed;
}

function unpack(packed: Uint8Array): Uint8Array[] {
  if (packed[0] !== HAS_CAPTURES) return [packed];
  const end = PACKED_HEAD_BYTES + new DataView(packed.buffer, packed.byteOffset).getUint32(1);
  return [packed.subarray(PACKED_HEAD_BYTES, end), packed.subarray(end)];
}
