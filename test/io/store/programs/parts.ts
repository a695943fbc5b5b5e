/**
 * Objects made from a number, so that any process can check what another one wrote.
 * @module
 */
import type { ObjectParts } from "../../../../runtime/protocol/object_layout.ts";
import type { StoredObject } from "../../../../runtime/io/store/object_reader.ts";

/** A body of 1,000 bytes, a large buffer, two small ones and an empty one. */
export function makeParts(seed: number): ObjectParts {
  return {
    body: bytes(1_000, seed),
    buffers: [
      bytes(300_000, seed + 1),
      bytes(10, seed + 2),
      bytes(70_000, seed + 3),
      bytes(0, 0),
      bytes(5_000, seed + 4),
    ],
  };
}

function bytes(length: number, seed: number): Uint8Array {
  const filled = new Uint8Array(length);
  for (let index = 0; index < length; index++) filled[index] = (seed * 31 + index * 7 + (index >> 8)) & 127;
  return filled;
}

/** What differs from makeParts(seed), or null. */
export function wrongParts(stored: StoredObject, seed: number): string | null {
  const expected = makeParts(seed);
  if (!equal(stored.body, expected.body)) return "the body differs";
  if (stored.buffers.length !== expected.buffers.length) return `${stored.buffers.length} buffers`;
  for (const [index, buffer] of expected.buffers.entries()) {
    const actual = stored.buffers[index]!;
    if (!(actual instanceof ArrayBuffer)) return `buffer ${index} is not an ArrayBuffer`;
    if (!equal(new Uint8Array(actual), buffer)) return `buffer ${index} differs`;
  }
  return null;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, index) => byte === b[index]);
}
