/**
 * Goal: what cannot travel is refused with the path to it and the way out. Messages are compared in full.
 */
import { describe, expect, test } from "bun:test";
import {
  ByteReader,
  ByteWriter,
  ClassRegistry,
  decodeFromBytes,
  decodeValue,
  encodeToBytes,
  encodeValue,
  MissingCodecError,
  type ValueExtension,
} from "../../../runtime/protocol/serialization/mod.ts";

function refusal(value: unknown, path = "args[1]"): string {
  try {
    encodeToBytes(value, { path });
  } catch (error) {
    return `${(error as Error).constructor.name}: ${(error as Error).message}`;
  }
  return "no error";
}

class Connection {
  port = 1;
}
function* numbers(): Generator<number> {
  yield 1;
}
async function* pages(): AsyncGenerator<number> {
  yield 1;
}
const FUNCTION = "a function: functions do not travel as values, pass data or a remote function";

describe("what cannot travel is named with its path", () => {
  const cases: [value: unknown, message: string][] = [
    [{ conn: { socket: () => {} } }, `TypeError: args[1].conn.socket is ${FUNCTION}`],
    [() => {}, `TypeError: args[1] is ${FUNCTION}`],
    [[1, [{ "a b": class {} }]], `TypeError: args[1][1][0]["a b"] is ${FUNCTION}`],
    [{ "0": [Math.max] }, `TypeError: args[1]["0"][0] is ${FUNCTION}`],
    [[, 1, , Math.max], `TypeError: args[1][3] is ${FUNCTION}`],
    [new Map([["key", Math.max]]), `TypeError: args[1].get("key") is ${FUNCTION}`],
    [new Map([["x".repeat(50), Math.max]]), `TypeError: args[1].get("${"x".repeat(40)}…") is ${FUNCTION}`],
    [new Map([[{}, Math.max]]), `TypeError: args[1].get({…}) is ${FUNCTION}`],
    [new Map([[Math.max, 1]]), `TypeError: args[1] (a key of the Map) is ${FUNCTION}`],
    [{ tags: new Set([1, Math.max]) }, `TypeError: args[1].tags (member 1 of the Set) is ${FUNCTION}`],
    [new Error("x", { cause: { f: Math.max } }), `TypeError: args[1].cause.f is ${FUNCTION}`],
    [Object.assign(new Error("x"), { retry: Math.max }), `TypeError: args[1].retry is ${FUNCTION}`],
    [new AggregateError([Math.max]), `TypeError: args[1].errors[0] is ${FUNCTION}`],
    [Object.assign(Object.create(null), { f: Math.max }), `TypeError: args[1].f is ${FUNCTION}`],
    [
      [Symbol("s")],
      "TypeError: args[1][0] is a symbol (Symbol(s)), which means something only in its own process",
    ],
    [
      Object(Symbol("s")),
      "TypeError: args[1] is an instance of class Symbol, which has no codec: registerClass(Symbol, " +
      "{ encode, decode }), or pass plain data",
    ],
    [
      { c: new Connection() },
      "TypeError: args[1].c is an instance of class Connection, which has no codec: " +
      "registerClass(Connection, { encode, decode }), or pass plain data",
    ],
    [
      new (class extends Map {})(),
      "TypeError: args[1] is an instance of an anonymous class: pass plain data, or name the " +
      "class and give it a codec with registerClass",
    ],
    [
      new (class Bytes extends Uint8Array {})(1),
      "TypeError: args[1] is an instance of class Bytes, which has no codec: " +
      "registerClass(Bytes, { encode, decode }), or pass plain data",
    ],
    [Promise.resolve(1), "TypeError: args[1] is a Promise: await it first"],
    [
      numbers(),
      "TypeError: args[1] is a Generator: collect its items, or return it from a remote generator function",
    ],
    [
      pages(),
      "TypeError: args[1] is a AsyncGenerator: collect its items, or return it from a remote generator function",
    ],
    [new Blob(["x"]), "TypeError: args[1] is a Blob: pass `await blob.bytes()`"],
    [new Headers(), "TypeError: args[1] is a Headers: pass `Object.fromEntries(headers)`"],
    [new WeakMap(), "TypeError: args[1] is a WeakMap: weak collections belong to one process"],
  ];
  for (const [value, message] of cases) test(message, () => expect(refusal(value)).toBe(message));

  test("a detached ArrayBuffer", () => {
    const buffer = new ArrayBuffer(8);
    const view = new Uint8Array(buffer);
    structuredClone(buffer, { transfer: [buffer] });
    expect(refusal(buffer)).toBe("TypeError: args[1] is a detached ArrayBuffer: it was transferred away");
    expect(refusal({ view })).toBe(
      "TypeError: args[1].view is a view of a detached ArrayBuffer: it was transferred away",
    );
  });

  test("nesting deeper than the limit is a RangeError, up to it is fine", () => {
    const nested = (depth: number): unknown => {
      let value: unknown = 1;
      for (let i = 0; i < depth; i++) value = [value];
      return value;
    };
    expect(refusal(nested(1001))).toBe(
      "RangeError: args[1] is nested deeper than 1000 levels: use arrays instead of long chains",
    );
    expect(decodeFromBytes(encodeToBytes(nested(1000)))).toEqual(nested(1000));
    expect(decodeFromBytes(encodeToBytes(nested(2000), { describe: true }))).toBeArray();
  });

  test("a bigint beyond the engines' common limit is a RangeError", () => {
    expect(refusal(2n ** 1_048_500n)).toBe("no error");
    if (process.versions.bun === undefined) expect(refusal(2n ** 1_100_000n)).toContain("RangeError");
  });
});

