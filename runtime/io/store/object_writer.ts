/**
 * Writes a value into the range of the pool that an agent granted (createObject). Nobody reads it before it is sealed.
 * @module
 */
import { ObjectStoreFullError } from "../../common/errors.ts";
import { encodeHead, layoutOf, type ObjectParts } from "../../protocol/object_layout.ts";
import { type PoolFile, PoolFiles } from "./pool_files.ts";

/** Objects below this are written by one call: looking after their pages costs as much as it saves (measured). */
const MAPPED_BYTES_MIN = 256 * 1024;
const PADDING = new Uint8Array(16 * 1024);

export class ObjectWriter {
  readonly #files: PoolFiles;

  /** `files` may be shared with an ObjectReader. */
  constructor(files: PoolFiles = new PoolFiles()) {
    this.#files = files;
  }

  /**
   * Writes `parts` at `place`, which has room for layoutSize(parts) bytes.
   * @throws {ObjectStoreFullError} when the pool's file system is full although the range was granted (somebody else fills
   * it): abort the object; nothing was published.
   */
  write(
    place: { readonly path: string; readonly offset: number; readonly isCold?: boolean },
    parts: ObjectParts,
  ): void {
    const file = this.#files.open(place.path);
    const layout = layoutOf(parts.body.byteLength, parts.buffers.map((buffer) => buffer.byteLength));
    if (place.offset + layout.size > file.size) {
      throw new RangeError(
        `Cannot write ${layout.size} bytes at ${place.offset}: ${place.path} has ${file.size}`,
      );
    }
    if (place.isCold) file.forget(place.offset, layout.size);
    const head = encodeHead(parts);
    const pieces: Uint8Array[] = [head];
    let end = head.byteLength;
    layout.buffers.forEach(({ offset, length }, index) => {
      if (offset > end) pieces.push(PADDING.subarray(0, offset - end));
      if (length > 0) pieces.push(parts.buffers[index]!);
      end = offset + length;
    });
    const isMapped = layout.size >= MAPPED_BYTES_MIN && file.canMap(place.offset, layout.size);
    if (isMapped) file.write(pieces, place.offset, true);
    else this.#write(file, pieces, place.offset, layout.size);
  }

  /** Copies bytes of an encoded object (or a part of one) to `offset` of the pool. Errors as `write`. */
  writeBytes(path: string, offset: number, bytes: Uint8Array): void {
    this.#write(this.#files.open(path), [bytes], offset, bytes.byteLength);
  }

  close(): void {
    this.#files.close();
  }

  #write(file: PoolFile, pieces: readonly Uint8Array[], offset: number, size: number): void {
    try {
      file.write(pieces, offset);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      throw new ObjectStoreFullError(
        `Cannot write an object of ${size} bytes: the file system of ${file.path} is full`,
        { cause: error },
      );
    }
    if (size >= MAPPED_BYTES_MIN) file.noteWritten(offset, size);
  }
}
