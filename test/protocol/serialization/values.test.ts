/**
 * Goal: every kind of value comes back as it was, and old bytes stay readable.
 * Method: the sample values both ways, compared by description; then a table of bytes and values that is never edited.
 */
import { describe as group, expect, test } from "bun:test";
import {
  ByteReader,
  ByteWriter,
  decodeFromBytes,
  decodeValue,
  encodeThrown,
  encodeToBytes,
  encodeValue,
} from "../../../runtime/protocol/serialization/mod.ts";
import { describe, sampleValues } from "./sample_values.ts";

group("every kind of value comes back as it was", () => {
  for (const name of Object.keys(sampleValues())) {
    test(name, () => {
      const value = sampleValues()[name];
      const wanted = describe(value);
      expect(describe(decodeFromBytes(encodeToBytes(value)))).toBe(wanted);
      expect(describe(value)).toBe(wanted);
      // Out of band, as for the object store.
      const writer = new ByteWriter();
      const buffers: Uint8Array[] = [];
      encodeValue(writer, { value }, { buffers });
      const copies = buffers.map((bytes) => bytes.slice().buffer as ArrayBuffer);
      const decoded = decodeValue(new ByteReader(writer.bytes()), { buffers: copies }) as { value: unknown };
      expect(describe(decoded.value)).toBe(wanted);
    });
  }
});

/** What version 1 wrote; these rows decode for ever. */
const WIRE: readonly [hex: string, value: unknown][] = [
  ["00", undefined],
  ["01", null],
  ["02", false],
  ["03", true],
  ["c0", 0],
  ["ff", 63],
  ["048001", 64],
  ["0401", -1],
  ["04ffffffff0f", -(2 ** 31)],
  ["050000000000000080", -0],
  ["05000000000000f83f", 1.5],
  ["06ffffffffffffffff", -1n],
  ["07442d38303030303030303030303030303031", -(2n ** 63n) - 1n],
  ["80", ""],
  ["826869", "hi"],
  ["81e9", "é"],
  ["08" + "8980808000" + "c480", "Ā"],
  ["08" + "0a" + "00d8", "\ud800"],
  ["0a02c1c2", [1, 2]],
  ["0a03c10b01c3", [1, , 3]],
  ["0c01" + "0461" + "c1", { a: 1 }],
  ["0a02" + "0c010461c1" + "0d00c2", [{ a: 1 }, { a: 2 }]],
  [
    "0a02" + "0a00" + "0901",
    (() => {
      const inner: unknown[] = [];
      return [inner, inner];
    })(),
  ],
  ["0f01" + "0461" + "c1", Object.assign(Object.create(null), { a: 1 })],
  ["10" + "0000000000000000", new Date(0)],
  ["1104610467", /a/g],
  ["1201c1c2", new Map([[1, 2]])],
  ["1301c1", new Set([1])],
  ["140402" + "0102", new Uint8Array([1, 2])],
  ["16c1", Object(1)],
  ["182c" + Buffer.from("http://x/y/").toString("hex"), new URL("http://x/y/")],
];

group("bytes that were once written stay readable", () => {
  for (const [hex, value] of WIRE) {
    test(`${hex} is ${describe(value)}`, () => {
      expect(describe(decodeFromBytes(Buffer.from(hex, "hex")))).toBe(describe(value));
      expect(Buffer.from(encodeToBytes(value)).toString("hex")).toBe(hex);
    });
  }
});

group("binary values", () => {
  test("a subarray travels as its own range, and arrives over a buffer of its own", () => {
    const big = new Float64Array(10_000).fill(3);
    const bytes = encodeToBytes(big.subarray(10, 12));
    expect(bytes.length).toBeLessThan(30);
    const back = decodeFromBytes(bytes) as Float64Array;
    expect([...back]).toEqual([3, 3]);
    expect([back.byteOffset, back.buffer.byteLength]).toEqual([0, 16]);
    const first = decodeFromBytes(bytes) as Float64Array;
    first[0] = 9;
    expect((decodeFromBytes(bytes) as Float64Array)[0]).toBe(3);
  });

  test("from 1 KiB on they go out of band, uncopied, and come back over the given buffer", () => {
    const large = new Uint8Array(1024).fill(5);
    const small = new Uint8Array(1023);
    const buffers: Uint8Array[] = [];
    const writer = new ByteWriter();
    encodeValue(writer, [large, small, large, large.buffer], { buffers });
    expect(buffers.length).toBe(2); // The same view twice is one; its ArrayBuffer is another value.
    expect(buffers[0]!.buffer).toBe(large.buffer);
    expect(writer.position).toBeLessThan(1100);
    const given = buffers.map((bytes) => bytes.slice().buffer as ArrayBuffer);
    const [a, , b] = decodeValue(new ByteReader(writer.bytes()), { buffers: given }) as Uint8Array[];
    expect(a).toBe(b!);
    expect(a!.buffer as ArrayBuffer).toBe(given[0]!);
  });

  test("a Buffer comes back as a Buffer, also one from the pool", () => {
    const back = decodeFromBytes(encodeToBytes([Buffer.from("pooled"), Buffer.alloc(3, 1)])) as Buffer[];
    expect(back.map((buffer) => Buffer.isBuffer(buffer) && buffer.toString("latin1"))).toEqual([
      "pooled",
      "\x01\x01\x01",
    ]);
  });
});

