/**
 * Errors on the wire: {code, message, ...fields}, plain JSON. A MobulaError arrives as its own class again; the
 * transport's errors and JavaScript's own kinds too; anything else keeps its code and message.
 * @module
 */
import { errorOfCode } from "../../common/errors.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import {
  ConnectError,
  ConnectionClosedError,
  OverloadError,
  RequestTimeoutError,
  toError,
} from "./transport_error.ts";

export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** Messages and fields are for people; what is longer is cut. */
const TEXT_MAX = 16 * 1024;
const FIELDS_MAX = 32;
/** Fields that would shadow what every error has, or are never plain data. */
const NOT_FIELDS = new Set(["code", "message", "name", "stack", "cause"]);

const PLAIN_CLASSES: Readonly<Record<string, new (message: string) => Error>> = {
  RangeError,
  TypeError,
  SyntaxError,
  ProtocolError,
  ConnectionClosedError,
  ConnectError,
  RequestTimeoutError,
  OverloadError,
};

/** What a peer is told of something thrown: code, message and plain fields; never a stack. */
export function errorToWire(thrown: unknown): WireError {
  const error = toError(thrown);
  const fields: Record<string, unknown> = {};
  let count = 0;
  for (const [name, value] of Object.entries(error)) {
    if (NOT_FIELDS.has(name) || count >= FIELDS_MAX) continue;
    const type = typeof value;
    if (type !== "string" && type !== "number" && type !== "boolean" && value !== null) continue;
    fields[name] = type === "string" ? (value as string).slice(0, TEXT_MAX) : value;
    count += 1;
  }
  const code = (error as { code?: unknown }).code;
  const plainCode = Object.hasOwn(PLAIN_CLASSES, error.name) ? error.name : "InternalError";
  return {
    ...fields,
    code: typeof code === "string" ? code : plainCode,
    message: error.message.slice(0, TEXT_MAX),
  };
}

/** The error that a peer reported. Whatever arrives becomes some Error. */
export function errorFromWire(wire: unknown): Error {
  const { code, message, ...fields } = (typeof wire === "object" && wire !== null ? wire : {}) as Record<
    string,
    unknown
  >;
  const codeText = typeof code === "string" ? code : "InternalError";
  const messageText = typeof message === "string" ? message : "the peer reported an error without a message";
  if (Object.hasOwn(PLAIN_CLASSES, codeText)) return new PLAIN_CLASSES[codeText]!(messageText);
  return errorOfCode(codeText, messageText, fields);
}
