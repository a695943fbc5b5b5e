/**
 * The WebSocket protocol (RFC 6455) as a server needs it for a byte pipe: headers of frames that it sends, and a reader of
 * frames that it gets. Bytes of a message are handed on as they come, so nothing is kept but one frame's header.
 * @module
 */
import { ProtocolError } from "./protocol_error.ts";

const CONTINUATION = 0x0;
const BINARY = 0x2;
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;
const FIN = 0x80;
const MASKED = 0x80;
const CONTROL_BYTES_MAX = 125;

/** What a control frame is. */
export const ControlFrame: { readonly close: number; readonly ping: number; readonly pong: number } = {
  close: CLOSE,
  ping: PING,
  pong: PONG,
};

/** The header of a binary message of `length` bytes, as a server sends it: not masked. */
export function binaryHeader(length: number): Uint8Array {
  if (length <= CONTROL_BYTES_MAX) return Uint8Array.of(FIN | BINARY, length);
  if (length < 0x1_0000) return Uint8Array.of(FIN | BINARY, 126, length >>> 8, length);
  const header = new Uint8Array(10);
  header[0] = FIN | BINARY;
  header[1] = 127;
  const view = new DataView(header.buffer);
  view.setUint32(2, Math.floor(length / 0x1_0000_0000));
  view.setUint32(6, length >>> 0);
  return header;
}

/** A whole control frame. RangeError for a payload above 125 bytes. */
export function controlFrame(kind: number, payload: Uint8Array = new Uint8Array()): Uint8Array {
  if (payload.length > CONTROL_BYTES_MAX) throw new RangeError("a control frame has at most 125 bytes");
  const frame = new Uint8Array(2 + payload.length);
  frame[0] = FIN | kind;
  frame[1] = payload.length;
  frame.set(payload, 2);
  return frame;
}

/** Who hears what a reader finds. */
export interface WebSocketReaderEvents {
  /** Bytes of binary messages; a view of the chunk that was pushed. */
  data(bytes: Uint8Array): void;
  control(kind: number, payload: Uint8Array): void;
}

/** Reads what a client sends. Throws ProtocolError for what a client must not send; then it is of no more use. */
export class WebSocketReader {
  readonly #events: WebSocketReaderEvents;
  /** Two bytes, the length's up to eight, the mask's four. */
  readonly #header = new Uint8Array(14);
  #headerHas = 0;
  #headerNeeds = 2;
  #opcode = 0;
  /** Bytes of the payload that are still to come, or -1 between frames. */
  #left = -1;
  #maskAt = 0;
  /** A message of several frames is under way. */
  #isFragmented = false;
  #control: Uint8Array | null = null;

  constructor(events: WebSocketReaderEvents) {
    this.#events = events;
  }

  /** The bytes are unmasked where they are. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left < 0) {
        this.#header[this.#headerHas++] = chunk[at++]!;
        if (this.#headerHas === 2) this.#begin();
        if (this.#headerHas >= 2 && this.#headerHas === this.#headerNeeds) this.#headerComplete();
        continue;
      }
      const bytes = chunk.subarray(at, Math.min(chunk.length, at + this.#left));
      at += bytes.length;
      this.#payload(bytes);
    }
  }

  #begin(): void {
    const [first, second] = this.#header as unknown as [number, number];
    if ((first & 0x70) !== 0) throw new ProtocolError("a WebSocket frame uses an extension");
    if ((second & MASKED) === 0) throw new ProtocolError("a WebSocket frame of a client is not masked");
    const opcode = first & 0x0f;
    const isFinal = (first & FIN) !== 0;
    const length = second & 0x7f;
    if (opcode >= CLOSE) {
      if (opcode > PONG) throw new ProtocolError(`a WebSocket frame has the unknown kind ${opcode}`);
      if (!isFinal || length > CONTROL_BYTES_MAX) {
        throw new ProtocolError("a WebSocket control frame is long");
      }
    } else if (opcode === CONTINUATION ? !this.#isFragmented : opcode !== BINARY || this.#isFragmented) {
      throw new ProtocolError(
        `a WebSocket frame of kind ${opcode} where it cannot be: only bytes are understood`,
      );
    } else this.#isFragmented = !isFinal;
    this.#opcode = opcode;
    this.#headerNeeds = 6 + (length === 126 ? 2 : length === 127 ? 8 : 0);
  }

  #headerComplete(): void {
    const view = new DataView(this.#header.buffer);
    const short = this.#header[1]! & 0x7f;
    const length = short === 126
      ? view.getUint16(2)
      : short === 127
      ? view.getUint32(2) * 0x1_0000_0000 + view.getUint32(6)
      : short;
    if (!Number.isSafeInteger(length)) throw new ProtocolError(`a WebSocket frame of ${length} bytes`);
    this.#left = length;
    this.#maskAt = 0;
    if (this.#opcode >= CLOSE) this.#control = new Uint8Array(length);
    if (length === 0) this.#frameComplete();
  }

  #payload(bytes: Uint8Array): void {
    const mask = this.#header.subarray(this.#headerNeeds - 4, this.#headerNeeds);
    unmask(bytes, mask, this.#maskAt);
    if (this.#control !== null) this.#control.set(bytes, this.#control.length - this.#left);
    this.#maskAt = (this.#maskAt + bytes.length) & 3;
    this.#left -= bytes.length;
    const isComplete = this.#left === 0;
    if (isComplete) this.#frameComplete();
    if (this.#opcode < CLOSE) this.#events.data(bytes);
  }

  #frameComplete(): void {
    this.#left = -1;
    this.#headerHas = 0;
    this.#headerNeeds = 2;
    const control = this.#control;
    this.#control = null;
    if (control !== null) this.#events.control(this.#opcode, control);
  }
}

function unmask(bytes: Uint8Array, mask: Uint8Array, maskAt: number): void {
  const masks = [0, 1, 2, 3].map((index) => mask[(maskAt + index) & 3]!) as [number, number, number, number];
  const [a, b, c, d] = masks;
  const whole = bytes.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    bytes[i]! ^= a;
    bytes[i + 1]! ^= b;
    bytes[i + 2]! ^= c;
    bytes[i + 3]! ^= d;
  }
  for (let i = whole; i < bytes.length; i++) bytes[i]! ^= masks[i & 3]!;
}
