/**
 * Frames as bytes: the layout, batches, chunks cut anywhere, and what is not a frame.
 * @module
 */
import { describe, expect, test } from "bun:test";
import {
  encodeFrame,
  FRAME_LIMITS,
  FRAME_PREFIX_BYTES,
  FrameParser,
  FrameWriter,
  SECTION_BY_REFERENCE_BYTES,
} from "../../runtime/protocol/frames.ts";
import { ProtocolError } from "../../runtime/protocol/protocol_error.ts";
import { Prng } from "../../runtime/common/prng.ts";

interface Frame {
  type: number;
  flags: number;
  header: string;
  sections: Uint8Array[];
}

function parse(chunks: readonly Uint8Array[], limits = FRAME_LIMITS): Frame[] {
  const frames: Frame[] = [];
  const parser = new FrameParser((type, flags, header, sections) => {
    frames.push({ type, flags, header: new TextDecoder().decode(header), sections: [...sections] });
  }, limits);
  for (const chunk of chunks) parser.push(chunk);
  return frames;
}

function join(chunks: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(chunks));
}

describe("a frame", () => {
  test("comes out as it went in, whatever its parts", () => {
    const sections = [new Uint8Array([1, 2, 3]), new Uint8Array(0), new Uint8Array(70_000).fill(9)];
    const [frame, ...rest] = parse([encodeFrame(40, 7, "grüße €", sections)]);
    expect(rest).toEqual([]);
    expect(frame).toEqual({ type: 40, flags: 7, header: "grüße €", sections });
  });

  test("has the documented bytes", () => {
    expect([...encodeFrame(4, 1, "hi", [new Uint8Array([5])])]).toEqual(
      [15, 0, 0, 0, 4, 1, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 104, 105, 5],
    );
  });

  test("may be empty", () => {
    expect(parse([encodeFrame(1, 0, "")])).toEqual([{ type: 1, flags: 0, header: "", sections: [] }]);
  });

  test("inside one chunk is a view of it; one that spans chunks is whole all the same", () => {
    const bytes = encodeFrame(40, 0, new Uint8Array(0), [new Uint8Array([1, 2])]);
    const [frame] = parse([bytes]);
    expect(frame!.sections[0]!.buffer).toBe(bytes.buffer);
    const [split] = parse([bytes.subarray(0, 15), bytes.subarray(15)]);
    expect(split!.sections[0]).toEqual(new Uint8Array([1, 2]));
  });

  test("gives a relay its bytes as they were", () => {
    const bytes = encodeFrame(33, 2, "push", [new Uint8Array([8, 9])]);
    const writer = new FrameWriter();
    const parser = new FrameParser(() => writer.appendEncoded(parser.frameBytes()));
    parser.push(join([bytes, bytes]));
    expect(join(writer.take())).toEqual(join([bytes, bytes]));
  });
});

describe("a batch", () => {
  test("of many small frames is one chunk", () => {
    const writer = new FrameWriter();
    for (let index = 0; index < 100; index++) writer.append(40, 0, `frame ${index}`);
    const chunks = writer.take();
    expect(chunks.length).toBe(1);
    expect(parse(chunks).map((frame) => frame.header)).toEqual(
      Array.from({ length: 100 }, (_, index) => `frame ${index}`),
    );
    expect(writer.pendingBytes).toBe(0);
    expect(writer.take()).toEqual([]);
  });

  test("passes large sections through by reference", () => {
    const writer = new FrameWriter();
    const large = new Uint8Array(SECTION_BY_REFERENCE_BYTES);
    writer.append(40, 0, "a", [new Uint8Array([1]), large, new Uint8Array([2])]);
    const chunks = writer.take();
    expect(chunks.some((chunk) => chunk.buffer === large.buffer)).toBe(true);
    expect(parse(chunks)[0]!.sections.map((section) => section.length)).toEqual([1, large.length, 1]);
  });

  test("that was taken is never written again", () => {
    const writer = new FrameWriter();
    writer.append(40, 0, "first");
    const first = join(writer.take());
    const kept = first.slice();
    for (let index = 0; index < 5_000; index++) writer.append(40, 0, `later ${index}`);
    writer.take();
    expect(first).toEqual(kept);
  });

  test("refuses what no receiver would take, and says the limit", () => {
    const writer = new FrameWriter();
    const sections = Array.from({ length: 2 }, () => new Uint8Array(40 * 1024 * 1024));
    expect(() => writer.append(40, 0, "", sections)).toThrow(/frame has 83886100 bytes, limit 67108864/);
    expect(() => writer.append(40, 0, new Uint8Array(17 * 1024 * 1024))).toThrow(
      /frame header has 17825792 bytes/,
    );
    expect(() => writer.append(40, 0, "", new Array(5_000).fill(new Uint8Array(0)))).toThrow(/5000 sections/);
    expect(writer.pendingBytes).toBe(0);
  });
});

