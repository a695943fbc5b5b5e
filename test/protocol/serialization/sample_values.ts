/**
 * Values of every kind that may travel, by name, and `describe`, a text that two values have in common exactly when they
 * are the same to a user: types, contents, sharing and cycles. Both are used by tests and by the program that runs under
 * the three runtimes.
 * @module
 */
import { NameTakenError, ObjectLostError, taskErrorOf } from "../../../runtime/common/errors.ts";
import { userClassNames } from "../../../runtime/common/error_matching.ts";

class AppError extends Error {}
class ValidationError extends AppError {
  field = "email";
  problems = [{ code: 1 }, new Map([["a", 1]])];
}
class OddRangeError extends RangeError {
  override name = "Odd";
}

/** Fresh values at each call. */
export function sampleValues(): Record<string, unknown> {
  const shared = { s: 1 };
  const cyclic: Record<string, unknown> = { name: "loop" };
  cyclic.self = cyclic;
  cyclic.list = [cyclic, [cyclic]];
  const mapLoop = new Map<unknown, unknown>();
  mapLoop.set(mapLoop, mapLoop);
  const setLoop = new Set<unknown>();
  setLoop.add(setLoop).add([setLoop]);
  const errorLoop: Error & { self?: unknown } = new Error("loop");
  errorLoop.cause = errorLoop;
  errorLoop.self = { errorLoop };
  const sparse: unknown[] = [1, , 3, undefined, , ,]; // deno-lint-ignore no-sparse-arrays
  const far: unknown[] = [];
  far[4_000_000_000] = "far";
  far[7] = "near";
  const buffer = Uint8Array.from({ length: 64 }, (_, i) => i).buffer;
  const sharedMemory = new SharedArrayBuffer(8);
  new Uint8Array(sharedMemory).fill(7);
  const bytes = new Uint8Array([1, 2, 3]);
  return {
    undefined,
    null: null,
    true: true,
    false: false,
    numbers: [
      0,
      -0,
      1,
      63,
      64,
      -1,
      -64,
      127,
      128,
      300,
      65536,
      2 ** 31 - 1,
      2 ** 31,
      -(2 ** 31),
      -(2 ** 31) - 1,
      2 ** 53,
      1e300,
    ],
    fractions: [0.1, -1.5, NaN, Infinity, -Infinity, Number.MIN_VALUE, Number.MAX_VALUE],
    bigints: [0n, -1n, 2n ** 63n - 1n, 2n ** 63n, -(2n ** 63n), -(2n ** 63n) - 1n, 10n ** 50n, -(10n ** 50n)],
    texts: [
      "",
      "a",
      "é",
      "ÿ",
      "Ā",
      "日本語",
      "😀",
      "\0",
      "\u{feff}bom",
      "a".repeat(63),
      "b".repeat(64),
      "c".repeat(97),
      "ü".repeat(97),
      "語".repeat(40),
      "z".repeat(5000),
      "😀".repeat(3000),
    ],
    loneSurrogates: ["\ud800", "x\udc00y", "\ud800".repeat(200), "\udc00\ud800"],
    emptyArray: [],
    sparse,
    far,
    arrayOfHoles: new Array(3),
    nested: [[[[]]], [{}], [[1], { a: [2] }]],
    emptyObject: {},
    object: { a: 1, "b c": "x", 7: "seven", "": 0, ü: 1, constructor: 1, toString: 2, hasOwnProperty: 3 },
    records: [{ id: 1, name: "x" }, { id: 2, name: "y" }, { name: "z", id: 3 }, { id: 4 }, {
      id: 5,
      name: "v",
    }],
    wideObject: Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`k${i}`, i])),
    manyShapes: Array.from({ length: 300 }, (_, i) => ({ [`only${i}`]: i })),
    protoKey: JSON.parse('{"__proto__": {"polluted": true}, "a": 1}'),
    wideProtoKey: JSON.parse(
      `{${Array.from({ length: 40 }, (_, i) => `"w${i}":${i},`).join("")}"__proto__":1}`,
    ),
    bare: Object.assign(Object.create(null), { a: 1, toString: "text" }),
    shared: [shared, shared, { again: shared }],
    cyclic,
    mapLoop,
    setLoop,
    dates: [new Date(0), new Date(-1), new Date(1.7e12), new Date(NaN)],
    regexps: [/a/, /[/]\/\n/giu, /(?<year>\d+)/dsvy, new RegExp("")],
    map: new Map<unknown, unknown>([[1, "a"], ["k", { v: 1 }], [{ key: 1 }, [2]], [NaN, undefined], [
      null,
      null,
    ]]),
    set: new Set<unknown>([1, "1", {}, [1], new Set([2])]),
    match: "2026-11-23".match(/(?<year>\d+)-(\d+)/),
    arrayBuffer: buffer.slice(0, 16),
    emptyBuffer: new ArrayBuffer(0),
    sharedMemory,
    dataView: new DataView(buffer, 8, 4),
    views: [
      new Int8Array([-1, 2]),
      new Uint8Array([1, 255]),
      new Uint8ClampedArray([300, 3]),
      new Int16Array([-300]),
      new Uint16Array([65535]),
      new Int32Array([-(2 ** 31)]),
      new Uint32Array([2 ** 32 - 1]),
      new Float32Array([1.5, NaN]),
      new Float64Array([Math.PI, -0]),
      new BigInt64Array([-(2n ** 63n)]),
      new BigUint64Array([2n ** 64n - 1n]),
      new Float16Array([0.5]),
      new Float64Array(0),
    ],
    subarray: new Uint16Array(buffer).subarray(3, 6),
    sameView: [bytes, bytes],
    nodeBuffer: Buffer.from("hello"),
    boxed: [Object(1), Object("text"), Object(true), Object(10n), Object(-0)],
    url: new URL("https://user@example.com:8080/p/a?q=1#h"),
    error: new Error("plain"),
    errorKinds: [
      new TypeError("t"),
      new RangeError("r"),
      new SyntaxError("s"),
      new ReferenceError("f"),
      new EvalError("e"),
      new URIError("u"),
      new OddRangeError("odd"),
    ],
    errorWithFields: new ValidationError("invalid", {
      cause: new TypeError("inner", { cause: { reason: [1, 2] } }),
    }),
    errorCauseUndefined: new Error("x", { cause: undefined }),
    aggregate: new AggregateError([new Error("a"), 1, new ValidationError("b")], "many"),
    errorLoop,
    domException: new DOMException("stopped", "AbortError"),
    ours: [new NameTakenError("taken"), new ObjectLostError("lost", { objectId: "o-1", cause: "node died" })],
    taskError: taskErrorOf(new ValidationError("bad"), {
      taskName: "check",
      taskId: "t-1",
      nodeId: "n-1",
      attempt: 3,
    }),
  };
}

