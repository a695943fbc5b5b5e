/**
 * Frames: what travels over every byte pipe. A frame is a small header plus raw byte sections, which never pass through
 * the header's encoding. Little endian:
 *
 *   u32 length | u8 type | u8 flags | u16 sectionCount | u32 headerLength | u32[sectionCount] | header | sections
 *
 * `length` counts what follows it. This file is pure: bytes in, frames out, and the other way round. It does not know
 * what a header means (messages.ts, push.ts), nor where bytes come from (io/transport/).
 * @module
 */
import { FRAME_BYTES_MAX } from "../common/config.ts";
import { ProtocolError } from "./protocol_error.ts";

/** Types below 32 belong to the transport; 32 and above to whoever uses the connection (push.ts). */
export const FrameType = {
  hello: 1,
  welcome: 2,
  refused: 3,
  request: 4,
  response: 5,
  notification: 6,
} as const;
/** First type that the transport hands through untouched. */
export const FRAME_TYPE_RAW_MIN: number = 32;

/** Bytes before the section lengths. */
export const FRAME_PREFIX_BYTES: number = 12;
/** Sections of one frame. */
export const FRAME_SECTIONS_MAX: number = 4096;
/** Bytes of one frame's header. Values travel in sections, so an honest header is far below. */
export const FRAME_HEADER_BYTES_MAX: number = 16 * 1024 * 1024;
/** Sections from this size on are passed to the pipe by reference instead of being copied into the batch. */
export const SECTION_BY_REFERENCE_BYTES: number = 32 * 1024;

const NO_SECTIONS: readonly Uint8Array[] = Object.freeze([]);
const encoder = new TextEncoder();

/** What a receiver accepts. Before a handshake the limits are much smaller. */
export interface FrameLimits {
  readonly frameBytesMax: number;
  readonly headerBytesMax: number;
  readonly sectionsMax: number;
}

export const FRAME_LIMITS: FrameLimits = {
  frameBytesMax: FRAME_BYTES_MAX,
  headerBytesMax: FRAME_HEADER_BYTES_MAX,
  sectionsMax: FRAME_SECTIONS_MAX,
};

/** Write `value` as u32 little endian; a DataView per batch would be one object more, and is not faster. */
function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** Copy a string as UTF-8 to `at`; answers its length in bytes. The caller has reserved 3 bytes per UTF-16 unit. */
function writeText(bytes: Uint8Array, at: number, text: string): number {
  if (text.length <= 48) {
    let index = 0;
    for (; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      if (unit > 127) break;
      bytes[at + index] = unit;
    }
    if (index === text.length) return index;
  }
  return encoder.encodeInto(text, bytes.subarray(at)).written;
}

const SLAB_BYTES_MIN = 16 * 1024;
const SLAB_BYTES_MAX = 1024 * 1024;

/**
 * Appends frames to one batch. Small frames are laid one after the other into a slab; what was taken is never written
 * again, because the pipe may still hold it, so a slab is used up front to back and then dropped.
 */
export class FrameWriter {
  #slab: Uint8Array = new Uint8Array(0);
  /** The part of the slab that the batch uses: [start, end). */
  #start = 0;
  #end = 0;
  #slabBytes = SLAB_BYTES_MIN;
  #chunks: Uint8Array[] = [];
  #pendingBytes = 0;

  /** Bytes appended and not taken yet. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /**
   * Append one frame. Throws RangeError (ours, not the peer's) for a frame that no receiver would accept. Sections of
   * 32 KB and more are kept by reference: the caller must not change them until the pipe has them.
   */
  append(
    type: number,
    flags: number,
    header: Uint8Array | string,
    sections: readonly Uint8Array[] = NO_SECTIONS,
  ): void {
    const count = sections.length;
    if (count > FRAME_SECTIONS_MAX) {
      throw new RangeError(`frame has ${count} sections, limit ${FRAME_SECTIONS_MAX}`);
    }
    let sectionBytes = 0;
    let copiedBytes = 0;
    for (let index = 0; index < count; index++) {
      const length = sections[index]!.length;
      sectionBytes += length;
      if (length < SECTION_BY_REFERENCE_BYTES) copiedBytes += length;
    }
    const isText = typeof header === "string";
    const headerBytesMax = isText ? header.length * 3 : header.length;
    const prefixBytes = FRAME_PREFIX_BYTES + 4 * count;
    if (
      prefixBytes + headerBytesMax + sectionBytes > FRAME_BYTES_MAX || headerBytesMax > FRAME_HEADER_BYTES_MAX
    ) {
      this.#refuseTooLong(header, prefixBytes, sectionBytes);
    }
    this.#reserve(prefixBytes + headerBytesMax + copiedBytes);
    const slab = this.#slab;
    const at = this.#end;
    const headerAt = at + prefixBytes;
    let headerBytes: number;
    if (isText) {
      headerBytes = writeText(slab, headerAt, header);
    } else {
      headerBytes = header.length;
      slab.set(header, headerAt);
    }
    const total = prefixBytes + headerBytes + sectionBytes;
    writeU32(slab, at, total - 4);
    slab[at + 4] = type;
    slab[at + 5] = flags;
    slab[at + 6] = count;
    slab[at + 7] = count >>> 8;
    writeU32(slab, at + 8, headerBytes);
    this.#end = headerAt + headerBytes;
    this.#pendingBytes += total;
    if (count > 0) this.#appendSections(sections, at + FRAME_PREFIX_BYTES);
  }

