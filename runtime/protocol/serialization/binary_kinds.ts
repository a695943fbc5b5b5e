/**
 * The kinds of raw bytes: their numbers on the wire, and how to make one over an ArrayBuffer. A view travels as its own
 * range of bytes, so two views over one buffer arrive over two (sharing would ship bytes that nobody sent); the same view
 * in two places is one object at both ends. Node's Buffer comes back as a Buffer where there is one.
 * @module
 */
import { ProtocolError } from "../protocol_error.ts";

export const ARRAY_BUFFER = 0;
export const SHARED_ARRAY_BUFFER = 1;
export const DATA_VIEW = 2;
const FIRST_TYPED = 3;
export const UINT8_ARRAY = 4;

type TypedArrayClass = {
  new (buffer: ArrayBuffer, byteOffset: number, length: number): ArrayBufferView;
  readonly BYTES_PER_ELEMENT: number;
  readonly prototype: object;
};

const scope = globalThis as unknown as Record<string, TypedArrayClass | undefined>;

/** By kind, from FIRST_TYPED on. Never reorder. */
const TYPED_NAMES = [
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "Float32Array",
  "Float64Array",
  "BigInt64Array",
  "BigUint64Array",
  "Float16Array",
  "Buffer",
] as const;
const BUFFER = FIRST_TYPED + TYPED_NAMES.length - 1;
const classes: (TypedArrayClass | undefined)[] = TYPED_NAMES.map((name) => scope[name]);

/** The kind of a view by its prototype. Subclasses are not here: they are classes of their own. */
export const KIND_OF_VIEW: ReadonlyMap<object, number> = new Map(
  classes.flatMap((cls, i): [object, number][] =>
    cls === undefined ? [] : [[cls.prototype, FIRST_TYPED + i]]
  ),
).set(DataView.prototype, DATA_VIEW);

/** The value of this kind over `bytes` bytes of `buffer`, which belongs to the value from now on. */
export function binaryOf(kind: number, buffer: ArrayBuffer, bytes: number): object {
  if (kind === ARRAY_BUFFER) return buffer.byteLength === bytes ? buffer : buffer.slice(0, bytes);
  if (kind === DATA_VIEW) return new DataView(buffer, 0, bytes);
  if (kind === SHARED_ARRAY_BUFFER) {
    const shared = new SharedArrayBuffer(bytes);
    new Uint8Array(shared).set(new Uint8Array(buffer, 0, bytes));
    return shared;
  }
  const name = TYPED_NAMES[kind - FIRST_TYPED];
  if (name === undefined) throw new ProtocolError(`unknown kind of binary value: ${kind}`);
  const cls = classes[kind - FIRST_TYPED];
  if (kind === BUFFER) {
    const maker = cls as { from?(buffer: ArrayBuffer, offset: number, length: number): object } | undefined;
    return maker?.from?.(buffer, 0, bytes) ?? new Uint8Array(buffer, 0, bytes);
  }
  if (cls === undefined) throw new ProtocolError(`this runtime has no ${name}`);
  if (bytes % cls.BYTES_PER_ELEMENT !== 0) throw new ProtocolError(`${bytes} bytes are not a whole ${name}`);
  return new cls(buffer, 0, bytes / cls.BYTES_PER_ELEMENT);
}
