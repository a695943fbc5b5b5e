/**
 * Bytes to values. The bytes may come from anyone: every count is checked against what is left, nesting is bounded, no
 * code runs but the decode functions of registered classes and of the extension, and properties are defined, never set
 * through a prototype. Whatever is wrong with the bytes is a ProtocolError; a class whose codec is not loaded is a
 * MissingCodecError.
 * @module
 */
import { ProtocolError } from "../protocol_error.ts";
import { binaryOf, UINT8_ARRAY } from "./binary_kinds.ts";
import type { ByteReader } from "./byte_reader.ts";
import { type ClassRegistry, MissingCodecError, type RegisteredClass } from "./class_registry.ts";
import type { ValueExtension } from "./encoder.ts";
import { decodeError } from "./error_codec.ts";
import { REF_TAG, RefDecoder } from "./ref_codec.ts";
import * as tags from "./tags.ts";

/** An object that has its number and is not built yet. */
const UNFINISHED: unique symbol = Symbol("unfinished");

const HEX = /^-?[0-9a-f]+$/;

interface Shape {
  readonly keys: readonly string[];
  /** No key is `__proto__`, so plain assignment makes own properties. */
  readonly isSafe: boolean;
}

export class Decoder {
  reader!: ByteReader;
  extension: ValueExtension | undefined;
  registry!: ClassRegistry;
  buffers: readonly ArrayBuffer[] | undefined;
  #depth = 0;
  readonly #objects: unknown[] = [];
  readonly #shapes: Shape[] = [];
  readonly #classes: RegisteredClass[] = [];
  #refs: RefDecoder | null = null;

  /** Forget everything of the message, so that nothing stays alive through a kept decoder. */
  reset(): void {
    // Shrinking an empty array is not free.
    if (this.#objects.length > 0) this.#objects.length = 0;
    if (this.#shapes.length > 0) this.#shapes.length = 0;
    if (this.#classes.length > 0) this.#classes.length = 0;
    this.#refs = null;
    this.extension = undefined;
    this.buffers = undefined;
  }

  /** The number of the object that begins here; fill() follows. */
  reserve(): number {
    return this.#objects.push(UNFINISHED) - 1;
  }

  fill<T>(index: number, value: T): T {
    this.#objects[index] = value;
    return value;
  }

  value(): unknown {
    const { reader } = this;
    const tag = reader.u8();
    if (tag >= tags.TAG_SMALL_INT) return tag - tags.TAG_SMALL_INT;
    if (tag >= tags.TAG_SHORT_TEXT) return reader.text(tag - tags.TAG_SHORT_TEXT);
    switch (tag) {
      case tags.TAG_UNDEFINED:
        return undefined;
      case tags.TAG_NULL:
        return null;
      case tags.TAG_FALSE:
        return false;
      case tags.TAG_TRUE:
        return true;
      case tags.TAG_INT:
        return decodeInt(reader);
      case tags.TAG_F64:
        return reader.f64();
      case tags.TAG_STRING:
        return reader.string();
      case tags.TAG_BIGINT64:
        return reader.i64();
      case tags.TAG_BIGINT_HEX:
        return decodeBigint(reader);
      case tags.TAG_SEEN:
        return this.#seen(reader.varint());
    }
    if (this.#depth >= tags.DEPTH_MAX) throw new ProtocolError(`nested deeper than ${tags.DEPTH_MAX} levels`);
    this.#depth += 1;
    const value = this.#object(tag);
    this.#depth -= 1;
    return value;
  }

  #object(tag: number): unknown {
    const { reader } = this;
    switch (tag) {
      case tags.TAG_OBJECT:
        return this.#shaped(this.#newShape());
      case tags.TAG_SHAPED: {
        const shape = this.#shapes[reader.varint()];
        if (shape === undefined) throw new ProtocolError(`unknown shape before byte ${reader.position}`);
        return this.#shaped(shape);
      }
      case tags.TAG_ARRAY:
        return this.#array();
      case tags.TAG_MATCH:
        return this.#match();
      case tags.TAG_DICTIONARY: {
        const target = {};
        this.#objects.push(target);
        return this.#entries(target);
      }
      case tags.TAG_BARE_OBJECT: {
        const target = Object.create(null) as object;
        this.#objects.push(target);
        return this.#entries(target);
      }
      case tags.TAG_MAP:
        return this.#map();
      case tags.TAG_SET:
        return this.#set();
      case tags.TAG_ERROR:
        return decodeError(this);
      case tags.TAG_INSTANCE:
        return this.#instance();
      case tags.TAG_EXTENSION:
        return this.#extended(this.reserve(), reader.string(), null);
      case tags.TAG_REF:
        return this.#extended(this.reserve(), REF_TAG, (this.#refs ??= new RefDecoder()).read(reader));
      default:
        return this.fill(this.reserve(), this.#leaf(tag));
    }
  }

  /** Objects that contain no others. */
  #leaf(tag: number): unknown {
    const { reader } = this;
    switch (tag) {
      case tags.TAG_DATE:
        return new Date(reader.f64());
      case tags.TAG_REGEXP: {
        const source = reader.string();
        const flags = reader.string();
        return orProtocolError("regular expression", () => new RegExp(source, flags));
      }
      case tags.TAG_URL: {
        const href = reader.string();
        return orProtocolError("URL", () => new URL(href));
      }
      case tags.TAG_BINARY: {
        const kind = reader.u8();
        const bytes = reader.copy(reader.varint());
        return kind === UINT8_ARRAY ? bytes : binaryOf(kind, bytes.buffer, bytes.length);
      }
      case tags.TAG_BINARY_OUT: {
        const kind = reader.u8();
        const bytes = reader.varint();
        const buffer = this.buffers?.[reader.varint()];
        if (buffer === undefined || buffer.byteLength < bytes) {
          throw new ProtocolError(`an out-of-band buffer of ${bytes} bytes is missing or shorter`);
        }
        return binaryOf(kind, buffer, bytes);
      }
      case tags.TAG_BOXED: {
        const primitive = this.value();
        if (primitive === null || primitive === undefined || typeof primitive === "object") break;
        return Object(primitive);
      }
    }
    throw new ProtocolError(`unknown tag 0x${tag.toString(16)} before byte ${reader.position}`);
  }

  #seen(index: number): unknown {
    const value = index < this.#objects.length ? this.#objects[index] : UNFINISHED;
    if (value === UNFINISHED) {
      throw new ProtocolError(`a reference to object ${index}, which is not there yet`);
    }
    return value;
  }

  #newShape(): Shape {
    const { reader } = this;
    const count = reader.count(1);
    const keys: string[] = [];
    for (let i = 0; i < count; i++) keys.push(reader.key());
    const shape = { keys, isSafe: !keys.includes("__proto__") };
    this.#shapes.push(shape);
    return shape;
  }

  #shaped(shape: Shape): object {
    const target: Record<string, unknown> = {};
    this.#objects.push(target);
    const { keys } = shape;
    if (!shape.isSafe) {
      for (const key of keys) define(target, key, this.value());
    } else {
      for (let i = 0; i < keys.length; i++) target[keys[i]!] = this.value();
    }
    return target;
  }

