/**
 * What refs and handles encoded values hold, found without running any code of theirs: for the agent, which stands between
 * restricted workers and everybody else.
 * @module
 */
import { ByteReader, type ClassRegistry, decodeValue } from "../protocol/serialization/mod.ts";
import { ProtocolError } from "../protocol/protocol_error.ts";
import { ValueKind } from "../protocol/push.ts";
import { HEADER_BYTES_MIN, headerLength, parseLayout } from "../protocol/object_layout.ts";

/** Told of everything that a value holds beside data. */
export interface RefVisitor {
  /** An object's or actor's id. */
  ref(id: string): void;
  /** A remote function or class, by its hash. */
  code(hash: string): void;
}

/** Bodies (without their binary parts) that are looked through; larger ones are refused by who asks. */
export const SCANNED_BODY_BYTES_MAX: number = 16 * 1024 * 1024;

/** Instances are looked through as the data that they travel as. */
const AS_DATA = {
  forHash: (hash: string) => ({
    cls: Object,
    name: hash,
    hash,
    codec: { encode: (value: unknown) => value, decode: (data: unknown) => data },
  }),
} as unknown as ClassRegistry;

/** One value; the reader stands behind it afterwards. ProtocolError for bytes that no encoder wrote. */
export function visitValue(
  reader: ByteReader,
  visitor: RefVisitor,
  buffers?: readonly ArrayBuffer[],
): void {
  const extension = {
    encode: () => undefined,
    decode: (tag: string, data: unknown) => {
      if (tag === "ref") visitor.ref(textOf((data as unknown[])?.[0]));
      else if (tag === "actor") visitor.ref(textOf((data as { actorId?: unknown })?.actorId));
      else if (tag === "code") visitor.code(textOf((data as { hash?: unknown })?.hash));
      else if (tag === "group") visitor.ref(textOf((data as { groupId?: unknown })?.groupId));
      // A library actor is its handle, which was looked at.
      else if (tag !== "library") throw new ProtocolError(`a value of unknown kind ${JSON.stringify(tag)}`);
      return null;
    },
  };
  decodeValue(reader, { extension, registry: AS_DATA, ...(buffers && { buffers }) });
}

/** A call's arguments block (core_worker/arguments.ts). */
export function visitArguments(block: Uint8Array, visitor: RefVisitor): void {
  const reader = new ByteReader(block);
  const count = reader.varint();
  for (let index = 0; index < count; index++) {
    if (reader.u8() === ValueKind.inline) visitValue(reader, visitor);
    else {
      visitor.ref(reader.string());
      reader.string();
      reader.string();
    }
  }
  if (reader.remaining > 0) throw new ProtocolError(`${reader.remaining} bytes behind the arguments`);
}

/** A stored object's value. Its binary parts are not read. Throws when its body is too large to be looked through. */
export function visitObject(
  size: number,
  read: (offset: number, length: number) => Uint8Array,
  visitor: RefVisitor,
): void {
  const header = headerLength(read(0, HEADER_BYTES_MIN));
  if (header > SCANNED_BODY_BYTES_MAX) throw new ProtocolError("a stored object with too many parts");
  const { bodyOffset, bodyLength, buffers } = parseLayout(read(0, header), size);
  if (bodyLength > SCANNED_BODY_BYTES_MAX) {
    throw new RangeError(
      `a restricted worker's values may have ${SCANNED_BODY_BYTES_MAX} bytes beside their typed arrays, not ${bodyLength}`,
    );
  }
  // Of the right lengths and never touched.
  const empty = buffers.map(({ length }) => new ArrayBuffer(length));
  visitValue(new ByteReader(read(bodyOffset, bodyLength)), visitor, empty);
}

function textOf(value: unknown): string {
  if (typeof value !== "string") throw new ProtocolError("a ref or handle without an id");
  return value;
}