class Point {
  readonly x: number;
  readonly y: number;
  constructor(x: number, y: number) {
    this.x = x;
    this.y = y;
  }
}
class Node {
  parent: Node | null = null;
}

function registryWith(): ClassRegistry {
  const registry = new ClassRegistry();
  registry.add({
    cls: Point,
    name: "Point",
    hash: "hash-of-point",
    codec: { encode: (p: Point) => [p.x, p.y], decode: ([x, y]: [number, number]) => new Point(x, y) },
  });
  registry.add({
    cls: Node,
    name: "Node",
    hash: "hash-of-node",
    codec: { encode: (n: Node) => ({ parent: n.parent }), decode: (d: Node) => Object.assign(new Node(), d) },
  });
  return registry;
}

describe("registered classes", () => {
  const registry = registryWith();

  test("instances arrive as instances, shared ones once, the class named once a message", () => {
    const point = new Point(1, 2);
    const value = [point, point, ...Array.from({ length: 50 }, (_, i) => new Point(i, i))];
    const bytes = encodeToBytes(value, { registry });
    const back = decodeFromBytes(bytes, { registry }) as Point[];
    expect(back).toEqual(value);
    expect(back[0]).toBeInstanceOf(Point);
    expect(back[0]).toBe(back[1]!);
    expect(bytes.length).toBeLessThan(52 * 7 + 30);
  });

  test("a chain of instances travels, one that contains itself is refused", () => {
    const child = new Node();
    child.parent = new Node();
    expect((decodeFromBytes(encodeToBytes(child, { registry }), { registry }) as Node).parent).toBeInstanceOf(
      Node,
    );
    child.parent.parent = child;
    expect(() => encodeToBytes(child, { registry })).toThrow(
      "value (as its codec encodes it).parent (as its codec encodes it).parent contains itself through its codec: encode " +
        "must leave such a link out",
    );
  });

  test("a subclass is another class", () => {
    class Point3 extends Point {}
    expect(() => encodeToBytes(new Point3(1, 2), { registry })).toThrow(
      "an instance of class Point3, which has no codec",
    );
  });

  test("a missing codec is named by its hash, and decoding works once it is there", () => {
    const bytes = encodeToBytes([1, new Point(1, 2)], { registry });
    const other = new ClassRegistry();
    const reader = new ByteReader(bytes);
    let missing: unknown;
    try {
      decodeValue(reader, { registry: other });
    } catch (error) {
      missing = error;
    }
    expect(missing).toBeInstanceOf(MissingCodecError);
    expect(missing).toMatchObject({ hash: "hash-of-point", className: "Point", code: "MissingCodecError" });
    other.add(registry.forHash("hash-of-point")!);
    expect(decodeValue(reader, { registry: other })).toEqual([1, new Point(1, 2)]);
  });

  test("a class that is registered anew encodes with its new codec, and what is under way decodes with the old one", () => {
    const own = registryWith();
    const old = encodeToBytes(new Point(1, 2), { registry: own });
    own.add({
      cls: Point,
      name: "Point",
      hash: "second",
      codec: { encode: (p: Point) => ({ x: p.x }), decode: ({ x }: Point) => new Point(x, 0) },
    });
    expect(decodeFromBytes(encodeToBytes(new Point(1, 2), { registry: own }), { registry: own })).toEqual(
      new Point(1, 0),
    );
    expect(decodeFromBytes(old, { registry: own })).toEqual(new Point(1, 2));
  });

  test("what a codec throws is the cause of an error that names class and path", () => {
    const own = new ClassRegistry();
    const boom = (): never => {
      throw new RangeError("boom");
    };
    own.add({ cls: Point, name: "Point", hash: "h", codec: { encode: boom, decode: boom } });
    expect(() => encodeToBytes({ p: new Point(1, 2) }, { registry: own, path: "args[0]" })).toThrow(
      "args[0].p: the codec of class Point failed to encode it: boom",
    );
    own.add({ cls: Point, name: "Point", hash: "h2", codec: { encode: () => 1, decode: boom } });
    const bytes = encodeToBytes(new Point(1, 2), { registry: own });
    expect(() => decodeFromBytes(bytes, { registry: own })).toThrow(
      "the codec of class Point failed to decode: boom",
    );
  });
});