  #entries(target: object): object {
    const { reader } = this;
    const count = reader.count(2);
    for (let i = 0; i < count; i++) {
      const key = reader.key();
      define(target, key, this.value());
    }
    return target;
  }

  #array(): unknown[] {
    const { reader } = this;
    const length = reader.varint();
    if (length > 0xffff_ffff) throw new ProtocolError(`an array of ${length} elements`);
    const target: unknown[] = [];
    this.#objects.push(target);
    let i = 0;
    while (i < length) {
      if (reader.position < reader.end && reader.buffer[reader.position] === tags.TAG_HOLES) {
        reader.position += 1;
        const holes = reader.varint();
        if (holes === 0 || holes > length - i) {
          throw new ProtocolError(`${holes} holes in an array of ${length}`);
        }
        i += holes;
        target.length = i;
      } else target[i++] = this.value();
    }
    return target;
  }

  #match(): unknown[] {
    const target = this.#array();
    if (this.reader.u8() !== tags.TAG_DICTIONARY) throw new ProtocolError("a match without its properties");
    const { reader } = this;
    const count = reader.count(2);
    for (let i = 0; i < count; i++) {
      const key = reader.key();
      const value = this.value();
      if (key === "length" || /^\d+$/.test(key)) throw new ProtocolError(`a match with a property ${key}`);
      define(target, key, value);
    }
    return target;
  }

  #map(): Map<unknown, unknown> {
    const count = this.reader.count(2);
    const target = new Map<unknown, unknown>();
    this.#objects.push(target);
    for (let i = 0; i < count; i++) {
      const key = this.value();
      target.set(key, this.value());
    }
    return target;
  }

  #set(): Set<unknown> {
    const count = this.reader.count(1);
    const target = new Set<unknown>();
    this.#objects.push(target);
    for (let i = 0; i < count; i++) target.add(this.value());
    return target;
  }

  #instance(): unknown {
    const { reader } = this;
    const index = this.reserve();
    const number = reader.varint();
    if (number > this.#classes.length) {
      throw new ProtocolError(`unknown class before byte ${reader.position}`);
    }
    if (number === this.#classes.length) {
      const name = reader.string();
      const hash = reader.string();
      const known = this.registry.forHash(hash);
      if (known === undefined) throw new MissingCodecError(name, hash);
      this.#classes.push(known);
    }
    const registered = this.#classes[number]!;
    const data = this.value();
    let value: unknown;
    try {
      value = registered.codec.decode(data);
    } catch (cause) {
      const said = cause instanceof Error ? cause.message : String(cause);
      throw new TypeError(`the codec of class ${registered.name} failed to decode: ${said}`, { cause });
    }
    return this.fill(index, value);
  }

  /** `ref`: its data, where that has bytes of its own. */
  #extended(index: number, tag: string, ref: unknown[] | null): unknown {
    const data = ref ?? this.value();
    if (this.extension === undefined) {
      throw new ProtocolError(`a value of kind ${tag.slice(0, 40)} is not expected here`);
    }
    return this.fill(index, this.extension.decode(tag, data));
  }
}

function define(target: object, key: string, value: unknown): void {
  if (key !== "__proto__") (target as Record<string, unknown>)[key] = value;
  // Assignment would call the setter of Object.prototype.
  else Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
}

export function decodeInt(reader: ByteReader): number {
  const zigzag = reader.varint();
  if (zigzag > 0xffff_ffff) {
    throw new ProtocolError(`a whole number of more than 32 bits before byte ${reader.position}`);
  }
  return (zigzag >>> 1) ^ -(zigzag & 1);
}

function decodeBigint(reader: ByteReader): bigint {
  const digits = reader.string();
  if (digits.length > tags.BIGINT_DIGITS_MAX + 1 || !HEX.test(digits)) {
    throw new ProtocolError("a malformed bigint");
  }
  return digits.startsWith("-") ? -BigInt(`0x${digits.slice(1)}`) : BigInt(`0x${digits}`);
}

function orProtocolError<T>(what: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new ProtocolError(`a malformed ${what}`, { cause });
  }
}
