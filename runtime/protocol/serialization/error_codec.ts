/**
 * Errors on the wire: the class to build, the names of the thrower's class and its bases (for `instanceof` by name), the
 * message, then flags for what follows: name, stack, cause, errors (of an AggregateError), own fields.
 *
 *   kind string, varint count, names; message string; u8 flags; [name string] [stack string] [cause] [errors] fields
 *
 * Fields are a dictionary's entries (varint count, then key and value in turns).
 * @module
 */
import { setClassNames, userClassNames } from "../../common/error_matching.ts";
import { errorCodeOf, errorOfCode, isErrorCode } from "../../common/errors.ts";
import { ProtocolError } from "../protocol_error.ts";
import type { Decoder } from "./decoder.ts";
import type { Encoder } from "./encoder.ts";
import { TAG_ERROR } from "./tags.ts";

const HAS_NAME = 1;
const HAS_STACK = 2;
const HAS_CAUSE = 4;
const HAS_ERRORS = 8;
const NAMES_MAX = 64;

const NATIVE = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
} as const;

/** Own properties that have their own place on the wire, or are the engine's notes on where it was made. */
const NOT_FIELDS: ReadonlySet<string> = new Set([
  "message",
  "stack",
  "line",
  "column",
  "sourceURL",
  "originalLine",
  "originalColumn",
]);

const nativeIsError = (Error as { isError?(value: unknown): boolean }).isError;

/** A real error object, of any realm. */
export function isError(value: object): boolean {
  return value instanceof Error || nativeIsError?.(value) === true;
}

function read(error: object, key: string): unknown {
  return (error as Record<string, unknown>)[key];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : value === undefined ? "" : String(value);
}

/** The nearest class that every process has. */
function kindOf(error: object): string {
  const ours = errorCodeOf(error);
  if (ours !== undefined) return ours;
  if (error instanceof AggregateError) return "AggregateError";
  for (let p = Object.getPrototypeOf(error); p !== null; p = Object.getPrototypeOf(p)) {
    if (p === DOMException.prototype) return "DOMException";
    for (const [name, cls] of Object.entries(NATIVE)) if (p === cls.prototype) return name;
  }
  const name = textOf(read(error, "name")); // An error of another realm.
  return Object.hasOwn(NATIVE, name) ? name : "Error";
}

export function encodeError(encoder: Encoder, error: Error): void {
  const { writer } = encoder;
  const kind = kindOf(error);
  const names = userClassNames(error);
  const name = textOf(error.name);
  const stack = error.stack;
  const hasErrors = kind === "AggregateError" || Object.hasOwn(error, "errors");
  encoder.remember(error);
  writer.u8(TAG_ERROR);
  writer.string(kind);
  writer.varint(names.length);
  for (const className of names) writer.string(className);
  writer.string(textOf(error.message));
  writer.u8(
    (name === kind ? 0 : HAS_NAME) | (typeof stack === "string" ? HAS_STACK : 0) |
      (Object.hasOwn(error, "cause") ? HAS_CAUSE : 0) | (hasErrors ? HAS_ERRORS : 0),
  );
  if (name !== kind) writer.string(name);
  if (typeof stack === "string") writer.string(stack);
  if (Object.hasOwn(error, "cause")) encoder.child(error, "cause", error.cause);
  if (hasErrors) encoder.child(error, "errors", read(error, "errors"));
  const fields = Object.keys(error).filter((key) => !NOT_FIELDS.has(key));
  writer.varint(fields.length);
  for (const key of fields) {
    writer.string(key);
    encoder.child(error, key, read(error, key));
  }
}

function build(kind: string, message: string, name: string | undefined): Error {
  if (Object.hasOwn(NATIVE, kind)) return new NATIVE[kind as keyof typeof NATIVE](message);
  if (kind === "AggregateError") return new AggregateError([], message);
  if (kind === "DOMException") return new DOMException(message, name ?? "Error") as Error;
  if (isErrorCode(kind)) return errorOfCode(kind, message, { cause: undefined });
  throw new ProtocolError(`unknown kind of error: ${kind.slice(0, 40)}`);
}

export function decodeError(decoder: Decoder): Error {
  const { reader } = decoder;
  const index = decoder.reserve();
  const kind = reader.string();
  const count = reader.count(1);
  if (count > NAMES_MAX) throw new ProtocolError(`an error with ${count} class names`);
  const names: string[] = [];
  for (let i = 0; i < count; i++) names.push(reader.string());
  const message = reader.string();
  const flags = reader.u8();
  const name = flags & HAS_NAME ? reader.string() : undefined;
  // Frames of this process would mislead (Bun prints them even under another stack), and cost most of the time.
  const limit = Error.stackTraceLimit;
  Reflect.set(Error, "stackTraceLimit", 0); // Not an assignment: Error may be frozen.
  let error: Error;
  try {
    error = build(kind, message, name);
  } finally {
    Reflect.set(Error, "stackTraceLimit", limit);
  }
  decoder.fill(index, error);
  setClassNames(error, names);
  if (name !== undefined && name !== error.name) define(error, "name", name, false);
  define(error, "stack", flags & HAS_STACK ? reader.string() : `${error.name}: ${message}`, false);
  if (flags & HAS_CAUSE) define(error, "cause", decoder.value(), false);
  else Reflect.deleteProperty(error, "cause");
  if (flags & HAS_ERRORS) define(error, "errors", decoder.value(), false);
  const fields = reader.count(2);
  for (let i = 0; i < fields; i++) {
    const key = reader.key();
    const value = decoder.value();
    if (!NOT_FIELDS.has(key)) define(error, key, value, true);
  }
  return error;
}

function define(error: object, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(error, key, { value, enumerable, writable: true, configurable: true });
}
