/**
 * Values to bytes: the hot half (numbers, text, arrays, plain objects). Other kinds are in encode_special.ts.
 *
 * What travels is what structured clone takes, plus URLs, errors with their class names, cause and fields, instances of
 * registered classes, and what an extension knows (refs and handles). Objects are numbered in the order in which they
 * begin, so that shared ones and cycles survive. Plain objects are read as structured clone does: own enumerable string
 * keys, by ordinary reads. Three exceptions, all on the side of speed: named properties of arrays travel only with the
 * results of RegExp matches; views over one buffer arrive over buffers of their own (binary_kinds.ts); a RegExp's
 * lastIndex is 0.
 *
 * Repeated lists of keys ("shapes") are sent once a message: arrays of records are smaller and faster both ways.
 * @module
 */
import { errorHere } from "../../common/error_report.ts";
import { type ByteWriter } from "./byte_writer.ts";
import type { ClassRegistry, RegisteredClass } from "./class_registry.ts";
import { encodeSpecial } from "./encode_special.ts";
import { RefEncoder } from "./ref_codec.ts";
import { formatPath } from "./refusal.ts";
import {
  BIGINT_DIGITS_MAX,
  DEPTH_MAX,
  SHAPE_KEYS_MAX,
  SHAPES_MAX,
  TAG_ARRAY,
  TAG_BIGINT64,
  TAG_BIGINT_HEX,
  TAG_DICTIONARY,
  TAG_F64,
  TAG_FALSE,
  TAG_HOLES,
  TAG_INT,
  TAG_MATCH,
  TAG_NULL,
  TAG_OBJECT,
  TAG_SEEN,
  TAG_SHAPED,
  TAG_SHORT_TEXT,
  TAG_SMALL_INT,
  TAG_STRING,
  TAG_TRUE,
  TAG_UNDEFINED,
} from "./tags.ts";

/** What an extension may ask while it encodes. */
export interface EncodeContext {
  /** Where the value is, for messages: `args[1].conn.socket`. */
  readonly path: string;
}

/** Teaches the codec values that are more than data: refs, actor handles, remote functions. */
export interface ValueExtension {
  /**
   * Asked for functions and for objects with a prototype of their own that is not built in nor registered (so never for
   * plain objects and arrays). `data` may be anything serializable; that of the tag "ref" is [id, home]. Undefined: not mine.
   */
  encode(value: object, context: EncodeContext): { readonly tag: string; readonly data: unknown } | undefined;
  /** Given what encode returned; `data` may come from anyone, so check it. */
  decode(tag: string, data: unknown): unknown;
}

/** Objects before a hash map pays. */
const LINEAR_SEEN_MAX = 12;
/** How many recent shapes are compared. */
const SHAPES_COMPARED = 6;

export class Encoder implements EncodeContext {
  writer!: ByteWriter;
  extension: ValueExtension | undefined;
  registry!: ClassRegistry;
  buffers: Uint8Array[] | undefined;
  root: string = "value";
  /** Whether what cannot travel becomes a text that says so, instead of a TypeError. */
  describe: boolean = false;
  /** Objects whose codec or extension is under way: they cannot contain themselves. */
  readonly open: object[] = [];
  /** Registered classes in the order in which the message names them. */
  readonly classes: RegisteredClass[] = [];

  #refs: RefEncoder | null = null;

  // The way to the value under way, for messages only: the object at each depth, and the key in it.
  #depth = 0;
  readonly #holders: object[] = [];
  readonly #keys: unknown[] = [];
  #seenCount = 0;
  readonly #seen: object[] = [];
  #seenMap: Map<object, number> | null = null;
  readonly #shapes: (readonly string[])[] = [];