describe("chunks may be cut anywhere", () => {
  test("byte by byte", () => {
    const bytes = join([encodeFrame(40, 0, "one", [new Uint8Array([1])]), encodeFrame(41, 0, "two")]);
    const frames = parse([...bytes].map((byte) => new Uint8Array([byte])));
    expect(frames.map((frame) => frame.header)).toEqual(["one", "two"]);
  });

  test("at random", () => {
    const seed = Date.now() >>> 0;
    console.log(`frames.test seed ${seed}`);
    const prng = new Prng(seed);
    const below = (limit: number): number => prng.below(limit);
    for (let round = 0; round < 200; round++) {
      const writer = new FrameWriter();
      const sent: Frame[] = [];
      for (let count = below(20); count >= 0; count--) {
        const header = "é".repeat(below(100));
        const sections = Array.from(
          { length: below(4) },
          () => new Uint8Array(below(10) === 0 ? 40_000 : below(200)).fill(below(256)),
        );
        const frame = { type: 1 + below(255), flags: below(256), header, sections };
        sent.push(frame);
        writer.append(frame.type, frame.flags, header, sections);
      }
      const bytes = join(writer.take());
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < bytes.length;) {
        const length = 1 + below(below(3) === 0 ? 20 : 50_000);
        chunks.push(bytes.subarray(at, at + length));
        at += length;
      }
      expect(parse(chunks)).toEqual(sent);
    }
  });
});

describe("what is not a frame is a ProtocolError", () => {
  const altered = (change: (bytes: Uint8Array) => void): Uint8Array => {
    const bytes = encodeFrame(40, 0, "header", [new Uint8Array([1, 2, 3])]);
    change(bytes);
    return bytes;
  };
  const cases: [string, Uint8Array][] = [
    ["frame of 4294967299 bytes, limit", altered((bytes) => bytes.fill(255, 0, 4))],
    ["frame of type 0", altered((bytes) => bytes.fill(0, 4, 5))],
    ["sections, limit 4096", altered((bytes) => bytes.fill(255, 6, 8))],
    ["frame header of", altered((bytes) => bytes.fill(255, 8, 12))],
    ["whose parts need at least", altered((bytes) => bytes.set([30], 8))],
    ["section 0 ends after its frame", altered((bytes) => bytes.set([200], FRAME_PREFIX_BYTES))],
    ["whose parts have", altered((bytes) => bytes.set([1], FRAME_PREFIX_BYTES))],
  ];
  for (const [message, bytes] of cases) {
    test(message, () => {
      expect(() => parse([bytes])).toThrow(ProtocolError);
      expect(() => parse([bytes])).toThrow(message);
    });
  }

  test("and nothing is reserved for a frame over the limit, however slowly it comes", () => {
    const limits = { ...FRAME_LIMITS, frameBytesMax: 100 };
    const bytes = encodeFrame(40, 0, "x".repeat(100));
    expect(() => parse([bytes.subarray(0, 5), bytes.subarray(5, 12)], limits)).toThrow("limit 100");
  });

  test("after it the parser hands nothing out any more", () => {
    let count = 0;
    const parser = new FrameParser(() => count += 1);
    expect(() => parser.push(new Uint8Array(64).fill(255))).toThrow(ProtocolError);
    parser.push(encodeFrame(40, 0, "late"));
    expect(count).toBe(0);
  });

  test("random bytes never do anything else than that", () => {
    const seed = Date.now() >>> 0;
    console.log(`frames.test seed ${seed}`);
    const prng = new Prng(seed);
    const limits = { frameBytesMax: 10_000, headerBytesMax: 1_000, sectionsMax: 10 };
    for (let round = 0; round < 2_000; round++) {
      const bytes = encodeFrame(40, 0, "header", [new Uint8Array(50)]);
      for (let flips = 0; flips < 3; flips++) {
        bytes[prng.below(bytes.length)] = prng.below(256);
      }
      try {
        parse([bytes], limits);
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }
  });
});
