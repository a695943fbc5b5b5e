/**
 * Memory mappings over the few C calls that an adapter supplies: who lives, and when it is really gone.
 *
 *   mapped --(1) buffer collected--> suspect --(2) its pages are unmapped--> gone: onUnmapped, once
 *
 * 1. A finalizer only says that one JavaScript object is gone. The memory may live on: JavaScriptCore collects an
 *    ArrayBuffer object while typed arrays over its memory live, and a transfer (postMessage, structuredClone, byte
 *    streams) moves memory to another buffer.
 * 2. So where the buffer owns its pages (Bun: munmap is its deallocator) the pages themselves are asked. Where it does not
 *    (Deno), it cannot be transferred, typed arrays keep it alive, and its collection is the end: this file unmaps then.
 * @module
 */
import { readFileSync } from "node:fs";
import { setInterval } from "node:timers";
import type { SharedRegion } from "./platform.ts";

/** The C calls, addresses as numbers (48 bits fit). */
export interface MemoryCalls {
  readonly pageBytes: number;
  /** mmap, readable and writable; null when it fails. */
  map(fd: number, offset: number, length: number, shared: boolean): number | null;
  unmap(address: number, length: number): void;
  isMapped(address: number): boolean;
  /** Makes every page of a shared range exist and present in the page table; false when the file system is full. */
  populate(address: number, length: number): boolean;
  /** Gives a shared range's pages back, also those of the file; false where that cannot be done. */
  drop(address: number, length: number): boolean;
  /** Writes `bytes` to memory that is mapped. */
  copy(address: number, bytes: Uint8Array): void;
  /** Fills `target` from memory that is mapped. */
  read(address: number, target: Uint8Array): void;
  /** A buffer that knows nothing of its memory's life. */
  view(address: number, length: number): ArrayBuffer;
  /** A buffer for user code. With `unmapsItself` it unmaps its memory when that is released, however often it was
   *  transferred; else it refuses to be transferred, and its memory is unmapped for it. */
  buffer(address: number, length: number): ArrayBuffer;
  readonly unmapsItself: boolean;
}

/** Mappings alive at once in a process; the kernel allows 65,530 in all. Above it readers copy. */
export const PRIVATE_MAPPINGS_MAX: number = 8_192;
/** How often suspects are asked again. */
const SUSPECT_INTERVAL_MS = 100;
/** Suspects that are still mapped after this many questions are looked up in the kernel's list (their address may have
 *  been given to somebody else meanwhile). */
const QUESTIONS_MAX = 5;

interface Mapping {
  readonly address: number;
  readonly offset: number;
  readonly length: number;
  readonly onUnmapped: () => void;
  questions: number;
}

export class Mappings {
  readonly #calls: MemoryCalls;
  /** All and only mappings whose pages are still ours, by address. */
  readonly #live = new Map<number, Mapping>();
  /** All and only live mappings whose buffer object was collected. */
  readonly #suspects = new Set<Mapping>();
  readonly #registry: FinalizationRegistry<Mapping>;
  #timer: NodeJS.Timeout | null = null;

  constructor(calls: MemoryCalls) {
    this.#calls = calls;
    this.#registry = new FinalizationRegistry((mapping) => this.#bufferCollected(mapping));
  }

  /** Mappings alive, for tests and figures. */
  get liveCount(): number {
    return this.#live.size;
  }

