/**
 * Bulk transfer of one object over one HTTP/2 stream, on a session of its own kind (design: bulk never delays a heartbeat).
 *
 *   GET /object/<id>   authorization: Bearer <token>, x-mobula-cluster, x-mobula-offset, x-mobula-length (all the rest)
 *   200, x-mobula-size: the object's whole size; the body is chunks of up to 1 MiB, in order:
 *       u64 offset | u32 length | u32 crc32 | bytes                                             (little endian)
 *   401 wrong token or cluster   404 no such object here   416 offset beyond the end   500 the holder could not read
 *
 * The asker says who it is (x-mobula-node), and whether it may be referred (x-mobula-refer: 1) to nodes that the holder sends
 * the object to already:
 *   503, x-mobula-holders: node,node    ask one of these, which have some of it; the best first
 *
 * This file is the vocabulary of both ends, and the receiver's parser. Server: object_server.ts, client: object_client.ts.
 * @module
 */
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import type { NodeId, ObjectId } from "../../common/ids.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";

/** Bytes of one chunk: what is lost at most when a stream breaks, and the unit of its checksum. */
export const OBJECT_CHUNK_BYTES: number = 1024 * 1024;
export const CHUNK_HEADER_BYTES: number = 16;

export const OFFSET_HEADER: string = "x-mobula-offset";
export const LENGTH_HEADER: string = "x-mobula-length";
export const SIZE_HEADER: string = "x-mobula-size";
export const CLUSTER_HEADER: string = "x-mobula-cluster";
export const NODE_HEADER: string = "x-mobula-node";
export const REFER_HEADER: string = "x-mobula-refer";
export const HOLDERS_HEADER: string = "x-mobula-holders";

/** One object, open for reading by one transfer. */
export interface ObjectReader {
  readonly size: number;
  /** The bytes at `offset`. They must stay as they are until close(). */
  read(offset: number, length: number): Uint8Array | Promise<Uint8Array>;
  /** Fills `target` with them, where that takes no waiting; false: `read` them. */
  readInto?(offset: number, target: Uint8Array): boolean;
  /** Called once, when the transfer has ended in any way. */
  close(): void;
}

/** What a peer asks for. */
export interface ObjectAsk {
  readonly id: ObjectId;
  readonly offset: number;
  /** The asking node; null when it does not say. */
  readonly from: NodeId | null;
  readonly mayRefer: boolean;
}

/** Who should be asked instead, the best first. */
export interface Referral {
  readonly holders: readonly NodeId[];
}

/** Opens an object for a transfer, or null when it is not here (any more). */
export type ObjectSource = (
  ask: ObjectAsk,
) => ObjectReader | Referral | null | Promise<ObjectReader | Referral | null>;

/**
 * Takes pieces of the object, in order and without gaps. A promise holds the stream back until it resolves. Pieces come
 * before their chunk's checksum could be checked: only when the transfer resolves are all bytes known to be good.
 */
export type ObjectSink = (offset: number, bytes: Uint8Array) => void | Promise<void>;

/** A chunk's header for `bytes` at `offset`; in `header`, if there is memory for it. */
export function encodeChunkHeader(
  offset: number,
  bytes: Uint8Array,
  header: Buffer = Buffer.alloc(CHUNK_HEADER_BYTES),
): Buffer {
  header.writeUInt32LE(offset % 2 ** 32, 0);
  header.writeUInt32LE(Math.floor(offset / 2 ** 32), 4);
  header.writeUInt32LE(bytes.length, 8);
  header.writeUInt32LE(crc32(bytes), 12);
  return header;
}

/** Parses a body: hands pieces out as they come, and checks each chunk's place, length and checksum. */
export class ChunkParser {
  /** Everything below is checked and good. */
  goodOffset: number;
  readonly #end: number;
  readonly #sink: ObjectSink;
  readonly #onChecked: ((offset: number) => void) | undefined;
  readonly #header: Buffer = Buffer.alloc(CHUNK_HEADER_BYTES);
  #headerBytes = 0;
  /** The next byte's offset in the object. */
  #at: number;
  /** Where the chunk in hand ends; equal to #at between chunks. */
  #chunkEnd: number;
  #crc = 0;
  #crcExpected = 0;

  /** Expects [offset, end) of the object. `onChecked` hears of each new goodOffset. */
  constructor(offset: number, end: number, sink: ObjectSink, onChecked?: (offset: number) => void) {
    this.#onChecked = onChecked;
    this.goodOffset = offset;
    this.#at = offset;
    this.#chunkEnd = offset;
    this.#end = end;
    this.#sink = sink;
  }

  get isComplete(): boolean {
    return this.goodOffset === this.#end;
  }

  /** Take bytes of the body. A promise: wait for it before the next. Throws ProtocolError on damage. */
  push(bytes: Uint8Array): void | Promise<void> {
    let at = 0;
    let waiting: Promise<void> | undefined;
    while (at < bytes.length) {
      if (this.#at === this.#chunkEnd) {
        at = this.#takeHeader(bytes, at);
        continue;
      }
      const taken = Math.min(bytes.length - at, this.#chunkEnd - this.#at);
      const piece = taken === bytes.length ? bytes : bytes.subarray(at, at + taken);
      this.#crc = crc32(piece, this.#crc);
      const outcome = this.#takePiece(piece);
      if (outcome !== undefined) waiting = waiting === undefined ? outcome : waiting.then(() => outcome);
      at += taken;
    }
    return waiting;
  }

  #takePiece(piece: Uint8Array): void | Promise<void> {
    const outcome = this.#sink(this.#at, piece);
    this.#at += piece.length;
    if (this.#at < this.#chunkEnd) return outcome;
    if (this.#crc >>> 0 !== this.#crcExpected) {
      throw new ProtocolError(`checksum of the chunk at offset ${this.goodOffset} is wrong`);
    }
    this.goodOffset = this.#at;
    this.#onChecked?.(this.#at);
    return outcome;
  }

  #takeHeader(bytes: Uint8Array, at: number): number {
    const taken = Math.min(CHUNK_HEADER_BYTES - this.#headerBytes, bytes.length - at);
    this.#header.set(bytes.subarray(at, at + taken), this.#headerBytes);
    this.#headerBytes += taken;
    if (this.#headerBytes < CHUNK_HEADER_BYTES) return at + taken;
    this.#headerBytes = 0;
    const offset = this.#header.readUInt32LE(0) + this.#header.readUInt32LE(4) * 2 ** 32;
    const length = this.#header.readUInt32LE(8);
    if (offset !== this.#at || length === 0 || length > OBJECT_CHUNK_BYTES || offset + length > this.#end) {
      throw new ProtocolError(`chunk of ${length} bytes at offset ${offset}, expected one at ${this.#at}`);
    }
    this.#chunkEnd = offset + length;
    this.#crc = 0;
    this.#crcExpected = this.#header.readUInt32LE(12);
    return at + taken;
  }
}
