/**
 * Reads what ByteWriter wrote. The bytes may come from anyone: each read is checked against the end, and whatever does
 * not fit is a ProtocolError.
 * @module
 */
import { ProtocolError } from "../protocol_error.ts";
import { LATIN1, UTF16, UTF8 } from "./byte_writer.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** Three times faster than TextDecoder on every runtime, where it exists (all but browsers). */
const latin1Slice: ((this: Uint8Array, start: number, end: number) => string) | undefined = (globalThis as {
  Buffer?: { prototype: { latin1Slice?(this: Uint8Array, start: number, end: number): string } };
})
  .Buffer?.prototype.latin1Slice;

/** Property names repeat, and a string that is already interned saves building and hashing a new one. */
const KEY_CHARS_MAX = 24;
const KEY_CACHE_SLOTS = 1024;
const keyCache: (string | undefined)[] = new Array(KEY_CACHE_SLOTS).fill(undefined);

/** Up to so many bytes a loop beats a view and a call; and a message so short has few numbers to read. */
const SMALL_BYTES = 64;
/** To read a number without a view: making one over bytes that have no ArrayBuffer object yet costs more than a short message. */
const number = new Float64Array(1);
const numberBytes = new Uint8Array(number.buffer);
const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export class ByteReader {
  readonly buffer: Uint8Array;
  position: number;
  /** One past the last byte that may be read. */
  readonly end: number;
  /** Made when it is needed. */
  #lazyView: DataView | null = null;

  constructor(bytes: Uint8Array, start: number = 0, end: number = bytes.length) {
    this.buffer = bytes;
    this.position = start;
    this.end = end;
  }

  get #view(): DataView {
    return this.#lazyView ??= new DataView(
      this.buffer.buffer,
      this.buffer.byteOffset,
      this.buffer.byteLength,
    );
  }

  get remaining(): number {
    return this.end - this.position;
  }

  u8(): number {
    if (this.position >= this.end) this.#truncated(1);
    return this.buffer[this.position++]!;
  }

  u32(): number {
    if (this.position + 4 > this.end) this.#truncated(4);
    const value = this.#view.getUint32(this.position, true);
    this.position += 4;
    return value;
  }

  f64(): number {
    if (this.position + 8 > this.end) this.#truncated(8);
    const { position } = this;
    this.position = position + 8;
    if (this.end > SMALL_BYTES || !isLittleEndian) return this.#view.getFloat64(position, true);
    for (let index = 0; index < 8; index++) numberBytes[index] = this.buffer[position + index]!;
    return number[0]!;
  }

  i64(): bigint {
    if (this.position + 8 > this.end) this.#truncated(8);
    const value = this.#view.getBigInt64(this.position, true);
    this.position += 8;
    return value;
  }

  varint(): number {
    let value = this.u8();
    if (value < 0x80) return value;
    value &= 0x7f;
    let scale = 128;
    for (let i = 0; i < 7; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value <= Number.MAX_SAFE_INTEGER) return value;
        break;
      }
      scale *= 128;
    }
    throw new ProtocolError(`a number before byte ${this.position} is larger than 2^53 - 1`);
  }

  /** A count of things that take at least `bytesEach` bytes: one that cannot fit is refused before anything is allocated. */
  count(bytesEach: number): number {
    const count = this.varint();
    if (count * bytesEach > this.end - this.position) this.#truncated(count * bytesEach);
    return count;
  }

  /** A view of the next `count` bytes. */
  raw(count: number): Uint8Array {
    if (this.position + count > this.end) this.#truncated(count);
    const start = this.position;
    this.position += count;
    return this.buffer.subarray(start, this.position);
  }

  /** The next `count` bytes, in an array of their own. */
  copy(count: number): Uint8Array<ArrayBuffer> {
    if (count > SMALL_BYTES) {
      const bytes = this.raw(count);
      // Not slice(): that of a Buffer is a view.
      const copy = new Uint8Array(count);
      copy.set(bytes);
      return copy;
    }
    if (this.position + count > this.end) this.#truncated(count);
    const copy = new Uint8Array(count);
    for (let index = 0; index < count; index++) copy[index] = this.buffer[this.position + index]!;
    this.position += count;
    return copy;
  }

  /** `length` characters of one byte each. */
  text(length: number): string {
    const start = this.position;
    if (start + length > this.end) this.#truncated(length);
    this.position = start + length;
    if (length === 0) return "";
    if (latin1Slice !== undefined) return latin1Slice.call(this.buffer, start, this.position);
    let text = "";
    for (let i = start; i < this.position; i++) text += String.fromCharCode(this.buffer[i]!);
    return text;
  }

  string(): string {
    const header = this.varint();
    const encoding = header % 4;
    const bytes = (header - encoding) / 4;
    if (encoding === LATIN1) return this.text(bytes);
    if (encoding === UTF8) {
      const raw = this.raw(bytes);
      try {
        return decoder.decode(raw);
      } catch (cause) {
        throw new ProtocolError("text is not valid UTF-8", { cause });
      }
    }
    if (encoding === UTF16 && bytes % 2 === 0) {
      const raw = this.raw(bytes);
      let text = "";
      for (let i = 0; i < bytes; i += 2) text += String.fromCharCode(raw[i]! | (raw[i + 1]! << 8));
      return text;
    }
    throw new ProtocolError(`text before byte ${this.position} has an unknown encoding`);
  }

  /** A string() that is a property name. */
  key(): string {
    const length = this.buffer[this.position]! >> 2;
    // One header byte (so below 32 characters) and one byte a character.
    if (
      (this.buffer[this.position]! & 0x83) !== LATIN1 || length > KEY_CHARS_MAX || length === 0 ||
      this.position + 1 + length > this.end
    ) return this.string();
    const start = this.position + 1;
    const buffer = this.buffer;
    let hash = length;
    for (let i = 0; i < length; i++) hash = (Math.imul(hash, 31) + buffer[start + i]!) | 0;
    const slot = hash & (KEY_CACHE_SLOTS - 1);
    const cached = keyCache[slot];
    if (cached !== undefined && cached.length === length) {
      let i = 0;
      while (i < length && cached.charCodeAt(i) === buffer[start + i]) i++;
      if (i === length) {
        this.position = start + length;
        return cached;
      }
    }
    const key = this.string();
    keyCache[slot] = key;
    return key;
  }

  #truncated(needed: number): never {
    throw new ProtocolError(
      `truncated: ${needed} bytes announced at byte ${this.position}, ${this.end - this.position} are left`,
    );
  }
}
