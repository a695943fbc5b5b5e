/**
 * Reads a stored object out of the pool. Large buffers come as private mappings: no copy, each a buffer of its own, and
 * what is written stays with the reader. Everything else, and everything where the runtime cannot map, is copied.
 * @module
 */
import { mapPrivate } from "#platform";
import {
  HEADER_BYTES_MIN,
  headerLength,
  MAPPABLE_BYTES_MIN,
  parseLayout,
} from "../../protocol/object_layout.ts";
import { type PoolFile, PoolFiles } from "./pool_files.ts";

/** Header and body of most objects arrive with one call. */
const HEAD_BYTES = 8 * 1024;
/** Small buffers that lie together are read together, up to this many bytes. */
const RUN_BYTES_MAX = 256 * 1024;

/** An object taken apart: what the decoder needs. */
export interface StoredObject {
  readonly body: Uint8Array;
  /** Each an ArrayBuffer of its own, as long as the part was. */
  readonly buffers: ArrayBuffer[];
}

type Part = { readonly offset: number; readonly length: number };

export class ObjectReader {
  readonly #files: PoolFiles;

  /** `files` may be shared with an ObjectWriter. */
  constructor(files: PoolFiles = new PoolFiles()) {
    this.#files = files;
  }

  /**
   * Reads the object at `place` (ObjectPlace of type "shm"). The range must stay as it is until `onReleased` is called,
   * exactly once: at once when everything was copied, else when user code has let go of the last mapped buffer. It then is
   * to be unpinned. Throws ProtocolError when the bytes are no object, after `onReleased`.
   */
  read(
    place: { readonly path: string; readonly offset: number; readonly size: number },
    onReleased: () => void,
  ): StoredObject {
    // The read itself is one holder; each mapping is another.
    let holders = 1;
    const release = (): void => {
      if (--holders === 0) onReleased();
    };
    try {
      const file = this.#files.open(place.path);
      const head = readHead(file, place.offset, place.size);
      const layout = parseLayout(head, place.size);
      const buffers = new Array<ArrayBuffer>(layout.buffers.length);
      const copied: number[] = [];
      layout.buffers.forEach(({ offset, length }, index) => {
        const mapped = length < MAPPABLE_BYTES_MIN
          ? null
          : mapPrivate(file.fd, place.offset + offset, length, release);
        if (mapped === null) {
          copied.push(index);
        } else {
          holders++;
          buffers[index] = mapped;
        }
      });
      copyBuffers(file, place.offset, layout.buffers, copied, buffers);
      const body = new Uint8Array(layout.bodyLength);
      const known = head.subarray(layout.bodyOffset, layout.bodyOffset + layout.bodyLength);
      body.set(known);
      if (known.byteLength < body.byteLength) {
        file.read(body.subarray(known.byteLength), place.offset + layout.bodyOffset + known.byteLength);
      }
      return { body, buffers };
    } finally {
      release();
    }
  }

  close(): void {
    this.#files.close();
  }
}

/** The whole header, and as much of the body as came along. */
function readHead(file: PoolFile, offset: number, size: number): Uint8Array {
  const head = new Uint8Array(Math.min(size, HEAD_BYTES));
  file.read(head, offset);
  const length = headerLength(head.subarray(0, HEADER_BYTES_MIN));
  if (length <= head.byteLength || length > size) return head;
  const longer = new Uint8Array(length);
  file.read(longer, offset);
  return longer;
}

/** Reads the buffers with these indices, in ascending order, into memory of their own. */
function copyBuffers(
  file: PoolFile,
  base: number,
  parts: readonly Part[],
  indices: readonly number[],
  buffers: ArrayBuffer[],
): void {
  for (let first = 0; first < indices.length;) {
    const start = parts[indices[first]!]!;
    let last = first;
    while (last + 1 < indices.length) {
      const next = parts[indices[last + 1]!]!;
      if (next.offset + next.length - start.offset > RUN_BYTES_MAX) break;
      last++;
    }
    if (first === last) {
      // Not zeroed first: every byte is overwritten. A Buffer of this kind has its memory for itself.
      const target = Buffer.allocUnsafeSlow(start.length);
      file.read(target, base + start.offset);
      buffers[indices[first]!] = target.buffer as ArrayBuffer;
    } else {
      const end = parts[indices[last]!]!;
      const run = new Uint8Array(end.offset + end.length - start.offset);
      file.read(run, base + start.offset);
      for (let index = first; index <= last; index++) {
        const { offset, length } = parts[indices[index]!]!;
        const from = offset - start.offset;
        buffers[indices[index]!] = run.slice(from, from + length).buffer;
      }
    }
    first = last + 1;
  }
}
