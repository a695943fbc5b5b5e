/**
 * Values to bytes and back for one process: the serializer with refs, actor handles and remote functions known to it.
 * Bytes are inline (one block) or, when large, a body with out-of-band buffers for the object store.
 * @module
 */
import { INLINE_BYTES_MAX } from "../../common/config.ts";
import type { RefTarget } from "../../protocol/messages.ts";
import {
  ByteReader,
  ByteWriter,
  type DecodeOptions,
  decodeValue,
  type EncodeOptions,
  encodeThrown,
  encodeValue,
  MissingCodecError,
  type ValueExtension,
} from "../../protocol/serialization/mod.ts";
import { abandon, type Held } from "./actor_uses.ts";

/** A value as bytes. `held`: what stands behind the refs and handles inside, alive as long as the caller keeps them. */
export interface Encoded {
  readonly body: Uint8Array;
  readonly buffers: readonly Uint8Array[];
  readonly refs: readonly RefTarget[];
  readonly held: Held[];
  /** Of body and buffers together. */
  readonly bytes: number;
}

/** Whether it travels inside messages. */
export function isInline(encoded: Encoded): boolean {
  return encoded.buffers.length === 0 && encoded.bytes <= INLINE_BYTES_MAX;
}

/** Refs that an encoding met; the extension fills it. */
export interface RefSink {
  refs: RefTarget[];
  held: Held[];
}

const NO_REFS: readonly RefTarget[] = Object.freeze([]);

/** See the module's header. */
export class ValueCodec {
  readonly #readStack: ((error: unknown) => void) | null;
  readonly #writer = new ByteWriter();
  #extension: ValueExtension | null = null;
  #sink: RefSink | null = null;
  #loadCodec: ((hash: string) => Promise<void>) | null = null;
  readonly #buffers: Uint8Array[] = [];
  #outOfBand: EncodeOptions = {};
  #decode: DecodeOptions = {};

  /** `readStack`: puts the user's lines into an arrived error's stack, where sources can be read. */
  constructor(readStack: ((error: unknown) => void) | null = null) {
    this.#readStack = readStack;
  }

  /** Once, when the parts that refs and handles belong to exist. */
  connect(extension: ValueExtension, loadCodec: (hash: string) => Promise<void>): void {
    this.#extension = extension;
    this.#loadCodec = loadCodec;
    this.#decode = { extension };
  }

  /** For the extension: a ref went into the value that is being encoded. */
  met(target: RefTarget, held: () => Held): void {
    const sink = this.#sink;
    if (sink === null) return;
    sink.refs.push(target);
    sink.held.push(held());
  }

  /** Append a value to `writer` and its refs to `sink`. Null when it is there, inline; else, when it is too large for that,
   *  its own bytes and refs (writer and sink are then as before). `path` names the value in errors. */
  append(writer: ByteWriter, value: unknown, path: string, sink: RefSink): Encoded | null {
    const start = writer.position;
    const refsStart = sink.refs.length;
    const heldStart = sink.held.length;
    const buffers = this.#buffers;
    const outer = this.#sink;
    this.#sink = sink;
    try {
      encodeValue(writer, value, this.#options(path, buffers));
      const inline = writer.position - start;
      if (buffers.length === 0 && inline <= INLINE_BYTES_MAX) return null;
      let bytes = inline;
      for (const buffer of buffers) bytes += buffer.byteLength;
      if (bytes <= INLINE_BYTES_MAX) {
        writer.position = start;
        this.#sink = null; // Met already.
        encodeValue(writer, value, this.#options(path, null));
        return null;
      }
      const body = writer.buffer.slice(start, writer.position);
      writer.position = start;
      const refs = sink.refs.splice(refsStart);
      return { body, buffers: buffers.slice(), refs, held: sink.held.splice(heldStart), bytes };
    } catch (error) {
      writer.position = start;
      sink.refs.length = refsStart;
      abandon(sink.held.splice(heldStart));
      throw error;
    } finally {
      buffers.length = 0;
      this.#sink = outer;
    }
  }

  encode(value: unknown, path: string): Encoded {
    const writer = this.#writer;
    const sink: RefSink = { refs: [], held: [] };
    const start = writer.position;
    const large = this.append(writer, value, path, sink);
    if (large !== null) return large;
    const body = writer.buffer.slice(start, writer.position);
    writer.position = start;
    if (start === 0) writer.reset();
    return {
      body,
      buffers: [],
      refs: sink.refs.length === 0 ? NO_REFS : sink.refs,
      held: sink.held,
      bytes: body.length,
    };
  }

  /** In one piece, however large. TypeError where it holds a ref, or a handle that is counted: nobody would hold what it
   *  stands for. */
  encodeAlone(value: unknown, path: string): Uint8Array {
    const writer = new ByteWriter();
    const sink: RefSink = { refs: [], held: [] };
    const outer = this.#sink;
    this.#sink = sink;
    try {
      encodeValue(writer, value, this.#options(path, null));
    } finally {
      this.#sink = outer;
      abandon(sink.held);
    }
    if (sink.refs.length > 0) {
      const [{ id } = { id: "" }] = sink.refs;
      throw new TypeError(`${path} holds ${id}: it must be plain data, because nobody would keep that alive`);
    }
    return writer.buffer.slice(0, writer.position);
  }

  /** The value, when it is a primitive: those are kept decoded. One that is broken stays as it is: its get() says so. */
  primitive(bytes: Uint8Array): { value: unknown } | undefined {
    const tag = bytes[0]!;
    // Tags below 9 and above 127 are numbers, text and the like (serialization/tags.ts).
    if (tag >= 0x09 && tag < 0x80) return undefined;
    try {
      return { value: this.decode(bytes, null) };
    } catch {
      return undefined;
    }
  }

  decode(body: Uint8Array, buffers: readonly ArrayBuffer[] | null): unknown {
    return this.read(new ByteReader(body), buffers);
  }

  /** One value from a reader that may hold more. */
  read(reader: ByteReader, buffers: readonly ArrayBuffer[] | null): unknown {
    if (buffers === null || buffers.length === 0) return decodeValue(reader, this.#decode);
    return decodeValue(reader, { ...this.#decode, buffers });
  }

  /** An error as bytes; what cannot travel in it becomes text, so that a failure never hides behind its own encoding.
   *  `sink`: for refs inside it. */
  encodeError(error: unknown, sink: RefSink | null = null): Uint8Array {
    const writer = new ByteWriter();
    const outer = this.#sink;
    this.#sink = sink;
    encodeThrown(writer, error, { extension: this.#extension ?? undefined });
    this.#sink = outer;
    return writer.buffer.slice(0, writer.position);
  }

  /** The error that the bytes stand for, a new one each time. */
  decodeError(bytes: Uint8Array): unknown {
    const error = this.decode(bytes, null);
    this.#readStack?.(error);
    return error;
  }

  /** Whether decoding can be tried again: the codec that was missing is loaded now. */
  async recover(error: unknown): Promise<boolean> {
    if (!(error instanceof MissingCodecError) || this.#loadCodec === null) return false;
    await this.#loadCodec(error.hash);
    return true;
  }

  #options(path: string, buffers: Uint8Array[] | null): EncodeOptions {
    const extension = this.#extension;
    const base = extension === null ? {} : { extension };
    if (buffers === null) return { ...base, path };
    // Reused: arguments are encoded by the million, and paths repeat.
    if (this.#outOfBand.path !== path) this.#outOfBand = { ...base, path, buffers };
    return this.#outOfBand;
  }
}
