/**
 * A client's pipe of fetches (protocol/web_pipe.ts), on `node:http`: what is written goes into the answer to the opening
 * request, and what comes in is the bodies of one POST after the other. A paused pipe leaves the POST in hand unanswered, and
 * the client sends no other meanwhile.
 * @module
 */
import { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { SEND_BYTES_MAX, SEQUENCE_HEADER } from "../../protocol/web_pipe.ts";
import type { BytePipe } from "./byte_pipe.ts";

/** A peer that vanished is noticed by the operating system from this long on. */
const KEEP_ALIVE_MS = 15_000;

/** See the module's header. */
export class FetchPipe extends EventEmitter implements BytePipe {
  readonly #down: ServerResponse;
  #nextSequence = 0;
  /** A POST that is being read or waits to be answered. */
  #isSending = false;
  #isPaused = false;
  #onResume: (() => void) | null = null;

  /** Takes the answer over: its headers leave now. */
  constructor(down: ServerResponse, headers: Readonly<Record<string, string>>) {
    super();
    this.#down = down;
    down.socket?.setNoDelay(true);
    down.socket?.setKeepAlive(true, KEEP_ALIVE_MS);
    down.on("error", (error: unknown) => void this.emit("error", error));
    down.on("drain", () => void this.emit("drain"));
    down.on("close", () => {
      this.#onResume?.();
      this.emit("close");
    });
    down.writeHead(200, {
      ...headers,
      "content-type": "application/octet-stream",
      "x-accel-buffering": "no",
    });
    down.flushHeaders();
  }

  /** One POST with bytes from the client. Answered with 204 when they are taken; 4xx when it is out of turn. */
  async receive(up: IncomingMessage, answer: ServerResponse): Promise<void> {
    const sequence = Number(up.headers[SEQUENCE_HEADER]);
    if (this.#isSending || sequence !== this.#nextSequence) {
      up.resume();
      answer.writeHead(409).end();
      return;
    }
    this.#isSending = true;
    try {
      const body = await readBody(up);
      if (body === null) {
        answer.writeHead(413, { connection: "close" }).end();
        return;
      }
      if (this.#isPaused) await new Promise<void>((resolve) => this.#onResume = resolve);
      this.#onResume = null;
      if (this.destroyed) {
        answer.writeHead(410).end();
        return;
      }
      this.#nextSequence++;
      if (body.length > 0) this.emit("data", body);
      answer.writeHead(204).end();
    } finally {
      this.#isSending = false;
    }
  }

  get destroyed(): boolean {
    return this.#down.destroyed;
  }

  write(chunk: Uint8Array, written?: () => void): boolean {
    if (this.#down.destroyed || this.#down.writableEnded) return false;
    return this.#down.write(chunk, () => written?.());
  }

  cork(): void {
    this.#down.cork();
  }

  uncork(): void {
    this.#down.uncork();
  }

  end(): void {
    this.#down.end();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#onResume?.();
  }

  destroy(): void {
    this.#down.destroy();
  }
}

/** Null when it is longer than a send may be. Rejects when the client goes away. */
async function readBody(up: IncomingMessage): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of up as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > SEND_BYTES_MAX) return null;
    chunks.push(chunk);
  }
  if (chunks.length === 1) return chunks[0]!;
  const body = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}