group("objects", () => {
  test("reading is plain: getters are called once, inherited and symbol keys stay, proxies are read through", () => {
    let calls = 0;
    const value = {
      get once() {
        calls++;
        return { calls };
      },
      [Symbol("hidden")]: 1,
    };
    Object.defineProperty(value, "invisible", { value: 1, enumerable: false });
    const proxy = new Proxy([1, { a: value }], {});
    expect(decodeFromBytes(encodeToBytes(proxy)) as unknown).toEqual([1, { a: { once: { calls: 1 } } }]);
    expect(calls).toBe(1);
  });

  test("an object that inherits from a plain one is plain, as in structured clone", () => {
    expect(
      decodeFromBytes(
        encodeToBytes(Object.create({ inherited: 1 }, { own: { value: 2, enumerable: true } })),
      ),
    ).toEqual({
      own: 2,
    });
  });

  test("a getter that encodes in turn does not disturb the value around it", () => {
    const value = {
      before: [1],
      get inner() {
        return [...encodeToBytes({ deep: { before: [1] } })];
      },
      after: { x: 1 },
    };
    const back = decodeFromBytes(encodeToBytes(value)) as typeof value;
    expect(decodeFromBytes(Uint8Array.from(back.inner))).toEqual({ deep: { before: [1] } });
    expect([back.before, back.after] as unknown).toEqual([[1], { x: 1 }]);
  });

  test("many shared references keep their identity", () => {
    const items = Array.from({ length: 500 }, (_, i) => ({ i }));
    const back = decodeFromBytes(encodeToBytes([...items, ...items])) as object[];
    for (let i = 0; i < 500; i++) expect(back[i]).toBe(back[i + 500]!);
    expect(new Set(back).size).toBe(500);
  });

  test("values follow each other in one buffer, and a refused one leaves no trace", () => {
    const writer = new ByteWriter(4);
    const buffers: Uint8Array[] = [];
    encodeValue(writer, { a: 1 });
    const before = writer.position;
    const bad = [1, "text", new Uint8Array(2000), () => 1];
    expect(() => encodeValue(writer, bad, { buffers })).toThrow(TypeError);
    expect([writer.position, buffers.length]).toEqual([before, 0]);
    encodeValue(writer, { a: 2 });
    const reader = new ByteReader(writer.bytes());
    expect([decodeValue(reader), decodeValue(reader), reader.remaining]).toEqual([{ a: 1 }, { a: 2 }, 0]);
  });
});

group("errors", () => {
  test("stacks are the thrower's, and the fields are own properties as before", () => {
    const error = Object.assign(new TypeError("x"), { code: "E_X" });
    const back = decodeFromBytes(encodeToBytes(error)) as typeof error;
    expect(back.stack).toBe(error.stack!);
    expect(Object.keys(back)).toEqual(["code"]);
    expect(Object.getOwnPropertyDescriptor(back, "message")?.enumerable).toBe(false);
    expect("cause" in back).toBe(false);
  });

  test("an error that arrived keeps its class names when it travels on", () => {
    class Custom extends RangeError {}
    const once = decodeFromBytes(encodeToBytes(new Custom("x")));
    const twice = decodeFromBytes(encodeToBytes(once));
    expect(describe(twice)).toBe(describe(new Custom("x")));
    expect(twice).toBeInstanceOf(RangeError);
  });

  test("whatever was thrown can be encoded: what cannot travel becomes a text", () => {
    const socket = { write() {} };
    const error = Object.assign(new Error("no answer", { cause: new WeakMap() }), {
      request: { socket, promise: Promise.resolve() },
      status: 500,
      kind: Symbol("kind"),
    });
    const hostile = Object.defineProperty(new Error("hostile"), "field", {
      enumerable: true,
      get() {
        throw new Error("a getter that throws");
      },
    });
    const writer = new ByteWriter();
    const through = (thrown: unknown): unknown => {
      writer.reset();
      encodeThrown(writer, thrown);
      return decodeFromBytes(writer.bytes());
    };
    const back = through(error) as typeof error;
    expect([back.message, back.cause as unknown, { ...back } as unknown]).toEqual([
      "no answer",
      "[a WeakMap]",
      {
        request: { socket: { write: "[a function]" }, promise: "[a Promise]" },
        status: 500,
        kind: "[a symbol (Symbol(kind))]",
      },
    ]);
    expect((through(hostile) as Error).message).toBe("hostile");
    expect(through(Symbol("s"))).toBe("[a symbol (Symbol(s))]");
    expect(through(undefined)).toBe(undefined);
  });
});