class Ref {
  readonly id: string;
  constructor(id: string) {
    this.id = id;
  }
}
const asked: unknown[] = [];
const extension: ValueExtension = {
  encode(value, context) {
    asked.push(value);
    if (value instanceof Ref) return { tag: "thing", data: { id: value.id, path: context.path } };
    if (typeof value === "function" && "remote" in value) return { tag: "fn", data: "f" };
    return undefined;
  },
  decode(tag, data) {
    return tag === "thing" ? new Ref((data as Ref).id) : { tag, data };
  },
};

describe("an extension", () => {
  test("is asked for objects with a prototype of their own and for functions, and told the path", () => {
    asked.length = 0;
    const ref = new Ref("o-1");
    const remote = Object.assign(() => 1, { remote: 1 });
    const value = { list: [1, {}, [], new Map([["k", ref]])], ref, remote };
    const back = decodeFromBytes(encodeToBytes(value, { extension, path: "args[0]" }), {
      extension,
    }) as typeof value;
    expect(asked).toEqual([ref, remote]);
    expect(back.ref).toBeInstanceOf(Ref);
    expect(back.ref).toBe((back.list[3] as Map<string, Ref>).get("k")!);
    expect(back.remote as unknown).toEqual({ tag: "fn", data: "f" });
  });

  test("refuses nothing by itself: what it does not know is refused as before", () => {
    expect(() => encodeToBytes([new Connection()], { extension })).toThrow("an instance of class Connection");
    expect(() => encodeToBytes(Math.max, { extension })).toThrow(`value is ${FUNCTION}`);
  });

  test("its values are refused where none is expected", () => {
    const writer = new ByteWriter();
    encodeValue(writer, new Ref("o-1"), { extension });
    expect(() => decodeValue(new ByteReader(writer.bytes()))).toThrow(
      "a value of kind thing is not expected here",
    );
  });

  test("its refs are written by owner and home, and come back as they were", () => {
    const homes = new Map<Ref, string>();
    const refs: ValueExtension = {
      encode: (value) =>
        value instanceof Ref ? { tag: "ref", data: [value.id, homes.get(value)!] } : undefined,
      decode: (tag, data) => [tag, ...data as string[]],
    };
    const make = (id: string, home: string): Ref => {
      const ref = new Ref(id);
      homes.set(ref, home);
      return ref;
    };
    const ids = ["o-aa-p1", "o-aa-1z.0", "o-bb-p1", "o-aa-p2", "without", "", "o-é-pä"];
    const value = ids.map((id) => make(id, id.includes("bb") ? "n-2" : "n-1"));
    // Its owner's node is gone, and another one counts it.
    const moved = make("o-aa-p3", "n-9");
    const bytes = encodeToBytes([...value, moved, value[0]], { extension: refs });
    const back = decodeFromBytes(bytes, { extension: refs }) as unknown[];
    const seen = ids.map((id) => ["ref", id, id.includes("bb") ? "n-2" : "n-1"]);
    expect(back).toEqual([...seen, ["ref", "o-aa-p3", "n-9"], seen[0]]);
    expect(back.at(-1)).toBe(back[0]);
    const thousand = Array.from(
      { length: 1_000 },
      (_, n) => make(`o-0123456789abcdef-p${n}`, "n-0123456789abcdef"),
    );
    expect(encodeToBytes(thousand, { extension: refs }).length).toBeLessThan(8_000);
    expect(() => decodeFromBytes(bytes)).toThrow("a value of kind ref is not expected here");
  });
});
