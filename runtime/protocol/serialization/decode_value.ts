/**
 * decodeValue: the way out of the codec (see decoder.ts).
 * @module
 */
import { ByteReader } from "./byte_reader.ts";
import { type ClassRegistry, classRegistry } from "./class_registry.ts";
import { Decoder } from "./decoder.ts";
import type { ValueExtension } from "./encoder.ts";
import { TAG_SMALL_INT, TAG_UNDEFINED } from "./tags.ts";

export interface DecodeOptions {
  readonly extension?: ValueExtension | undefined;
  /** The out-of-band buffers, in order. Each is handed to the value: the decoded view lies over it at offset 0. */
  readonly buffers?: readonly ArrayBuffer[] | undefined;
  /** Default: the process's registry. */
  readonly registry?: ClassRegistry | undefined;
}

let idle: Decoder | null = null;

/**
 * Read one value; the reader stands behind it afterwards. ProtocolError for bytes that no encoder wrote,
 * MissingCodecError for a class that is not loaded (load it and call again: the reader is back at the start), or what a
 * codec's decode throws (as the cause of a TypeError).
 */
export function decodeValue(reader: ByteReader, options?: DecodeOptions): unknown {
  const start = reader.position;
  // Most results are a number or a short text.
  const tag = start < reader.end ? reader.buffer[start]! : TAG_UNDEFINED;
  if (tag >= TAG_SMALL_INT) {
    reader.position = start + 1;
    return tag - TAG_SMALL_INT;
  }
  const decoder = idle ?? new Decoder();
  idle = null;
  decoder.reader = reader;
  decoder.extension = options?.extension;
  decoder.buffers = options?.buffers;
  decoder.registry = options?.registry ?? classRegistry;
  let value: unknown;
  try {
    value = decoder.value();
  } catch (error) {
    reader.position = start;
    throw error;
  }
  decoder.reset();
  idle = decoder;
  return value;
}

/** One value from bytes of its own. */
export function decodeFromBytes(bytes: Uint8Array, options?: DecodeOptions): unknown {
  return decodeValue(new ByteReader(bytes), options);
}
