/**
 * The holder's end of an object transfer (see object_stream.ts): token first, then the object, chunk by chunk, as fast as
 * the reader takes them.
 * @module
 */
import { Buffer } from "node:buffer";
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { NodeId, ObjectId } from "../../common/ids.ts";
import type { Gate } from "./handshake.ts";
import { OBJECT_PATH } from "./http2.ts";
import {
  CHUNK_HEADER_BYTES,
  CLUSTER_HEADER,
  encodeChunkHeader,
  HOLDERS_HEADER,
  LENGTH_HEADER,
  NODE_HEADER,
  OBJECT_CHUNK_BYTES,
  type ObjectReader,
  type ObjectSource,
  OFFSET_HEADER,
  REFER_HEADER,
  SIZE_HEADER,
} from "./object_stream.ts";
import { ConnectionClosedError, toError } from "./transport_error.ts";

const ID_LENGTH_MAX = 256;
const NODE_ID = /^[\w-]{1,128}$/;

/** Answer one GET. Never throws: what goes wrong ends the stream, and the reader knows how far it came. */
export function serveObject(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  gate: Gate,
  source: ObjectSource,
  authenticated: () => void,
): void {
  stream.resume();
  const token = /^Bearer (.+)$/.exec(headers.authorization ?? "")?.[1] ?? "";
  const credentials = gate.checkRequest(token, headerText(headers[CLUSTER_HEADER]));
  if (credentials === "throttled") return void stream.destroy();
  if (credentials === "wrong") return refuse(stream, 401);
  authenticated();
  const id = (headers[":path"] ?? "").slice(OBJECT_PATH.length) as ObjectId;
  if (id.length > ID_LENGTH_MAX) return refuse(stream, 404);
  const offset = headerNumber(headers[OFFSET_HEADER], 0);
  if (Number.isNaN(offset)) return refuse(stream, 416);
  const node = headerText(headers[NODE_HEADER]);
  const from = NODE_ID.test(node) ? node as NodeId : null;
  const mayRefer = from !== null && headers[REFER_HEADER] === "1";
  Promise.resolve()
    .then(() => source({ id, offset, from, mayRefer }))
    .then((found) => {
      if (found === null) return refuse(stream, 404);
      if ("holders" in found) return refuse(stream, 503, { [HOLDERS_HEADER]: found.holders.join(",") });
      return send(stream, headers, offset, found);
    })
    .catch(() => {
      if (!stream.headersSent) refuse(stream, 500);
      // A body that ends early is how the reader learns of it.
      else if (!stream.destroyed) stream.end();
    });
}

async function send(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  offset: number,
  reader: ObjectReader,
): Promise<void> {
  try {
    const end = Math.min(reader.size, offset + headerNumber(headers[LENGTH_HEADER], reader.size));
    if (Number.isNaN(end) || offset > reader.size) return refuse(stream, 416);
    if (stream.destroyed) return;
    stream.respond({ ":status": 200, [SIZE_HEADER]: String(reader.size) });
    for (let at = offset; at < end; at += OBJECT_CHUNK_BYTES) {
      const length = Math.min(OBJECT_CHUNK_BYTES, end - at);
      const hasRoom = writeCopied(stream, reader, at, length) ??
        writeRead(stream, at, await reader.read(at, length));
      if (!hasRoom) await drained(stream);
    }
    await ended(stream);
  } finally {
    reader.close();
  }
}

/**
 * Memory for chunks on their way out, used again when the stream has taken what was in it. A view of shared memory for each
 * would save a copy, but a collector counts it as so much memory allocated (measured: a third of the sender's time).
 */
const spareChunks: Buffer[] = [];
const SPARE_CHUNKS_MAX = 8;

/** Whether the stream has room for more; undefined when the bytes are not there to be copied now, and nothing was written. */
function writeCopied(
  stream: ServerHttp2Stream,
  reader: ObjectReader,
  at: number,
  length: number,
): boolean | undefined {
  const memory = spareChunks.pop() ?? Buffer.allocUnsafeSlow(CHUNK_HEADER_BYTES + OBJECT_CHUNK_BYTES);
  const bytes = memory.subarray(CHUNK_HEADER_BYTES, CHUNK_HEADER_BYTES + length);
  if (reader.readInto?.(at, bytes) !== true) {
    spareChunks.push(memory);
    return undefined;
  }
  encodeChunkHeader(at, bytes, memory);
  return stream.write(memory.subarray(0, CHUNK_HEADER_BYTES + length), (error) => {
    // After an error somebody may still be sending it.
    if (!error && spareChunks.length < SPARE_CHUNKS_MAX) spareChunks.push(memory);
  });
}

function writeRead(stream: ServerHttp2Stream, at: number, bytes: Uint8Array): boolean {
  // Not corked: Bun would copy both into one (measured, twice the processor time of the sender).
  stream.write(encodeChunkHeader(at, bytes));
  return stream.write(bytes);
}

function drained(stream: ServerHttp2Stream): Promise<void> {
  return new Promise((resolve, reject) => {
    if (stream.destroyed) return reject(new ConnectionClosedError("the reader is gone"));
    const settle = (): void => {
      stream.removeListener("drain", settle);
      stream.removeListener("close", settle);
      if (stream.destroyed) reject(new ConnectionClosedError("the reader is gone"));
      else resolve();
    };
    stream.on("drain", settle);
    stream.on("close", settle);
  });
}

/** The object's memory is in use until the last byte is written. */
function ended(stream: ServerHttp2Stream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) return resolve();
    stream.once("close", resolve);
    stream.end();
  });
}

function refuse(stream: ServerHttp2Stream, status: number, headers: OutgoingHttpHeaders = {}): void {
  if (stream.destroyed) return;
  try {
    stream.respond({ ":status": status, ...headers }, { endStream: true });
  } catch (error) {
    stream.destroy(toError(error));
  }
}

function headerText(value: string | string[] | undefined): string {
  return typeof value === "string" ? value : "";
}

/** NaN for what is not a whole number of at most 15 digits. */
function headerNumber(value: string | string[] | undefined, absent: number): number {
  if (value === undefined) return absent;
  return typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : NaN;
}
