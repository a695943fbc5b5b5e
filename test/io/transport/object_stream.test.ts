/**
 * The body of an object transfer: cut anywhere it gives the object, damage is found and placed.
 * @module
 */
import { describe, expect, test } from "bun:test";
import { Prng } from "../../../runtime/common/prng.ts";
import { ProtocolError } from "../../../runtime/protocol/protocol_error.ts";
import {
  ChunkParser,
  encodeChunkHeader,
  OBJECT_CHUNK_BYTES,
} from "../../../runtime/io/transport/object_stream.ts";

const object = new Uint8Array(2.5 * OBJECT_CHUNK_BYTES);
for (let index = 0; index < object.length; index++) object[index] = (index * 31) % 251;

/** The body of a transfer of [offset, end). */
function body(offset = 0, end = object.length): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = offset; at < end; at += OBJECT_CHUNK_BYTES) {
    const bytes = object.subarray(at, Math.min(end, at + OBJECT_CHUNK_BYTES));
    parts.push(encodeChunkHeader(at, bytes), bytes);
  }
  return new Uint8Array(Buffer.concat(parts));
}

function receiver(offset = 0, end = object.length): { parser: ChunkParser; copy: Uint8Array } {
  const copy = new Uint8Array(object.length);
  return { copy, parser: new ChunkParser(offset, end, (at, bytes) => copy.set(bytes, at)) };
}

describe("a body", () => {
  test("cut anywhere gives the object", () => {
    const seed = Date.now() >>> 0;
    console.log(`object_stream.test seed ${seed}`);
    const prng = new Prng(seed);
    for (let round = 0; round < 10; round++) {
      const { parser, copy } = receiver();
      const bytes = body();
      for (let at = 0; at < bytes.length;) {
        const length = prng.chance(30) ? prng.between(1, 20) : prng.between(1, 100_000);
        expect(parser.isComplete).toBe(false);
        parser.push(bytes.subarray(at, at + length));
        at += length;
      }
      expect(parser.isComplete).toBe(true);
      expect(Buffer.compare(copy, object)).toBe(0);
    }
  });

  test("may be a range", () => {
    const { parser, copy } = receiver(100, 1_000);
    parser.push(body(100, 1_000));
    expect(parser.isComplete).toBe(true);
    expect(Buffer.compare(copy.subarray(100, 1_000), object.subarray(100, 1_000))).toBe(0);
  });

  test("of nothing is complete at once", () => {
    expect(receiver(5, 5).parser.isComplete).toBe(true);
  });

  test("waits for a sink that takes its time", async () => {
    let open = 0;
    const parser = new ChunkParser(0, object.length, async () => {
      open += 1;
      await Promise.resolve();
      open -= 1;
    });
    await parser.push(body());
    expect(open).toBe(0);
    expect(parser.isComplete).toBe(true);
  });
});

describe("damage is a ProtocolError, and what was good before it is known", () => {
  const damaged = (change: (bytes: Uint8Array) => void): Uint8Array => {
    const bytes = body();
    change(bytes);
    return bytes;
  };
  const second = OBJECT_CHUNK_BYTES + 16;
  const cases: [string, Uint8Array][] = [
    ["one bit of the second chunk", damaged((bytes) => bytes[second + 5_000]! ^= 4)],
    ["its checksum", damaged((bytes) => bytes[second + 12]! ^= 1)],
    ["its offset", damaged((bytes) => bytes[second]! ^= 1)],
    ["a length of zero", damaged((bytes) => bytes.fill(0, second + 8, second + 12))],
    ["a length over 1 MiB", damaged((bytes) => bytes.fill(255, second + 8, second + 12))],
  ];
  for (const [name, bytes] of cases) {
    test(name, () => {
      const { parser } = receiver();
      expect(() => parser.push(bytes)).toThrow(ProtocolError);
      expect(parser.goodOffset).toBe(OBJECT_CHUNK_BYTES);
      expect(parser.isComplete).toBe(false);
    });
  }

  test("bytes after the end", () => {
    const { parser } = receiver(0, 1_000);
    expect(() => parser.push(body(0, 2_000))).toThrow("chunk of 2000 bytes at offset 0, expected one at 0");
  });
});
