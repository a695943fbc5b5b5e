/**
 * A byte pipe between TCP and HTTP/2 that ends the connection when the peer sends GOAWAY, before HTTP/2 sees it. Used on
 * Deno only: its nghttp2 aborts the whole process on that frame when any stream of the session was closed before
 * (denoland/deno#36788), and anybody who reaches the port could send it. mobula's own peers never do (http2.ts).
 *
 * It reads 9 bytes of each HTTP/2 frame and copies nothing.
 * @module
 */
import process from "node:process";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";

/** Whether this runtime needs the guard. */
export const NEEDS_GOAWAY_GUARD: boolean = process.versions["deno"] !== undefined;

const FRAME_HEADER_BYTES = 9;
const GOAWAY = 7;
/** A client's first bytes, before its first frame: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n". */
const PREFACE_BYTES = 24;

type WriteDone = (error?: Error | null) => void;

export class GoawayGuard extends Duplex {
  readonly #socket: Socket;
  /** The frame header in hand: type and length are all that is needed of it. */
  #headerBytes = 0;
  #length = 0;
  #type = 0;
  /** Bytes until the next frame header. */
  #skip: number;

  /** `from` says whose bytes are read: a client sends a preface first. */
  constructor(socket: Socket, from: "client" | "server") {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    this.#skip = from === "client" ? PREFACE_BYTES : 0;
    socket.on("data", (chunk: Uint8Array) => this.#read(chunk));
    socket.on("end", () => this.push(null));
    socket.on("error", (error: Error) => this.destroy(error));
    socket.on("close", () => this.destroy());
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.#socket.remotePort;
  }

  /** HTTP/2 sessions ask their sockets for these. */
  setNoDelay(): this {
    return this;
  }
  setTimeout(): this {
    return this;
  }
  ref(): this {
    this.#socket.ref();
    return this;
  }
  unref(): this {
    this.#socket.unref();
    return this;
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: WriteDone): void {
    this.#socket.write(chunk, done);
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: WriteDone): void {
    const last = chunks.length - 1;
    this.#socket.cork();
    chunks.forEach(({ chunk }, index) => this.#socket.write(chunk, index === last ? done : undefined));
    this.#socket.uncork();
  }

  override _final(done: WriteDone): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: WriteDone): void {
    this.#socket.destroy();
    done(error);
  }

  #read(chunk: Uint8Array): void {
    if (this.#hasGoaway(chunk)) this.destroy();
    else if (!this.push(chunk)) this.#socket.pause();
  }

  #hasGoaway(chunk: Uint8Array): boolean {
    let at = 0;
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const taken = Math.min(this.#skip, chunk.length - at);
        this.#skip -= taken;
        at += taken;
        continue;
      }
      const byte = chunk[at]!;
      if (this.#headerBytes < 3) this.#length = (this.#length << 8) | byte;
      else if (this.#headerBytes === 3) this.#type = byte;
      at += 1;
      this.#headerBytes += 1;
      if (this.#headerBytes < FRAME_HEADER_BYTES) continue;
      if (this.#type === GOAWAY) return true;
      this.#skip = this.#length;
      this.#headerBytes = 0;
      this.#length = 0;
    }
    return false;
  }
}