/** See the module's header. Stacks are not compared. */
export function describe(value: unknown, seen: Map<object, number> = new Map()): string {
  if (typeof value === "string") {
    return [...value].some((c) => c > "~" || c < " ") ? escape16(value) : JSON.stringify(value);
  }
  if (typeof value === "bigint") return `${value}n`;
  if (Object.is(value, -0)) return "-0";
  if (typeof value !== "object" || value === null) return String(value);
  const known = seen.get(value);
  if (known !== undefined) return `#${known}`;
  seen.set(value, seen.size);
  const inner = (item: unknown): string => describe(item, seen);
  const fields = (keys = Object.keys(value)): string =>
    keys.map((key) => `${escape16(key)}:${inner((value as Record<string, unknown>)[key])}`).join(",");
  const kind = value.constructor?.name ?? "bare";
  if (value instanceof Error || value instanceof DOMException) {
    const { cause, errors } = value as { cause?: unknown; errors?: unknown };
    const parts = [
      "cause" in value ? `cause=${inner(cause)}` : "",
      errors === undefined ? "" : `errors=${inner(errors)}`,
    ];
    return `${userClassNames(value).join("<")}(${value.name}|${value.message}|${parts.join("|")}|${
      fields(Object.keys(value).sort())
    })`;
  }
  if (value instanceof Map) {
    return `Map(${[...value].map(([key, item]) => `${inner(key)}=>${inner(item)}`).join(",")})`;
  }
  if (value instanceof Set) return `Set(${[...value].map(inner).join(",")})`;
  if (value instanceof Date) return `Date(${value.getTime()})`;
  if (value instanceof RegExp || value instanceof URL) return `${kind}(${value})`;
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    return `${kind}(${new Uint8Array(value)})`;
  }
  if (ArrayBuffer.isView(value)) {
    return `${kind}(${new Uint8Array(value.buffer, value.byteOffset, value.byteLength)})`;
  }
  if (Array.isArray(value)) return `Array${value.length}(${fields()})`;
  if (Object.prototype.toString.call(value) !== "[object Object]" && value.constructor !== undefined) {
    return `boxed ${kind}(${describe(value.valueOf())})`;
  }
  return `${Object.getPrototypeOf(value) === null ? "bare" : ""}{${fields()}}`;
}

function escape16(text: string): string {
  let escaped = "";
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    escaped += unit >= 0x20 && unit < 0x7f ? text[i] : `\\u${unit.toString(16).padStart(4, "0")}`;
  }
  return `"${escaped}"`;
}
