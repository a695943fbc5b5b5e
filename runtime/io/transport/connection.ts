/**
 * One connection: frames over any byte pipe (a unix socket, an HTTP/2 stream, a WebSocket). All frames of one tick leave in one
 * write. It says hello to nobody (handshake.ts) and knows no methods (rpc.ts).
 *
 *   held --(onFrame set)--> open --close()--> closing --(written, pipe ended)--> closed
 *     \                       \---destroy(error), pipe broke, protocol error----/^
 *
 * held: frames that arrive before anybody listens wait, and the pipe is not read meanwhile. `onClose` is called exactly
 * once, after which nothing is delivered any more. An unreachable or stopped peer gives no event: see lastReceivedMs.
 * @module
 */
import { SEND_QUEUE_BYTES_MAX } from "../../common/config.ts";
import {
  FRAME_LIMITS,
  type FrameHandler,
  type FrameLimits,
  FrameParser,
  FrameWriter,
} from "../../protocol/frames.ts";
import type { Hello, Welcome } from "../../protocol/messages.ts";
import type { BytePipe } from "./byte_pipe.ts";
import { ConnectionClosedError, OverloadError, toError } from "./transport_error.ts";

/** A graceful close that the peer does not answer ends by force after this long. */
const CLOSE_GRACE_MS = 2_000;
/** A writer that ignores `writable` is cut off at this many times the queue limit: memory stays bounded. */
const QUEUE_OVERRUN_FACTOR = 8;

export interface ConnectionOptions {
  /** Default SEND_QUEUE_BYTES_MAX. */
  readonly queueBytesMax?: number;
  readonly limits?: FrameLimits;
  /** Clock of lastReceivedMs; default performance.now. */
  readonly nowMs?: () => number;
  /** For messages: who is at the other end, before a handshake has told. */
  readonly name?: string;
}

/** Totals since the connection began. */
export interface ConnectionCounters {
  framesIn: number;
  framesOut: number;
  bytesIn: number;
  bytesOut: number;
  writes: number;
}

type CloseHandler = (error: Error | null) => void;
type State = "open" | "closing" | "closed";

export class Connection {
  /** Who is there, once the handshake is done. */
  peer: Hello | Welcome | null = null;
  readonly counters: ConnectionCounters = { framesIn: 0, framesOut: 0, bytesIn: 0, bytesOut: 0, writes: 0 };
  readonly name: string;
  /** Resolves once, after onClose was told, with what it was told. */
  readonly closed: Promise<Error | null>;
  readonly #resolveClosed: (error: Error | null) => void;
  readonly #pipe: BytePipe;
  readonly #writer = new FrameWriter();
  readonly #parser: FrameParser;
  readonly #queueBytesMax: number;
  readonly #nowMs: () => number;
  #state: State = "open";
  #onFrame: FrameHandler | null = null;
  #onClose: CloseHandler | null = null;
  #closeError: Error | null = null;
  /** Frames that came before anybody listened. */
  readonly #held: Parameters<FrameHandler>[] = [];
  #readPaused = false;
  #flushScheduled = false;
  /** Bytes given to the pipe and not yet taken by the operating system. */
  #writtenBytes = 0;
  #drainWaiters: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #closeTimer: ReturnType<typeof setTimeout> | undefined;
  #lastReceivedMs: number;