  /** See MapPrivate in platform.ts. */
  mapPrivate(fd: number, offset: number, length: number, onUnmapped: () => void): ArrayBuffer | null {
    if (length === 0 || offset % this.#calls.pageBytes !== 0) return null;
    if (this.#live.size >= PRIVATE_MAPPINGS_MAX) {
      this.#askSuspects();
      if (this.#live.size >= PRIVATE_MAPPINGS_MAX) return null;
    }
    const address = this.#calls.map(fd, offset, length, false);
    if (address === null) return null;
    this.#addressTaken(address, length);
    const buffer = this.#calls.buffer(address, length);
    const mapping: Mapping = { address, offset, length, onUnmapped, questions: 0 };
    this.#live.set(address, mapping);
    this.#registry.register(buffer, mapping);
    return buffer;
  }

  /** See MapShared in platform.ts. */
  mapShared(fd: number, length: number): SharedRegion | null {
    const address = this.#calls.map(fd, 0, length, true);
    if (address === null) return null;
    this.#addressTaken(address, length);
    let mapped = true;
    const check = (offset: number, { byteLength }: Uint8Array): void => {
      if (!mapped) throw new Error("the memory is not mapped any more");
      if (offset >= 0 && offset + byteLength <= length) return;
      throw new RangeError(`${byteLength} bytes at ${offset} are outside of a mapping of ${length}`);
    };
    return {
      populate: (offset, bytes) => mapped && this.#calls.populate(address + offset, bytes),
      drop: (offset, bytes) => mapped && this.#calls.drop(address + offset, bytes),
      view: (offset, bytes) => new Uint8Array(this.#calls.view(address + offset, bytes)),
      copy: (offset, bytes) => {
        check(offset, bytes);
        if (bytes.byteLength > 0) this.#calls.copy(address + offset, bytes);
      },
      read: (offset, target) => {
        check(offset, target);
        if (target.byteLength > 0) this.#calls.read(address + offset, target);
      },
      unmap: () => {
        if (mapped) this.#calls.unmap(address, length);
        mapped = false;
      },
    };
  }

  #bufferCollected(mapping: Mapping): void {
    if (this.#live.get(mapping.address) !== mapping) return; // Found to be gone before its finalizer ran.
    if (!this.#calls.unmapsItself) {
      this.#calls.unmap(mapping.address, mapping.length);
      this.#gone(mapping);
    } else if (!this.#calls.isMapped(mapping.address)) {
      this.#gone(mapping);
    } else {
      this.#suspects.add(mapping);
      if (this.#timer !== null) return;
      this.#timer = setInterval(() => this.#askSuspects(), SUSPECT_INTERVAL_MS);
      this.#timer.unref();
    }
  }

  #gone(mapping: Mapping): void {
    this.#live.delete(mapping.address);
    this.#suspects.delete(mapping);
    mapping.onUnmapped();
  }

  /** The kernel gave us a range: whatever we believed to be there is gone, its finalizer has just not run yet. */
  #addressTaken(address: number, length: number): void {
    if (!this.#calls.unmapsItself) return; // Then nobody unmaps behind our back.
    for (const mapping of this.#live.values()) {
      if (mapping.address < address + length && address < mapping.address + mapping.length) {
        // From a later turn, as promised: the caller is in the middle of its own read.
        this.#live.delete(mapping.address);
        this.#suspects.delete(mapping);
        queueMicrotask(mapping.onUnmapped);
      }
    }
  }

  #askSuspects(): void {
    let kernel: readonly FileMapping[] | null = null;
    for (const mapping of [...this.#suspects]) {
      let mapped = this.#calls.isMapped(mapping.address);
      if (mapped && ++mapping.questions % QUESTIONS_MAX === 0) {
        kernel ??= fileMappings();
        // Asked with the file's offset: whoever has the address now maps something else, or no file at all.
        mapped = kernel === null ||
          kernel.some((known) =>
            known.start <= mapping.address && mapping.address < known.end &&
            known.offset + mapping.address - known.start === mapping.offset
          );
      }
      if (!mapped) this.#gone(mapping);
    }
    if (this.#timer !== null && this.#suspects.size === 0) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }
}

interface FileMapping {
  readonly start: number;
  readonly end: number;
  /** Of `start` in the file. */
  readonly offset: number;
}

/** This process's file mappings (the kernel merges neighbours), or null where the kernel does not tell (not Linux). */
function fileMappings(): readonly FileMapping[] | null {
  let text: string;
  try {
    text = readFileSync("/proc/self/maps", "latin1");
  } catch {
    return null;
  }
  const mappings: FileMapping[] = [];
  for (const line of text.split("\n")) {
    const [range, , offset, , inode] = line.split(/\s+/);
    if (range === undefined || offset === undefined || inode === undefined || inode === "0") continue;
    const dash = range.indexOf("-");
    mappings.push({
      start: parseInt(range, 16),
      end: parseInt(range.slice(dash + 1), 16),
      offset: parseInt(offset, 16),
    });
  }
  return mappings;
}
