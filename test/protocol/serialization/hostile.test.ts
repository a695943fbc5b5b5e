/**
 * Goal: bytes from anyone do no harm: a typed error or a value, in bounded time and memory, prototypes untouched.
 * Method: crafted attacks; then random mutations of good bytes. A failure prints the seed: FUZZ_SEED=n repeats it.
 */
import { describe, expect, test } from "bun:test";
import { ProtocolError } from "../../../runtime/protocol/protocol_error.ts";
import {
  ByteReader,
  decodeFromBytes,
  decodeValue,
  encodeToBytes,
  MissingCodecError,
} from "../../../runtime/protocol/serialization/mod.ts";
import { sampleValues } from "./sample_values.ts";

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));
const ascii = (text: string): string => Buffer.from(text).toString("hex");

describe("crafted bytes", () => {
  const attacks: [what: string, bytes: string, message: string][] = [
    ["nothing", "", "truncated: 1 bytes announced at byte 0, 0 are left"],
    ["an unknown tag", "7f", "unknown tag 0x7f before byte 1"],
    ["holes outside of an array", "0b01", "unknown tag 0xb before byte 1"],
    ["a text longer than the bytes", "bf61", "truncated: 63 bytes announced at byte 1, 1 are left"],
    ["a text of 2^50 bytes", "08 80808080808080 04", "truncated: "],
    ["a number beyond 2^53", "04 ffffffffffffff7f", "a number before byte 9 is larger than 2^53 - 1"],
    ["a number without an end", "04 ffffffffffffffffff", "a number before byte 9 is larger than 2^53 - 1"],
    ["a 33-bit whole number", "04 ffffffff1f", "a whole number of more than 32 bits before byte 6"],
    ["broken UTF-8", "08 09 ffff", "text is not valid UTF-8"],
    ["an unknown text encoding", "08 03", "text before byte 2 has an unknown encoding"],
    ["half a UTF-16 unit", "08 06 61", "text before byte 2 has an unknown encoding"],
    ["an array longer than JavaScript allows", "0a 8080808010", "an array of 4294967296 elements"],
    ["a huge array without elements", "0a ffffff7f", "truncated: 1 bytes announced"],
    ["more holes than elements", "0a 02 0b 03", "3 holes in an array of 2"],
    ["holes that do not advance", "0a 02 0b 00", "0 holes in an array of 2"],
    ["a huge map", "12 ffffffff0f", "truncated: "],
    ["a huge set", "13 ffffffff0f", "truncated: "],
    ["a huge object", "0c ffffffff0f", "truncated: "],
    ["an unknown shape", "0d 05", "unknown shape before byte 2"],
    ["a reference to nothing", "09 00", "a reference to object 0, which is not there yet"],
    ["a reference to an error under way", "17 0900", "truncated: "],
    ["a boxed null", "16 01", "unknown tag 0x16 before byte 2"],
    ["a boxed object", "16 0a00", "unknown tag 0x16"],
    ["a RegExp that is none", `11 04 ${ascii("(")} 00`, "a malformed regular expression"],
    ["a URL that is none", `18 04 ${ascii("x")}`, "a malformed URL"],
    ["a bigint of code", `07 28 ${ascii("0;alert(1)")}`, "a malformed bigint"],
    ["a bigint that is none", `07 10 ${ascii("0xzz")}`, "a malformed bigint"],
    ["a typed array of a broken length", "14 0a 03 010203", "3 bytes are not a whole Float32Array"],
    ["an unknown binary kind", "14 40 00", "unknown kind of binary value: 64"],
    ["binary beyond the end", "14 04 ffffffff0f", "truncated: "],
    [
      "an out-of-band buffer that was not sent",
      "15 04 08 00",
      "an out-of-band buffer of 8 bytes is missing or shorter",
    ],
    ["an unknown error class", `17 14 ${ascii("Array")} 00 00 00 00`, "unknown kind of error: Array"],
    [
      "an error class on the prototype",
      `17 2c ${ascii("constructor")} 00 00 00 00`,
      "unknown kind of error: constructor",
    ],
    ["an error with a million names", `17 14 ${ascii("Error")} ${"c0843d"}`, "truncated: "],
    ["an extension's value", `1a 0c ${ascii("ref")} 00`, "a value of kind ref is not expected here"],
    ["a ref of an owner that was not named", "1c 01 00", "a ref of an unknown owner before byte 2"],
    ["a ref that ends early", `1c 00 0c ${ascii("o-1")} 0c`, "truncated: "],
    [
      "a match whose property is its length",
      `1b 00 0e 01 18 ${ascii("length")} c0`,
      "a match with a property length",
    ],
    ["a match without properties", "1b 00 00", "a match without its properties"],
    ["a class out of turn", "19 07", "unknown class before byte 2"],
    ["too deep nesting", "0a01".repeat(1200) + "00", "nested deeper than 1000 levels"],
    ["too deep boxes", "16".repeat(3000), "nested deeper than 1000 levels"],
    ["too deep maps", "120100".repeat(2000), "nested deeper than 1000 levels"],
  ];
  for (const [what, bytes, message] of attacks) {
    test(what, () => {
      let thrown: unknown;
      try {
        decodeFromBytes(hex(bytes));
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(ProtocolError);
      expect((thrown as Error).message).toContain(message);
    });
  }

  test("a __proto__ key becomes an own property, in shapes, dictionaries and errors", () => {
    for (const key of ["__proto__", "constructor", "prototype"]) {
      const entry = `01 ${(key.length * 4).toString(16)} ${ascii(key)} 0c 01 20 ${ascii("polluted")} 03`;
      const error = `17 14 ${ascii("Error")} 00 00 00 ${entry}`;
      for (const bytes of [`0c ${entry}`, `0e ${entry}`, error]) {
        const value = decodeFromBytes(hex(bytes)) as object;
        expect(Object.hasOwn(value, key)).toBe(true);
        expect((value as { polluted?: unknown }).polluted).toBe(undefined);
        expect(Object.getPrototypeOf(value)).toBe(bytes === error ? Error.prototype : Object.prototype);
      }
      expect((Object.prototype as { polluted?: unknown }).polluted).toBe(undefined);
    }
  });

  test("an array may claim many holes without taking memory for them", () => {
    const before = process.memoryUsage().rss;
    const value = decodeFromBytes(hex("0a ffffffff0f 0b ffffffff0f")) as unknown[];
    expect(value.length).toBe(0xffff_ffff);
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
  });

  test("a reader stops at its end, not at that of the buffer", () => {
    const reader = new ByteReader(hex("0a03c1c2c3"), 0, 4);
    expect(() => decodeValue(reader)).toThrow("truncated");
    expect(reader.position).toBe(0);
    const key = new ByteReader(hex("0c 01 10 61626364 00"), 0, 5);
    expect(() => decodeValue(key)).toThrow("truncated");
  });
});

/** A small generator of whole numbers (mulberry32), so that a failure repeats from its seed. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

function mutate(bytes: Uint8Array, next: (below: number) => number): Uint8Array {
  let result = bytes.slice();
  for (let i = 1 + next(4); i > 0; i--) {
    const at = next(result.length);
    switch (next(5)) {
      case 0:
        result[at] = next(256);
        break;
      case 1:
        result[at]! ^= 1 << next(8);
        break;
      case 2:
        result = result.slice(0, at + 1);
        break;
      case 3: // Repeat a stretch.
        result = new Uint8Array([
          ...result.slice(0, at),
          ...result.slice(next(at + 1), at),
          ...result.slice(at),
        ]);
        break;
      default: // A tag where another was.
        result[at] = next(0x20);
    }
  }
  return result;
}

test("random mutations give a value or a typed error, quickly, and leave the prototypes alone", () => {
  const seed = Number(process.env["FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  const samples = Object.values(sampleValues()).map((value) => encodeToBytes(value)).filter((bytes) =>
    bytes.length < 3000
  );
  const names = (object: object): string => Reflect.ownKeys(object).map(String).join();
  const prototypes = [Object.prototype, Array.prototype, Error.prototype, Function.prototype, Map.prototype];
  const before = prototypes.map(names);
  const next = random(seed);
  const counts = { values: 0, errors: 0 };
  const start = performance.now();
  for (let round = 0; round < 30_000; round++) {
    const bytes = mutate(samples[next(samples.length)]!, next);
    try {
      decodeFromBytes(bytes);
      counts.values++;
    } catch (error) {
      counts.errors++;
      if (error instanceof ProtocolError || error instanceof MissingCodecError) continue;
      throw new Error(`FUZZ_SEED=${seed} round ${round}: ${Buffer.from(bytes).toString("hex")}`, {
        cause: error,
      });
    }
  }
  const seconds = (performance.now() - start) / 1000;
  expect(prototypes.map(names)).toEqual(before);
  expect(counts.errors, `FUZZ_SEED=${seed}`).toBeGreaterThan(1000);
  expect(counts.values, `FUZZ_SEED=${seed}`).toBeGreaterThan(1000);
  expect(seconds, `FUZZ_SEED=${seed}`).toBeLessThan(20);
}, 30_000);
