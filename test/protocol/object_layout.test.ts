/**
 * The layout of stored objects: what it promises about offsets, and what it refuses.
 */
import { expect, test } from "bun:test";
import { Prng } from "../../runtime/common/prng.ts";
import {
  decodeObject,
  encodeHead,
  encodeObject,
  HEADER_BYTES_MIN,
  layoutOf,
  layoutSize,
  MAPPABLE_ALIGNMENT,
  MAPPABLE_BYTES_MIN,
  type ObjectParts,
  parseLayout,
  writeLayout,
} from "../../runtime/protocol/object_layout.ts";
import { ProtocolError } from "../../runtime/protocol/protocol_error.ts";

test("an object without buffers is a header and its body", () => {
  const bytes = encodeObject({ body: new Uint8Array([1, 2, 3]), buffers: [] });
  expect(Buffer.from(bytes).toString("hex")).toBe(
    "4d4f424a" + "01000000" + "00000000" + "00000000" + "0300000000000000" + "010203",
  );
  expect(decodeObject(bytes)).toEqual({ body: new Uint8Array([1, 2, 3]), buffers: [] });
});

test("large buffers begin where they can be mapped, small ones at multiples of 64, and nothing overlaps", () => {
  const prng = new Prng(7);
  for (let run = 0; run < 200; run++) {
    const lengths = Array.from({ length: prng.below(6) }, () => prng.below(prng.pick([10, 2_000, 300_000])));
    const layout = layoutOf(prng.below(5_000), lengths);
    let end = layout.bodyOffset + layout.bodyLength;
    for (const { offset, length } of layout.buffers) {
      expect(offset % (length >= MAPPABLE_BYTES_MIN ? MAPPABLE_ALIGNMENT : 64)).toBe(0);
      expect(offset).toBeGreaterThanOrEqual(end);
      end = offset + length;
    }
    expect(layout.size).toBe(end);
  }
});

test("what is written is parsed again, and decoded buffers have memory of their own", () => {
  const prng = new Prng(8);
  for (let run = 0; run < 50; run++) {
    const parts = randomParts(prng);
    const target = new Uint8Array(layoutSize(parts) + 10).fill(255);
    expect(writeLayout(target, parts)).toBe(layoutSize(parts));
    const bytes = target.subarray(0, layoutSize(parts));
    expect(Buffer.compare(bytes, encodeObject(parts))).toBe(0);
    expect(Buffer.compare(encodeHead(parts), bytes.subarray(0, encodeHead(parts).length))).toBe(0);
    const decoded = decodeObject(bytes);
    expect(decoded.body).toEqual(parts.body);
    expect(decoded.buffers.map((buffer) => new Uint8Array(buffer))).toEqual(
      parts.buffers as Uint8Array<ArrayBuffer>[],
    );
  }
});

test("lengths beyond 4 GiB survive", () => {
  const head = encodeHead({ body: new Uint8Array(0), buffers: [new Uint8Array(0)] });
  new DataView(head.buffer).setUint32(HEADER_BYTES_MIN + 4, 2, true);
  expect(parseLayout(head, 2 * 2 ** 32 + 16384).buffers).toEqual([{ offset: 16384, length: 2 * 2 ** 32 }]);
});

test("bytes that are no object are refused with what is wrong", () => {
  const good = encodeObject({ body: new Uint8Array(5), buffers: [new Uint8Array(100)] });
  const changed = (offset: number, value: number): Uint8Array => {
    const bytes = good.slice();
    bytes[offset] = value;
    return bytes;
  };
  expect(() => parseLayout(new Uint8Array(3))).toThrow(
    "A stored object of 3 bytes is too short for its header",
  );
  expect(() => parseLayout(changed(0, 9))).toThrow("not a stored object");
  expect(() => parseLayout(changed(4, 2))).toThrow("Stored object of version 2; this mobula reads version 1");
  expect(() => parseLayout(changed(11, 255))).toThrow("The header of a stored object");
  expect(() => parseLayout(changed(31, 255))).toThrow("A length in a stored object is out of range");
  expect(() => parseLayout(good, good.length + 1)).toThrow(
    `says ${good.length} bytes, but it has ${good.length + 1}`,
  );
  expect(() => writeLayout(new Uint8Array(10), { body: new Uint8Array(20), buffers: [] })).toThrow(
    RangeError,
  );
});

test("random damage is a ProtocolError or another object, never anything else", () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  const prng = new Prng(seed);
  for (let run = 0; run < 2_000; run++) {
    const bytes = encodeObject(randomParts(prng)).slice(0, 4_000);
    for (let n = prng.between(1, 4); n > 0; n--) {
      bytes[prng.below(Math.min(bytes.length, 48))] = prng.below(256);
    }
    try {
      decodeObject(bytes);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw new Error(`seed ${seed}: ${error}`, { cause: error });
    }
  }
});

function randomParts(prng: Prng): ObjectParts {
  const fill = (length: number) => Uint8Array.from({ length }, () => prng.below(256));
  return {
    body: fill(prng.below(300)),
    buffers: Array.from({ length: prng.below(4) }, () => fill(prng.chance(10) ? 70_000 : prng.below(500))),
  };
}
