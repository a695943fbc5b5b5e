/**
 * encodeValue: the way into the codec (see encoder.ts for what travels and how).
 * @module
 */
import { ByteWriter } from "./byte_writer.ts";
import { type ClassRegistry, classRegistry } from "./class_registry.ts";
import { encodeNumber, Encoder, encodeText, type ValueExtension } from "./encoder.ts";

export type { EncodeContext, ValueExtension } from "./encoder.ts";

export interface EncodeOptions {
  /** Knows refs and handles. */
  readonly extension?: ValueExtension | undefined;
  /** What the value is called in errors; default "value". */
  readonly path?: string | undefined;
  /** When given, binary values of 1 KiB and more are pushed here (views of the user's memory, not copies) instead of
   *  being written; the decoder needs them in the same order. */
  readonly buffers?: Uint8Array[] | undefined;
  /** Replace what cannot travel by a text in brackets that says what it was. Default: a TypeError with its path. */
  readonly describe?: boolean | undefined;
  /** Default: the process's registry. */
  readonly registry?: ClassRegistry | undefined;
}

/** One encoder is kept: most messages are small. A second one is made when a getter or codec encodes in turn. */
let idle: Encoder | null = null;

/**
 * Append one value to `writer`. Throws a TypeError that names what cannot travel and where it is, a RangeError for
 * nesting beyond 1,000 levels; then nothing has been written and no buffer added.
 */
export function encodeValue(writer: ByteWriter, value: unknown, options?: EncodeOptions): void {
  if (typeof value === "number") return encodeNumber(writer, value);
  if (typeof value === "string") return encodeText(writer, value);
  const encoder = idle ?? new Encoder();
  idle = null;
  const start = writer.position;
  const buffersBefore = options?.buffers?.length ?? 0;
  encoder.writer = writer;
  encoder.extension = options?.extension;
  encoder.buffers = options?.buffers;
  encoder.root = options?.path ?? "value";
  encoder.describe = options?.describe ?? false;
  encoder.registry = options?.registry ?? classRegistry;
  try {
    encoder.value(value);
  } catch (error) {
    // The encoder is in the middle of things and is not kept.
    writer.position = start;
    if (options?.buffers !== undefined) options.buffers.length = buffersBefore;
    throw error;
  }
  encoder.reset();
  idle = encoder;
}

/**
 * Append something that was thrown, whatever it is: as it is if it can travel, else with texts in place of what cannot,
 * else its name, message and stack. Never throws.
 */
export function encodeThrown(writer: ByteWriter, thrown: unknown, options?: EncodeOptions): void {
  for (const describe of [false, true]) {
    try {
      return encodeValue(writer, thrown, { ...options, describe });
    } catch {
      // Next attempt.
    }
  }
  const plain = new Error(safely(() => String((thrown as Error).message)) ?? "an error that cannot be shown");
  plain.name = safely(() => String((thrown as Error).name)) ?? "Error";
  plain.stack = safely(() => String((thrown as Error).stack)) ?? "";
  encodeValue(writer, plain);
}

function safely(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** One value as bytes of its own. */
export function encodeToBytes(value: unknown, options?: EncodeOptions): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(256);
  encodeValue(writer, value, options);
  return writer.bytes().slice();
}
