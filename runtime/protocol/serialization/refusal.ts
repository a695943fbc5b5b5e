/**
 * What to say of a value that cannot travel: where it is, what it is, and what to do instead.
 * @module
 */

/** Keys that are not property names, for the path of a value. */
export const MAP_KEY: unique symbol = Symbol("map key");
export const CODEC_DATA: unique symbol = Symbol("codec data");

const TEXT_MAX = 40;

/** `args[1].conn.socket`: the root, then the key in each holder on the way down. */
export function formatPath(
  root: string,
  holders: readonly object[],
  keys: readonly unknown[],
  depth: number,
): string {
  let path = root;
  for (let i = 0; i < depth; i++) path += step(holders[i]!, keys[i]);
  return path;
}

function step(holder: object, key: unknown): string {
  if (key === MAP_KEY) return " (a key of the Map)";
  if (key === CODEC_DATA) return ` (as its codec encodes it)`;
  if (holder instanceof Map) return `.get(${shortText(key)})`;
  if (holder instanceof Set) return ` (member ${String(key)} of the Set)`;
  if (typeof key === "number") return `[${key}]`;
  return /^[A-Za-z_$][\w$]*$/.test(String(key)) ? `.${String(key)}` : `[${JSON.stringify(key)}]`;
}

function shortText(key: unknown): string {
  if (typeof key !== "string") return typeof key === "object" && key !== null ? "{…}" : String(key);
  return JSON.stringify(key.length > TEXT_MAX ? `${key.slice(0, TEXT_MAX)}…` : key);
}

/** Kinds that people try to send, and the way out of each. */
const WAYS_OUT: Readonly<Record<string, string>> = {
  Promise: "await it first",
  Blob: "pass `await blob.bytes()`",
  File: "pass its name and `await file.bytes()`",
  ReadableStream: "read it first, or return an async generator",
  WritableStream: "it belongs to this process",
  Request: "pass its url, method, headers and body as plain data",
  Response: "pass `await response.bytes()`, `text()` or `json()`",
  Headers: "pass `Object.fromEntries(headers)`",
  FormData: "pass `Object.fromEntries(formData)`",
  URLSearchParams: "pass its `toString()`",
  AbortSignal: "give it as the option `signal` of the call",
  Generator: "collect its items, or return it from a remote generator function",
  AsyncGenerator: "collect its items, or return it from a remote generator function",
  ObjectRefStream: "read it in the process that made it, and pass its refs or values on",
  WeakMap: "weak collections belong to one process",
  WeakSet: "weak collections belong to one process",
  WeakRef: "weak references belong to one process",
};

/** Continues "PATH is ". */
export function describeUnsupported(value: unknown): string {
  if (typeof value === "symbol") {
    return `a symbol (${value.toString()}), which means something only in its own process`;
  }
  if (typeof value === "function") {
    return "a function: functions do not travel as values, pass data or a remote function";
  }
  const name = classNameOf(value as object);
  const wayOut = Object.hasOwn(WAYS_OUT, name) ? WAYS_OUT[name] : undefined;
  if (wayOut !== undefined) return `a ${name}: ${wayOut}`;
  return name === ""
    ? "an instance of an anonymous class: pass plain data, or name the class and give it a codec with registerClass"
    : `an instance of class ${name}, which has no codec: registerClass(${name}, { encode, decode }), or pass plain data`;
}

function classNameOf(value: object): string {
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (tag === "Generator" || tag === "AsyncGenerator") return tag;
  for (
    let p = Object.getPrototypeOf(value);
    p !== null && p !== Object.prototype;
    p = Object.getPrototypeOf(p)
  ) {
    const cls = Object.hasOwn(p, "constructor") ? p.constructor as { name?: unknown } | undefined : undefined;
    if (cls !== undefined) return typeof cls.name === "string" ? cls.name : "";
  }
  return tag;
}