  /** Forget everything of the message, so that nothing stays alive through a kept encoder. */
  reset(): void {
    // Shrinking an empty array is not free.
    if (this.#holders.length > 0) this.#holders.length = 0;
    if (this.#keys.length > 0) this.#keys.length = 0;
    if (this.#seen.length > 0) this.#seen.length = 0;
    if (this.#shapes.length > 0) this.#shapes.length = 0;
    if (this.classes.length > 0) this.classes.length = 0;
    this.#seenMap = null;
    this.#seenCount = 0;
    this.#refs = null;
    this.extension = undefined;
    this.buffers = undefined;
  }

  /** Of the message. */
  get refs(): RefEncoder {
    return this.#refs ??= new RefEncoder();
  }

  get path(): string {
    return formatPath(this.root, this.#holders, this.#keys, this.#depth);
  }

  value(value: unknown): void {
    switch (typeof value) {
      case "number":
        return encodeNumber(this.writer, value);
      case "string":
        return encodeText(this.writer, value);
      case "boolean":
        return this.writer.u8(value ? TAG_TRUE : TAG_FALSE);
      case "undefined":
        return this.writer.u8(TAG_UNDEFINED);
      case "object":
        return value === null ? this.writer.u8(TAG_NULL) : this.#object(value);
      case "bigint":
        return this.#bigint(value);
      default:
        return encodeSpecial(this, value as object);
    }
  }

  /** A value inside `holder`, at `key`. */
  child(holder: object, key: unknown, value: unknown): void {
    this.enter(holder);
    this.#keys[this.#depth - 1] = key;
    this.value(value);
    this.leave();
  }

  enter(holder: object): void {
    this.#holders[this.#depth++] = holder;
  }

  leave(): void {
    this.#depth -= 1;
  }

  /** Give the object its number; whoever calls this writes exactly one object. */
  remember(value: object): void {
    const index = this.#seenCount++;
    if (this.#seenMap !== null) {
      this.#seenMap.set(value, index);
      return;
    }
    this.#seen.push(value);
    if (index === LINEAR_SEEN_MAX) {
      this.#seenMap = new Map();
      for (let i = 0; i < this.#seen.length; i++) this.#seenMap.set(this.#seen[i]!, i);
    }
  }

  /** What cannot travel: a TypeError with its path, or a text in its place. `what` continues "is ". */
  refuse(what: string): void {
    if (!this.describe) throw errorHere(() => new TypeError(`${this.path} is ${what}`));
    this.writer.u8(TAG_STRING);
    this.writer.string(`[${what.split(/[:,]/, 1)[0]}]`);
  }

  /** Own enumerable properties as a dictionary. The object has been remembered. */
  dictionary(tag: number, value: object, keys: readonly string[]): void {
    const writer = this.writer;
    writer.u8(tag);
    writer.varint(keys.length);
    this.enter(value);
    for (const key of keys) {
      writer.string(key);
      this.#keys[this.#depth - 1] = key;
      this.value((value as Record<string, unknown>)[key]);
    }
    this.leave();
  }

  plain(value: object): void {
    const keys = Object.keys(value);
    if (keys.length > SHAPE_KEYS_MAX) return this.dictionary(TAG_DICTIONARY, value, keys);
    if (!this.#shape(keys)) return this.dictionary(TAG_DICTIONARY, value, keys);
    const depth = this.#depth++;
    this.#holders[depth] = value;
    const path = this.#keys;
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      path[depth] = key;
      this.value((value as Record<string, unknown>)[key]);
    }
    this.#depth = depth;
  }

  array(value: readonly unknown[]): void {
    const length = value.length;
    const isMatch = (value as { index?: unknown }).index !== undefined;
    this.writer.u8(isMatch ? TAG_MATCH : TAG_ARRAY);
    this.writer.varint(length);
    const depth = this.#depth++;
    this.#holders[depth] = value;
    const path = this.#keys;
    for (let i = 0; i < length; i++) {
      const item = value[i];
      if (item === undefined && !Object.hasOwn(value, i)) {
        this.#sparse(value, i, length);
        break;
      }
      path[depth] = i;
      this.value(item);
    }
    this.#depth = depth;
    if (isMatch) {
      this.dictionary(
        TAG_DICTIONARY,
        value,
        Object.keys(value).filter((key) => !/^\d+$/.test(key)),
      );
    }
  }

  /** The rest of an array from its first hole on: by its keys, for it may be far longer than what it holds. */
  #sparse(value: readonly unknown[], from: number, length: number): void {
    let next = from;
    for (const key of Object.keys(value)) {
      const index = Number(key);
      if (!(index >= from && index < length)) continue;
      if (index > next) this.#holes(index - next);
      this.#keys[this.#depth - 1] = index;
      this.value(value[index]);
      next = index + 1;
    }
    if (next < length) this.#holes(length - next);
  }

  #holes(count: number): void {
    this.writer.u8(TAG_HOLES);
    this.writer.varint(count);
  }

  #object(value: object): void {
    const known = this.#indexOf(value);
    if (this.open.length > 0 && this.open.includes(value)) {
      throw new TypeError(
        `${this.path} contains itself through its codec: encode must leave such a link out`,
      );
    }
    if (known >= 0) {
      this.writer.u8(TAG_SEEN);
      this.writer.varint(known);
      return;
    }
    if (this.#depth >= DEPTH_MAX) {
      if (this.describe) return this.refuse("nested too deeply");
      throw new RangeError(
        `${this.root} is nested deeper than ${DEPTH_MAX} levels: use arrays instead of long chains`,
      );
    }
    const prototype = Object.getPrototypeOf(value);
    if (prototype === Object.prototype) {
      this.remember(value);
      this.plain(value);
    } else if (prototype === Array.prototype && Array.isArray(value)) {
      this.remember(value);
      this.array(value);
    } else encodeSpecial(this, value);
  }

  #indexOf(value: object): number {
    if (this.#seenMap !== null) return this.#seenMap.get(value) ?? -1;
    return this.#seenCount === 0 ? -1 : this.#seen.indexOf(value);
  }

  /** Write the keys, or the number of a shape that has them; false (nothing written) when there is no room for more. */
  #shape(keys: readonly string[]): boolean {
    const shapes = this.#shapes;
    const last = Math.max(0, shapes.length - SHAPES_COMPARED);
    for (let i = shapes.length - 1; i >= last; i--) {
      if (!sameKeys(shapes[i]!, keys)) continue;
      this.writer.u8(TAG_SHAPED);
      this.writer.varint(i);
      return true;
    }
    if (shapes.length >= SHAPES_MAX) return false;
    shapes.push(keys);
    this.writer.u8(TAG_OBJECT);
    this.writer.varint(keys.length);
    for (let i = 0; i < keys.length; i++) this.writer.string(keys[i]!);
    return true;
  }

  #bigint(value: bigint): void {
    if (BigInt.asIntN(64, value) === value) {
      this.writer.u8(TAG_BIGINT64);
      this.writer.i64(value);
      return;
    }
    const digits = value.toString(16);
    if (digits.length > BIGINT_DIGITS_MAX) {
      throw new RangeError(`${this.path} is a bigint of more than ${BIGINT_DIGITS_MAX * 4} bits, the limit`);
    }
    this.writer.u8(TAG_BIGINT_HEX);
    this.writer.string(digits);
  }
}

function sameKeys(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function encodeNumber(writer: ByteWriter, value: number): void {
  const int = value | 0;
  if (int !== value || (int === 0 && 1 / value < 0)) {
    writer.u8(TAG_F64);
    writer.f64(value);
  } else if (int >= 0 && int < 64) {
    writer.u8(TAG_SMALL_INT + int);
  } else {
    writer.u8(TAG_INT);
    writer.varint(((int << 1) ^ (int >> 31)) >>> 0);
  }
}

export function encodeText(writer: ByteWriter, value: string): void {
  if (value.length < 64 && writer.shortText(TAG_SHORT_TEXT, value)) return;
  writer.u8(TAG_STRING);
  writer.string(value);
}