  /** Append a whole frame that was received or made elsewhere (a relay), as it is. */
  appendEncoded(frame: Uint8Array): void {
    this.#pendingBytes += frame.length;
    if (frame.length >= SECTION_BY_REFERENCE_BYTES) return this.#appendReference(frame);
    this.#reserve(frame.length);
    this.#slab.set(frame, this.#end);
    this.#end += frame.length;
  }

  /** The batch so far, in order; the writer is empty afterwards. */
  take(): Uint8Array[] {
    this.#closeChunk();
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#pendingBytes = 0;
    return chunks;
  }

  #appendSections(sections: readonly Uint8Array[], lengthsAt: number): void {
    // The lengths lie in the slab that holds the prefix; a section by reference may start a new chunk of the same slab.
    const prefixSlab = this.#slab;
    for (let index = 0; index < sections.length; index++) {
      const section = sections[index]!;
      writeU32(prefixSlab, lengthsAt + 4 * index, section.length);
      if (section.length >= SECTION_BY_REFERENCE_BYTES) {
        this.#appendReference(section);
      } else {
        this.#slab.set(section, this.#end);
        this.#end += section.length;
      }
    }
  }

  #appendReference(bytes: Uint8Array): void {
    this.#closeChunk();
    this.#chunks.push(bytes);
  }

  #closeChunk(): void {
    if (this.#end > this.#start) this.#chunks.push(this.#slab.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#slab.length) return;
    // A slab that is filled within one batch doubles the next one: a busy connection makes fewer, larger chunks.
    if (this.#start === 0 && this.#end > 0 && this.#slabBytes < SLAB_BYTES_MAX) this.#slabBytes *= 2;
    this.#closeChunk();
    this.#slab = new Uint8Array(Math.max(this.#slabBytes, bytes));
    this.#start = 0;
    this.#end = 0;
  }

  /** The cheap bound counted 3 bytes per character; count exactly before refusing. */
  #refuseTooLong(header: Uint8Array | string, prefixBytes: number, sectionBytes: number): void {
    const headerBytes = typeof header === "string" ? encoder.encode(header).length : header.length;
    const total = prefixBytes + headerBytes + sectionBytes;
    if (headerBytes > FRAME_HEADER_BYTES_MAX) {
      throw new RangeError(`frame header has ${headerBytes} bytes, limit ${FRAME_HEADER_BYTES_MAX}`);
    }
    if (total > FRAME_BYTES_MAX) throw new RangeError(`frame has ${total} bytes, limit ${FRAME_BYTES_MAX}`);
  }
}

