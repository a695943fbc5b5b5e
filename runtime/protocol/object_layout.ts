/**
 * How a stored object looks in bytes, the same in shared memory, in messages and on the way between nodes:
 *
 *     header | body | padding, buffer | padding, buffer | ...
 *
 *     header (little endian): u32 magic | u8 version | 3 bytes zero | u32 buffer count | u32 zero | u64 body length |
 *                             u64 length of each buffer
 *
 * The body is the encoded value; the buffers are its binary parts, raw. Offsets follow from the lengths: a buffer of 64 KiB
 * or more begins at a multiple of 16 KiB, so that it can be mapped alone (pages are 4 KiB, or 16 KiB on Apple's chips), a
 * smaller one at a multiple of 64. Nothing here reads or writes memory outside of what it is given.
 * @module
 */
import { ProtocolError } from "./protocol_error.ts";

/** One value, encoded: the body, and binary parts beside it. */
export interface ObjectParts {
  readonly body: Uint8Array;
  readonly buffers: readonly Uint8Array[];
}

/** Where everything is within a stored object. */
export interface ObjectLayout {
  /** Bytes of the whole object. */
  readonly size: number;
  readonly bodyOffset: number;
  readonly bodyLength: number;
  readonly buffers: readonly { readonly offset: number; readonly length: number }[];
}

/** Buffers of at least this many bytes are aligned for mapping (measured: a mapping costs 5 us, a copy of 64 KiB 6 us). */
export const MAPPABLE_BYTES_MIN: number = 64 * 1024;
/** Alignment of mappable buffers, and of objects in a pool. */
export const MAPPABLE_ALIGNMENT: number = 16 * 1024;
/** Bytes of a header without buffers. */
export const HEADER_BYTES_MIN: number = 24;

const MAGIC = 0x4a424f4d; // "MOBJ"
const VERSION = 1;
const SMALL_ALIGNMENT = 64;

function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

/** The layout of an object with these lengths. */
export function layoutOf(bodyLength: number, bufferLengths: readonly number[]): ObjectLayout {
  const bodyOffset = HEADER_BYTES_MIN + 8 * bufferLengths.length;
  let end = bodyOffset + bodyLength;
  const buffers = bufferLengths.map((length) => {
    const offset = alignUp(end, length >= MAPPABLE_BYTES_MIN ? MAPPABLE_ALIGNMENT : SMALL_ALIGNMENT);
    end = offset + length;
    return { offset, length };
  });
  return { size: end, bodyOffset, bodyLength, buffers };
}

/** Bytes that the value takes when it is stored. */
export function layoutSize(parts: ObjectParts): number {
  return layoutOf(parts.body.byteLength, parts.buffers.map((buffer) => buffer.byteLength)).size;
}

/** Header and body in one piece: what precedes the first buffer. */
export function encodeHead(parts: ObjectParts): Uint8Array {
  const head = new Uint8Array(HEADER_BYTES_MIN + 8 * parts.buffers.length + parts.body.byteLength);
  const view = new DataView(head.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint8(4, VERSION);
  view.setUint32(8, parts.buffers.length, true);
  setLength(view, 16, parts.body.byteLength);
  parts.buffers.forEach((buffer, index) => setLength(view, HEADER_BYTES_MIN + 8 * index, buffer.byteLength));
  head.set(parts.body, HEADER_BYTES_MIN + 8 * parts.buffers.length);
  return head;
}

/** Writes the object to the start of `target`, padding included, and answers its size. */
export function writeLayout(target: Uint8Array, parts: ObjectParts): number {
  const layout = layoutOf(parts.body.byteLength, parts.buffers.map((buffer) => buffer.byteLength));
  if (layout.size > target.byteLength) {
    throw new RangeError(`Cannot write an object of ${layout.size} bytes into ${target.byteLength} bytes`);
  }
  const head = encodeHead(parts);
  target.set(head);
  let end = head.byteLength;
  layout.buffers.forEach(({ offset, length }, index) => {
    // Padding is written too: what was in the memory before is nobody's business.
    target.fill(0, end, offset);
    target.set(parts.buffers[index]!, offset);
    end = offset + length;
  });
  return layout.size;
}

/** The whole object as new bytes: for values that travel inside messages. */
export function encodeObject(parts: ObjectParts): Uint8Array {
  const bytes = new Uint8Array(layoutSize(parts));
  writeLayout(bytes, parts);
  return bytes;
}

/** How many bytes the header of an object takes, from its first HEADER_BYTES_MIN bytes. Throws ProtocolError. */
export function headerLength(start: Uint8Array): number {
  if (start.byteLength < HEADER_BYTES_MIN) {
    throw new ProtocolError(`A stored object of ${start.byteLength} bytes is too short for its header`);
  }
  const view = new DataView(start.buffer, start.byteOffset, HEADER_BYTES_MIN);
  if (view.getUint32(0, true) !== MAGIC) {
    throw new ProtocolError("These bytes are not a stored object (wrong magic number)");
  }
  const version = view.getUint8(4);
  if (version !== VERSION) {
    throw new ProtocolError(`Stored object of version ${version}; this mobula reads version ${VERSION}`);
  }
  return HEADER_BYTES_MIN + 8 * view.getUint32(8, true);
}

/** Parses a header; `size` is what the whole object takes, and lengths that do not fit it exactly throw ProtocolError. */
export function parseLayout(header: Uint8Array, size: number = header.byteLength): ObjectLayout {
  const bodyOffset = headerLength(header);
  if (bodyOffset > header.byteLength || bodyOffset > size) {
    throw new ProtocolError(`The header of a stored object (${bodyOffset} bytes) exceeds its ${size} bytes`);
  }
  const view = new DataView(header.buffer, header.byteOffset, bodyOffset);
  const lengths: number[] = [];
  for (let offset = HEADER_BYTES_MIN; offset < bodyOffset; offset += 8) lengths.push(getLength(view, offset));
  const layout = layoutOf(getLength(view, 16), lengths);
  if (layout.size !== size) {
    throw new ProtocolError(`The header of a stored object says ${layout.size} bytes, but it has ${size}`);
  }
  return layout;
}

/** Takes an object apart that lies in memory: the body is a view, each buffer a copy with a memory of its own. */
export function decodeObject(bytes: Uint8Array): { body: Uint8Array; buffers: ArrayBuffer[] } {
  const layout = parseLayout(bytes);
  return {
    body: bytes.subarray(layout.bodyOffset, layout.bodyOffset + layout.bodyLength),
    buffers: layout.buffers.map(({ offset, length }) => {
      const copy = new Uint8Array(length);
      copy.set(bytes.subarray(offset, offset + length));
      return copy.buffer;
    }),
  };
}

function setLength(view: DataView, offset: number, length: number): void {
  view.setUint32(offset, length % 2 ** 32, true);
  view.setUint32(offset + 4, Math.floor(length / 2 ** 32), true);
}

function getLength(view: DataView, offset: number): number {
  const length = view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32;
  if (length > Number.MAX_SAFE_INTEGER) {
    throw new ProtocolError("A length in a stored object is out of range");
  }
  return length;
}
