/**
 * A growable buffer that binary messages are written into, meant to be kept and reused: after a message, `bytes()` is
 * copied or sent, then `reset()`. Numbers are little-endian. Text is one byte a code unit where it can be (most text
 * between programs is ASCII), else UTF-8, else UTF-16, so that unpaired surrogates survive as in structured clone.
 * @module
 */

/** A buffer that a huge value made grow is given back at the next reset. */
const KEPT_BYTES_MAX = 1024 * 1024;
/** Up to this length a loop over the characters beats a call into the encoder. */
const LOOP_CHARS_MAX = 96;

export const LATIN1 = 0;
export const UTF8 = 1;
export const UTF16 = 2;

const encoder = new TextEncoder();

export class ByteWriter {
  /** The storage; replaced when it grows. Only bytes before `position` mean anything. */
  buffer: Uint8Array<ArrayBuffer>;
  /** Where the next byte goes; may be set back to drop what was written after it. */
  position: number = 0;
  #view: DataView<ArrayBuffer>;
  readonly #initialBytes: number;

  constructor(initialBytes: number = 1024) {
    this.#initialBytes = initialBytes;
    this.buffer = new Uint8Array(initialBytes);
    this.#view = new DataView(this.buffer.buffer);
  }

  /** What has been written: a view that the next write may overwrite, so copy or send it first. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.buffer.subarray(0, this.position);
  }

  /** Start again, keeping the storage unless it grew large. */
  reset(): void {
    this.position = 0;
    if (this.buffer.length > KEPT_BYTES_MAX && this.buffer.length > this.#initialBytes) {
      this.#allocate(this.#initialBytes);
    }
  }

  /** Make room for `count` more bytes. */
  reserve(count: number): void {
    if (this.position + count > this.buffer.length) this.#grow(this.position + count);
  }

  u8(value: number): void {
    if (this.position === this.buffer.length) this.#grow(this.position + 1);
    this.buffer[this.position++] = value;
  }

  u32(value: number): void {
    this.reserve(4);
    this.#view.setUint32(this.position, value, true);
    this.position += 4;
  }

  f64(value: number): void {
    this.reserve(8);
    this.#view.setFloat64(this.position, value, true);
    this.position += 8;
  }

  i64(value: bigint): void {
    this.reserve(8);
    this.#view.setBigInt64(this.position, value, true);
    this.position += 8;
  }

  /** A whole number from 0 to 2^53 - 1 in 1 to 8 bytes. */
  varint(value: number): void {
    this.reserve(8);
    let rest = value;
    while (rest > 0x7fff_ffff) {
      this.buffer[this.position++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest > 0x7f) {
      this.buffer[this.position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buffer[this.position++] = rest;
  }

  /** Bytes as they are, without a length. */
  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.position);
    this.position += bytes.length;
  }

  /** What another writer holds, without its length. */
  written(other: ByteWriter): void {
    const length = other.position;
    if (length > LOOP_CHARS_MAX) return this.raw(other.bytes());
    this.part(other.buffer, 0, length);
  }

  /** A few of the bytes, from an index on. */
  part(bytes: Uint8Array, from: number, length: number): void {
    this.reserve(length);
    for (let index = from; index < from + length; index++) this.buffer[this.position++] = bytes[index]!;
  }

  /**
   * Text of fewer than 64 characters of one byte each, as `base + length` and then the characters; false (and nothing
   * written) where a character does not fit in a byte. The caller has checked the length.
   */
  shortText(base: number, text: string): boolean {
    const length = text.length;
    if (this.position + 1 + length > this.buffer.length) this.#grow(this.position + 1 + length);
    const buffer = this.buffer;
    let at = this.position;
    buffer[at++] = base + length;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0xff) return false;
      buffer[at++] = unit;
    }
    this.position = at;
    return true;
  }

  /** Any text: a varint of (bytes * 4 + encoding), then the bytes. */
  string(text: string): void {
    const length = text.length;
    if (length <= LOOP_CHARS_MAX) {
      const start = this.position;
      this.varint(length * 4 + LATIN1);
      this.reserve(length);
      const buffer = this.buffer;
      let at = this.position;
      let units = 0;
      for (let i = 0; i < length; i++) {
        const unit = text.charCodeAt(i);
        units |= unit;
        buffer[at++] = unit;
      }
      if (units <= 0xff) {
        this.position = at;
        return;
      }
      this.position = start;
    }
    if (text.isWellFormed()) this.#utf8(text);
    else this.#utf16(text);
  }

  /** The length is known only afterwards, so its varint is padded to 5 bytes (35 bits: 8 GiB). */
  #utf8(text: string): void {
    const header = this.position;
    this.reserve(5 + text.length);
    this.position += 5;
    let read = 0;
    while (read < text.length) {
      // The first round has room for ASCII; what is left after it gets room for the worst case.
      if (read > 0) this.reserve((text.length - read) * 3);
      const part = read === 0 ? text : text.slice(read);
      const done = encoder.encodeInto(part, this.buffer.subarray(this.position));
      read += done.read;
      this.position += done.written;
    }
    const bytes = this.position - header - 5;
    const encoding = bytes === text.length ? LATIN1 : UTF8;
    let rest = bytes * 4 + encoding;
    for (let i = 0; i < 4; i++) {
      this.buffer[header + i] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.buffer[header + 4] = rest;
  }

  #utf16(text: string): void {
    this.varint(text.length * 2 * 4 + UTF16);
    this.reserve(text.length * 2);
    for (let i = 0; i < text.length; i++) {
      this.#view.setUint16(this.position, text.charCodeAt(i), true);
      this.position += 2;
    }
  }

  #grow(needed: number): void {
    const old = this.buffer;
    this.#allocate(Math.max(needed, old.length * 2));
    this.buffer.set(old.subarray(0, this.position));
  }

  #allocate(bytes: number): void {
    this.buffer = new Uint8Array(bytes);
    this.#view = new DataView(this.buffer.buffer);
  }
}
