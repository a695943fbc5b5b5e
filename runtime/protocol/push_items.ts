/**
 * The hot messages of generators: items as they come, how far they were read, and which of their refs are counted.
 * Frame types are in push.ts.
 * @module
 */
import { readReplyRefs, type ReplyRef, ValueKind, writeReplyRefs } from "./push.ts";
import { ProtocolError } from "./protocol_error.ts";
import type { ByteReader, ByteWriter } from "./serialization/mod.ts";

const HAS_REFS = 2;
const NO_REFS: readonly ReplyRef[] = Object.freeze([]);

/** One item of one attempt. `bytes`: the encoded value; null: it is in the store of the worker's node, with `size` bytes. */
export interface ItemReport {
  sequence: number;
  attempt: number;
  /** From 0, without gaps. */
  index: number;
  bytes: Uint8Array | null;
  size: number;
  contains: readonly ReplyRef[];
}

export function newItemReport(): ItemReport {
  return { sequence: 0, attempt: 0, index: 0, bytes: null, size: 0, contains: NO_REFS };
}

export function writeItem(writer: ByteWriter, item: Readonly<ItemReport>): void {
  const { bytes, contains } = item;
  writer.varint(item.sequence);
  writer.varint(item.attempt);
  writer.varint(item.index);
  const kind = bytes === null ? ValueKind.stored : ValueKind.inline;
  writer.u8(contains.length === 0 ? kind : kind | HAS_REFS);
  if (bytes === null) writer.varint(item.size);
  else {
    writer.varint(bytes.length);
    writer.raw(bytes);
  }
  if (contains.length === 0) return;
  writeReplyRefs(writer, contains);
}

/** Read into `item` (reused); its bytes are a view. */
export function readItem(reader: ByteReader, item: ItemReport): void {
  item.sequence = reader.varint();
  item.attempt = reader.varint();
  item.index = reader.varint();
  const kind = reader.u8();
  if (kind > (ValueKind.stored | HAS_REFS)) throw new ProtocolError(`item of kind ${kind}`);
  const length = reader.varint();
  item.size = length;
  item.bytes = (kind & ValueKind.stored) === 0 ? reader.raw(length) : null;
  item.contains = (kind & HAS_REFS) === 0 ? NO_REFS : readReplyRefs(reader);
}

/** How far one attempt's items were read, all told: late, lost and repeated ones do no harm. */
export interface ItemCredit {
  sequence: number;
  attempt: number;
  /** Items that were read, of all attempts. */
  items: number;
  /** Bytes that came inline in this attempt and were read (ITEM_OVERHEAD_BYTES for each item included). */
  bytes: number;
}

export function writeCredit(writer: ByteWriter, credit: Readonly<ItemCredit>): void {
  writer.varint(credit.sequence);
  writer.varint(credit.attempt);
  writer.varint(credit.items);
  writer.varint(credit.bytes);
}

export function readCredit(reader: ByteReader): ItemCredit {
  const sequence = reader.varint();
  const attempt = reader.varint();
  const items = reader.varint();
  const bytes = reader.varint();
  return { sequence, attempt, items, bytes };
}

/** Items by sequence and index. */
export type ItemName = readonly [sequence: number, index: number];

export function writeItemNames(writer: ByteWriter, names: readonly ItemName[]): void {
  for (const [sequence, index] of names) {
    writer.varint(sequence);
    writer.varint(index);
  }
}

export function readItemNames(reader: ByteReader): ItemName[] {
  const names: ItemName[] = [];
  while (reader.remaining > 0) names.push([reader.varint(), reader.varint()]);
  return names;
}