/** One frame's bytes, for a relay or a test. */
export function encodeFrame(
  type: number,
  flags: number,
  header: Uint8Array | string,
  sections: readonly Uint8Array[] = NO_SECTIONS,
): Uint8Array {
  const writer = new FrameWriter();
  writer.append(type, flags, header, sections);
  const bytes = new Uint8Array(writer.pendingBytes);
  let at = 0;
  for (const chunk of writer.take()) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/**
 * Takes one frame. `header` and `sections` are views of the received chunk: valid for as long as they are held, but a
 * small view that is kept keeps its whole chunk (tens of KB) alive; copy what stays.
 */
export type FrameHandler = (
  type: number,
  flags: number,
  header: Uint8Array,
  sections: readonly Uint8Array[],
) => void;

/**
 * Incremental parser over chunks. Frames inside one chunk are handed out as views, without a copy; a frame that spans
 * chunks is assembled once. A breach of the limits throws ProtocolError and the parser takes nothing more.
 *
 *   between frames --(a part of a prefix)--> in prefix --(12 bytes, valid)--> in frame --(all bytes)--> between frames
 */
export class FrameParser {
  limits: FrameLimits;
  readonly #handler: FrameHandler;
  readonly #prefix: Uint8Array = new Uint8Array(FRAME_PREFIX_BYTES);
  /** The frame in assembly, or the prefix while its length is unknown, or null between frames. */
  #partial: Uint8Array | null = null;
  #partialBytes = 0;
  #stopped = false;
  #frameIn: Uint8Array = new Uint8Array(0);
  #frameAt = 0;
  #frameEnd = 0;

  constructor(handler: FrameHandler, limits: FrameLimits = FRAME_LIMITS) {
    this.#handler = handler;
    this.limits = limits;
  }

  /** True between frames: an end of the pipe now loses nothing. */
  get isIdle(): boolean {
    return this.#partial === null;
  }

  /** The bytes of the frame that is being handed out, as they arrived: for relays, called in the handler. */
  frameBytes(): Uint8Array {
    return this.#frameIn.subarray(this.#frameAt, this.#frameEnd);
  }

  /** No more frames are handed out, not even those of the chunk in hand. */
  stop(): void {
    this.#stopped = true;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    if (this.#partial !== null) at = this.#continue(chunk);
    const end = chunk.length;
    while (at < end && !this.#stopped) {
      const rest = end - at;
      if (rest < FRAME_PREFIX_BYTES) {
        this.#prefix.set(chunk.subarray(at), 0);
        this.#partial = this.#prefix;
        this.#partialBytes = rest;
        return;
      }
      const total = this.#checkPrefix(chunk, at);
      if (rest < total) {
        this.#partial = new Uint8Array(total);
        this.#partial.set(chunk.subarray(at), 0);
        this.#partialBytes = rest;
        return;
      }
      this.#emit(chunk, at, total);
      at += total;
    }
  }

  /** Go on with the partial frame; answers how much of the chunk it took. */
  #continue(chunk: Uint8Array): number {
    let at = 0;
    if (this.#partial === this.#prefix) {
      at = Math.min(FRAME_PREFIX_BYTES - this.#partialBytes, chunk.length);
      this.#prefix.set(chunk.subarray(0, at), this.#partialBytes);
      this.#partialBytes += at;
      if (this.#partialBytes < FRAME_PREFIX_BYTES) return at;
      const total = this.#checkPrefix(this.#prefix, 0);
      this.#partial = new Uint8Array(total);
      this.#partial.set(this.#prefix, 0);
    }
    const partial = this.#partial!;
    const taken = Math.min(partial.length - this.#partialBytes, chunk.length - at);
    partial.set(chunk.subarray(at, at + taken), this.#partialBytes);
    this.#partialBytes += taken;
    if (this.#partialBytes === partial.length) {
      this.#partial = null;
      this.#partialBytes = 0;
      this.#emit(partial, 0, partial.length);
    }
    return at + taken;
  }

  /** The frame's whole length, length field included. */
  #checkPrefix(bytes: Uint8Array, at: number): number {
    const total = readU32(bytes, at) + 4;
    const sections = bytes[at + 6]! | (bytes[at + 7]! << 8);
    const headerBytes = readU32(bytes, at + 8);
    const limits = this.limits;
    if (total > limits.frameBytesMax) this.#fail(`frame of ${total} bytes, limit ${limits.frameBytesMax}`);
    if (sections > limits.sectionsMax) {
      this.#fail(`frame with ${sections} sections, limit ${limits.sectionsMax}`);
    }
    if (headerBytes > limits.headerBytesMax) {
      this.#fail(`frame header of ${headerBytes} bytes, limit ${limits.headerBytesMax}`);
    }
    if (bytes[at + 4] === 0) this.#fail("frame of type 0");
    const least = FRAME_PREFIX_BYTES + 4 * sections + headerBytes;
    if (total < least) this.#fail(`frame of ${total} bytes whose parts need at least ${least}`);
    return total;
  }

  #emit(bytes: Uint8Array, at: number, total: number): void {
    const count = bytes[at + 6]! | (bytes[at + 7]! << 8);
    const headerAt = at + FRAME_PREFIX_BYTES + 4 * count;
    const headerEnd = headerAt + readU32(bytes, at + 8);
    let sections = NO_SECTIONS;
    let sectionAt = headerEnd;
    if (count > 0) {
      const list: Uint8Array[] = new Array(count);
      for (let index = 0; index < count; index++) {
        const sectionEnd = sectionAt + readU32(bytes, at + FRAME_PREFIX_BYTES + 4 * index);
        if (sectionEnd > at + total) this.#fail(`section ${index} ends after its frame`);
        list[index] = bytes.subarray(sectionAt, sectionEnd);
        sectionAt = sectionEnd;
      }
      sections = list;
    }
    if (sectionAt !== at + total) this.#fail(`frame of ${total} bytes whose parts have ${sectionAt - at}`);
    this.#frameIn = bytes;
    this.#frameAt = at;
    this.#frameEnd = at + total;
    this.#handler(bytes[at + 4]!, bytes[at + 5]!, bytes.subarray(headerAt, headerEnd), sections);
  }

  #fail(message: string): never {
    this.#stopped = true;
    this.#partial = null;
    throw new ProtocolError(message);
  }
}
