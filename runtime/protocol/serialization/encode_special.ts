/**
 * Values to bytes: everything that is neither a primitive nor a plain object or array.
 * @module
 */
import { ARRAY_BUFFER, KIND_OF_VIEW, SHARED_ARRAY_BUFFER, UINT8_ARRAY } from "./binary_kinds.ts";
import type { RegisteredClass } from "./class_registry.ts";
import type { Encoder } from "./encoder.ts";
import { encodeError, isError } from "./error_codec.ts";
import { REF_TAG } from "./ref_codec.ts";
import { CODEC_DATA, describeUnsupported, MAP_KEY } from "./refusal.ts";
import {
  OUT_OF_BAND_BYTES_MIN,
  TAG_BARE_OBJECT,
  TAG_BINARY,
  TAG_BINARY_OUT,
  TAG_BOXED,
  TAG_DATE,
  TAG_EXTENSION,
  TAG_INSTANCE,
  TAG_MAP,
  TAG_REF,
  TAG_REGEXP,
  TAG_SET,
  TAG_URL,
} from "./tags.ts";

type EncodeBuiltin = (encoder: Encoder, value: never) => void;

const BUILTINS: ReadonlyMap<object, EncodeBuiltin> = builtins();

function builtins(): Map<object, EncodeBuiltin> {
  const table = new Map<object, EncodeBuiltin>([
    [Map.prototype, encodeMap],
    [Set.prototype, encodeSet],
    [Date.prototype, encodeDate],
    [RegExp.prototype, encodeRegExp],
    [URL.prototype, encodeUrl],
    [ArrayBuffer.prototype, encodeArrayBuffer],
    [Number.prototype, encodeBoxed],
    [String.prototype, encodeBoxed],
    [Boolean.prototype, encodeBoxed],
    [BigInt.prototype, encodeBoxed],
    [DOMException.prototype, encodeError],
    [Error.prototype, encodeError],
  ]);
  for (const prototype of KIND_OF_VIEW.keys()) table.set(prototype, encodeView);
  // Browsers have it only in isolated pages.
  if (typeof SharedArrayBuffer !== "undefined") {
    table.set(SharedArrayBuffer.prototype, encodeSharedArrayBuffer);
  }
  return table;
}

/** Any object that is not plain, a function or a symbol. Its number is given here, when it is certain that it travels. */
export function encodeSpecial(encoder: Encoder, value: object): void {
  if (typeof value === "object") {
    const prototype: object | null = Object.getPrototypeOf(value);
    if (prototype === null) {
      encoder.remember(value);
      return encoder.dictionary(TAG_BARE_OBJECT, value, Object.keys(value));
    }
    const builtin = BUILTINS.get(prototype);
    if (builtin !== undefined) return builtin(encoder, value as never);
    const registered = encoder.registry.forPrototype(prototype);
    if (registered !== undefined) return encodeInstance(encoder, value, registered);
  } else if (typeof value === "symbol") return encoder.refuse(describeUnsupported(value));
  if (encoder.extension !== undefined && encodeExtension(encoder, value, encoder.extension)) return;
  if (typeof value === "function") return encoder.refuse(describeUnsupported(value));
  if (isError(value)) return encodeError(encoder, value as Error);
  if (!encodeForeign(encoder, value)) encoder.refuse(describeUnsupported(value));
}

/** Built-in values of another realm (node:vm, a test runner's sandbox), and objects that inherit from plain ones. */
function encodeForeign(encoder: Encoder, value: object): boolean {
  const prototype: object = Object.getPrototypeOf(value);
  if (Array.isArray(value)) {
    // Array.prototype is an array itself, the prototype of a subclass is not.
    if (!Array.isArray(prototype)) return false;
    encoder.remember(value);
    encoder.array(value);
    return true;
  }
  if (ArrayBuffer.isView(value) && Object.hasOwn(prototype, "BYTES_PER_ELEMENT")) {
    const ours = (globalThis as Record<string, unknown>)[
      (value as unknown as { [Symbol.toStringTag]: string })[
        Symbol.toStringTag
      ]
    ] as { prototype: object } | undefined;
    if (ours !== undefined && KIND_OF_VIEW.has(ours.prototype)) {
      encodeView(encoder, value, KIND_OF_VIEW.get(ours.prototype));
      return true;
    }
  }
  const isRoot = Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "hasOwnProperty");
  if (!isRoot && (value as { constructor?: unknown }).constructor !== Object) return false;
  encoder.remember(value);
  encoder.plain(value);
  return true;
}

/** Opaque objects get their number before their data, and may not be reached from it. */
function encodeOpaque(encoder: Encoder, value: object, data: unknown): void {
  encoder.open.push(value);
  encoder.child(value, CODEC_DATA, data);
  encoder.open.pop();
}