  constructor(pipe: BytePipe, options: ConnectionOptions = {}) {
    this.#pipe = pipe;
    this.name = options.name ?? "peer";
    ({ promise: this.closed, resolve: this.#resolveClosed } = Promise.withResolvers<Error | null>());
    this.#queueBytesMax = options.queueBytesMax ?? SEND_QUEUE_BYTES_MAX;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#lastReceivedMs = this.#nowMs();
    this.#parser = new FrameParser(
      (type, flags, header, sections) => this.#deliver(type, flags, header, sections),
      options.limits ?? FRAME_LIMITS,
    );
    pipe.on("data", (chunk: Uint8Array) => this.#received(chunk));
    pipe.on("end", () => this.#ended());
    pipe.on("error", (error: unknown) => this.#finish(toError(error)));
    pipe.on("close", () => this.#finish(this.#closeError));
  }

  /** What a peer may send from now on; the handshake widens it. */
  set limits(limits: FrameLimits) {
    this.#parser.limits = limits;
  }

  /** Who takes the frames; null holds them. Setting it starts delivery, in a microtask with what has arrived already. */
  set onFrame(handler: FrameHandler | null) {
    this.#onFrame = handler;
    if (handler !== null && this.#held.length > 0) queueMicrotask(() => this.#releaseHeld());
  }

  /** Called exactly once: null after a clean end by either side. In a microtask when it is over already. */
  set onClose(handler: CloseHandler | null) {
    this.#onClose = handler;
    if (handler !== null && this.#state === "closed") queueMicrotask(() => this.#tellClosed());
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Why it closed; null while open and after a clean end. */
  get closeError(): Error | null {
    return this.#closeError;
  }

  /** When bytes last came in, on the injected clock (initially: when the connection was made). */
  get lastReceivedMs(): number {
    return this.#lastReceivedMs;
  }

  /** Bytes that wait here for the peer to read. */
  get queuedBytes(): number {
    return this.#writtenBytes + this.#writer.pendingBytes;
  }

  /** False when the peer reads too slowly: writers should wait for drained(). */
  get writable(): boolean {
    return this.#state === "open" && this.queuedBytes < this.#queueBytesMax;
  }

  /** Resolves when `writable` is true again; rejects with ConnectionClosedError when it never will be. */
  drained(): Promise<void> {
    if (this.#state !== "open") return Promise.reject(this.#closedError());
    if (this.writable) return Promise.resolve();
    return new Promise((resolve, reject) => this.#drainWaiters.push({ resolve, reject }));
  }

  /**
   * Queue one frame; it leaves with all others of this tick. False when the connection is over (nothing is sent then:
   * late senders are normal, and onClose tells). Sections of 32 KB and more must not change until they are written.
   */
  send(type: number, header: Uint8Array | string, sections?: readonly Uint8Array[], flags = 0): boolean {
    if (this.#state !== "open") return false;
    this.#writer.append(type, flags, header, sections);
    this.#queued();
    return true;
  }

  /** Queue a whole frame's bytes as they are, for relays. */
  sendEncoded(frame: Uint8Array): boolean {
    if (this.#state !== "open") return false;
    this.#writer.appendEncoded(frame);
    this.#queued();
    return true;
  }

  /** The whole frame that is being delivered, for relays; only valid inside the frame handler. */
  frameBytes(): Uint8Array {
    return this.#parser.frameBytes();
  }

  /** Stop reading: the peer's writers will feel it. Frames of the chunk in hand are still delivered. */
  pauseReading(): void {
    this.#readPaused = true;
    this.#pipe.pause();
  }

  resumeReading(): void {
    this.#readPaused = false;
    if (this.#held.length === 0 && this.#state !== "closed") this.#pipe.resume();
  }

  /** Let the process end although the connection is open: a driver lives for its user's work, not for its sockets. */
  unref(): void {
    const pipe = this.#pipe as { unref?: () => void; session?: { unref?: () => void } };
    if (pipe.session?.unref !== undefined) pipe.session.unref();
    else pipe.unref?.();
  }

  /** Write what is queued, then end. Nothing is delivered after the peer has ended too, or after 2 s. Idempotent. */
  close(): void {
    if (this.#state !== "open") return;
    this.flush();
    this.#state = "closing";
    this.#rejectWaiters();
    this.#pipe.end();
    // The peer's bytes are still to be read: only an ended reading side lets the pipe close.
    this.#pipe.resume();
    this.#closeTimer = setTimeout(() => this.#destroyPipe(), CLOSE_GRACE_MS);
  }

  /** End at once; what is queued is lost. onClose gets `error`. Idempotent. */
  destroy(error: Error | null): void {
    if (this.#state === "closed") return;
    this.#finish(error);
  }

  /** Write the batch now, without waiting for the end of the tick. */
  flush(): void {
    this.#flushScheduled = false;
    const bytes = this.#writer.pendingBytes;
    if (bytes === 0 || this.#state !== "open") return;
    const chunks = this.#writer.take();
    const pipe = this.#pipe;
    this.#writtenBytes += bytes;
    this.counters.bytesOut += bytes;
    this.counters.writes += 1;
    if (chunks.length === 1) {
      pipe.write(chunks[0]!, () => this.#wrote(bytes));
      return;
    }
    pipe.cork();
    const last = chunks.length - 1;
    for (let index = 0; index < last; index++) pipe.write(chunks[index]!);
    pipe.write(chunks[last]!, () => this.#wrote(bytes));
    pipe.uncork();
  }

  #queued(): void {
    this.counters.framesOut += 1;
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      queueMicrotask(() => this.flush());
    }
    if (this.queuedBytes > this.#queueBytesMax * QUEUE_OVERRUN_FACTOR) {
      this.destroy(new OverloadError(`${this.name} does not read: ${this.queuedBytes} bytes wait for it`));
    }
  }

  #wrote(bytes: number): void {
    this.#writtenBytes -= bytes;
    if (this.#drainWaiters.length === 0 || !this.writable) return;
    const waiters = this.#drainWaiters;
    this.#drainWaiters = [];
    for (const waiter of waiters) waiter.resolve();
  }

  #received(chunk: Uint8Array): void {
    if (this.#state === "closed") return;
    this.#lastReceivedMs = this.#nowMs();
    this.counters.bytesIn += chunk.length;
    try {
      this.#parser.push(chunk);
    } catch (error) {
      // A ProtocolError of the peer, or a frame handler that threw: either way this connection cannot go on.
      this.destroy(toError(error));
    }
  }

  #deliver(type: number, flags: number, header: Uint8Array, sections: readonly Uint8Array[]): void {
    this.counters.framesIn += 1;
    if (this.#onFrame === null || this.#held.length > 0) {
      this.#held.push([type, flags, header, sections]);
      // While closing, nothing new is promised to the peer: pausing would only keep the pipe from ending.
      if (this.#state === "open") this.#pipe.pause();
    } else {
      this.#onFrame(type, flags, header, sections);
    }
  }

  #releaseHeld(): void {
    const held = this.#held;
    try {
      // The handler may be taken away again meanwhile (handshake): then the rest stays held. One chunk's frames at most.
      while (held.length > 0 && this.#onFrame !== null && this.#state !== "closed") {
        this.#onFrame(...held.shift()!);
      }
    } catch (error) {
      this.destroy(toError(error));
    }
    if (held.length > 0) return;
    if (!this.#readPaused && this.#state !== "closed") this.#pipe.resume();
  }

  /** The peer has ended: what it sent is all there is, and a frame in pieces will never be whole. */
  #ended(): void {
    if (this.#state === "closed") return;
    if (!this.#parser.isIdle) {
      this.destroy(new ConnectionClosedError(`${this.name} ended in the middle of a frame`));
      return;
    }
    if (this.#state === "open") this.close();
  }

  #finish(error: Error | null): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#closeError = error;
    this.#parser.stop();
    this.#rejectWaiters();
    clearTimeout(this.#closeTimer);
    this.#destroyPipe();
    if (this.#onClose !== null) this.#tellClosed();
    this.#resolveClosed(error);
  }

  #destroyPipe(): void {
    if (!this.#pipe.destroyed) this.#pipe.destroy();
  }

  #tellClosed(): void {
    const handler = this.#onClose;
    this.#onClose = null;
    handler?.(this.#closeError);
  }

  #rejectWaiters(): void {
    const waiters = this.#drainWaiters;
    this.#drainWaiters = [];
    for (const waiter of waiters) waiter.reject(this.#closedError());
  }

  #closedError(): ConnectionClosedError {
    const options = this.#closeError === null ? {} : { cause: this.#closeError };
    return new ConnectionClosedError(`connection to ${this.name} is closed`, options);
  }
}