function encodeExtension(
  encoder: Encoder,
  value: object,
  extension: NonNullable<Encoder["extension"]>,
): boolean {
  const encoded = extension.encode(value, encoder);
  if (encoded === undefined) return false;
  encoder.remember(value);
  if (encoded.tag === REF_TAG) {
    const [id, home] = encoded.data as [string, string];
    encoder.writer.u8(TAG_REF);
    encoder.refs.write(encoder.writer, id, home);
    return true;
  }
  encoder.writer.u8(TAG_EXTENSION);
  encoder.writer.string(encoded.tag);
  encodeOpaque(encoder, value, encoded.data);
  return true;
}

function encodeInstance(encoder: Encoder, value: object, registered: RegisteredClass): void {
  let data: unknown;
  try {
    data = registered.codec.encode(value);
  } catch (cause) {
    throw new TypeError(
      `${encoder.path}: the codec of class ${registered.name} failed to encode it: ${said(cause)}`,
      {
        cause,
      },
    );
  }
  const { writer, classes } = encoder;
  encoder.remember(value);
  writer.u8(TAG_INSTANCE);
  const index = classes.indexOf(registered);
  writer.varint(index < 0 ? classes.length : index);
  if (index < 0) {
    classes.push(registered);
    writer.string(registered.name);
    writer.string(registered.hash);
  }
  encodeOpaque(encoder, value, data);
}

function said(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function encodeMap(encoder: Encoder, value: Map<unknown, unknown>): void {
  encoder.remember(value);
  encoder.writer.u8(TAG_MAP);
  encoder.writer.varint(value.size);
  // A copy, because a getter further in may change the map.
  for (const [key, item] of [...value]) {
    encoder.child(value, MAP_KEY, key);
    encoder.child(value, key, item);
  }
}

function encodeSet(encoder: Encoder, value: Set<unknown>): void {
  encoder.remember(value);
  encoder.writer.u8(TAG_SET);
  encoder.writer.varint(value.size);
  let index = 0;
  for (const member of [...value]) encoder.child(value, index++, member);
}

function encodeDate(encoder: Encoder, value: Date): void {
  const time = value.getTime();
  encoder.remember(value);
  encoder.writer.u8(TAG_DATE);
  encoder.writer.f64(time);
}

function encodeRegExp(encoder: Encoder, value: RegExp): void {
  const { source, flags } = value;
  encoder.remember(value);
  encoder.writer.u8(TAG_REGEXP);
  encoder.writer.string(source);
  encoder.writer.string(flags);
}

function encodeUrl(encoder: Encoder, value: URL): void {
  const href = value.href;
  encoder.remember(value);
  encoder.writer.u8(TAG_URL);
  encoder.writer.string(href);
}

function encodeBoxed(encoder: Encoder, value: object): void {
  const primitive: unknown = value.valueOf();
  if (typeof primitive === "object") return encoder.refuse(describeUnsupported(value));
  encoder.remember(value);
  encoder.writer.u8(TAG_BOXED);
  encoder.value(primitive);
}

function encodeArrayBuffer(encoder: Encoder, value: ArrayBuffer): void {
  if (value.detached) return encoder.refuse("a detached ArrayBuffer: it was transferred away");
  encodeBytes(encoder, value, ARRAY_BUFFER, new Uint8Array(value));
}

function encodeSharedArrayBuffer(encoder: Encoder, value: SharedArrayBuffer): void {
  encodeBytes(encoder, value, SHARED_ARRAY_BUFFER, new Uint8Array(value));
}

function encodeView(encoder: Encoder, value: ArrayBufferView, kindOf?: number): void {
  const kind = kindOf ?? KIND_OF_VIEW.get(Object.getPrototypeOf(value))!;
  // As it is: of a detached one no bytes are left, and to ask for the buffer of a small array costs more than to copy it.
  if (kind === UINT8_ARRAY && value.byteLength > 0 && value.byteLength < OUT_OF_BAND_BYTES_MIN) {
    return encodeBytes(encoder, value, kind, value as Uint8Array);
  }
  if (value.buffer instanceof ArrayBuffer && value.buffer.detached) {
    return encoder.refuse("a view of a detached ArrayBuffer: it was transferred away");
  }
  const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  encodeBytes(encoder, value, kind, bytes);
}

function encodeBytes(encoder: Encoder, value: object, kind: number, bytes: Uint8Array): void {
  const { writer, buffers } = encoder;
  encoder.remember(value);
  const isOutOfBand = buffers !== undefined && bytes.length >= OUT_OF_BAND_BYTES_MIN;
  writer.u8(isOutOfBand ? TAG_BINARY_OUT : TAG_BINARY);
  writer.u8(kind);
  writer.varint(bytes.length);
  if (!isOutOfBand) return writer.raw(bytes);
  writer.varint(buffers.length);
  buffers.push(bytes);
}
