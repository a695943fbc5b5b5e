/**
 * Unix sockets by Bun's own: `node:net` is a layer of streams above them there, which costs a fifth of a process's start and
 * microseconds for each message.
 * @module
 */
import type { ConnectLocal, ListenLocal, LocalPipe } from "./platform.ts";

/** The part of Bun's sockets that this file uses. */
interface BunSocket {
  data: BunPipe | undefined;
  /** How many bytes the kernel has taken; -1 when it is closed. */
  write(bytes: Uint8Array): number;
  /** Ends the way out; what comes in still comes. */
  shutdown(): void;
  /** Ends both ways, at once. */
  terminate(): void;
  pause(): void;
  resume(): void;
  ref(): void;
  unref(): void;
}

interface Handlers {
  open(socket: BunSocket): void;
  data(socket: BunSocket, chunk: Uint8Array): void;
  drain(socket: BunSocket): void;
  end(socket: BunSocket): void;
  error(socket: BunSocket, error: Error): void;
  close(socket: BunSocket, error?: Error): void;
}

interface Where {
  readonly unix: string;
  readonly allowHalfOpen: true;
  readonly socket: Handlers;
}

declare const Bun: {
  connect(where: Where): Promise<BunSocket>;
  listen(where: Where): { stop(closeAll: boolean): void };
};

interface Listeners {
  data?: (chunk: Uint8Array) => void;
  end?: () => void;
  close?: () => void;
  drain?: () => void;
  error?: (error: unknown) => void;
}

interface Waiting {
  readonly chunk: Uint8Array;
  readonly written: (() => void) | undefined;
}

/** A socket as a pipe. One listener for each event. */
class BunPipe implements LocalPipe {
  destroyed: boolean = false;
  readonly #socket: BunSocket;
  readonly #listeners: Listeners = {};
  /** What the kernel has not taken yet. */
  readonly #queue: Waiting[] = [];
  /** What came while nobody read. */
  #held: Uint8Array[] = [];
  #paused: boolean = false;
  #ending: boolean = false;
  #peerEnded: boolean = false;
  #closed: boolean = false;

  constructor(socket: BunSocket) {
    this.#socket = socket;
  }

  on(event: keyof Listeners, listener: (value: never) => void): this {
    this.#listeners[event] = listener as () => void;
    if (event === "data" && this.#held.length > 0) queueMicrotask(() => this.#deliverHeld());
    return this;
  }

  write(chunk: Uint8Array, written?: () => void): boolean {
    if (this.destroyed || this.#ending) return false;
    let taken = 0;
    if (this.#queue.length === 0) {
      taken = Math.max(0, this.#socket.write(chunk));
      if (taken === chunk.length) {
        written?.();
        return true;
      }
    }
    this.#queue.push({ chunk: taken === 0 ? chunk : chunk.subarray(taken), written });
    return false;
  }

  /** Each write leaves at once: there is nothing to hold together. */
  cork(): void {}
  uncork(): void {}

  end(): void {
    if (this.#ending || this.destroyed) return;
    this.#ending = true;
    if (this.#queue.length === 0) this.#socket.shutdown();
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#held.length > 0) queueMicrotask(() => this.#deliverHeld());
    this.#socket.resume();
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#queue.length = 0;
    this.#held = [];
    this.#socket.terminate();
  }

  ref(): void {
    this.#socket.ref();
  }
  unref(): void {
    this.#socket.unref();
  }

  /** Bytes came in. */
  received(chunk: Uint8Array): void {
    const { data } = this.#listeners;
    if (data === undefined || this.#paused || this.#held.length > 0) this.#held.push(chunk);
    else if (!this.destroyed) data(chunk);
  }

  /** The kernel takes more. */
  writable(): void {
    const queue = this.#queue;
    if (queue.length === 0 || this.destroyed) return;
    while (queue.length > 0) {
      const { chunk, written } = queue[0]!;
      const taken = Math.max(0, this.#socket.write(chunk));
      if (taken < chunk.length) {
        if (taken > 0) queue[0] = { chunk: chunk.subarray(taken), written };
        return;
      }
      queue.shift();
      written?.();
    }
    if (this.#ending) this.#socket.shutdown();
    else this.#listeners.drain?.();
  }

  /** The peer will send no more. */
  peerEnded(): void {
    if (this.#peerEnded) return;
    this.#peerEnded = true;
    if (this.#held.length === 0) this.#listeners.end?.();
  }

  failed(error: Error): void {
    this.#listeners.error?.(error);
    this.destroy();
  }

  /** It is over, in whatever way. */
  closed(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    const isOurs = this.destroyed;
    this.destroyed = true;
    queueMicrotask(() => {
      if (error !== undefined) this.#listeners.error?.(error);
      else if (!isOurs) this.#lastWords();
      this.#listeners.close?.();
    });
  }

  /** What it had sent before it went still counts. */
  #lastWords(): void {
    for (const chunk of this.#held.splice(0)) this.#listeners.data?.(chunk);
    if (this.#peerEnded) return;
    this.#peerEnded = true;
    this.#listeners.end?.();
  }

  #deliverHeld(): void {
    while (this.#held.length > 0 && !this.#paused && !this.destroyed) {
      const chunk = this.#held.shift()!;
      this.#listeners.data?.(chunk);
    }
    if (this.#held.length === 0 && this.#peerEnded && !this.#closed) this.#listeners.end?.();
  }
}

function handlersFor(opened: (pipe: BunPipe) => void): Handlers {
  return {
    open(socket) {
      socket.data = new BunPipe(socket);
      opened(socket.data);
    },
    data: (socket, chunk) => socket.data?.received(chunk),
    drain: (socket) => socket.data?.writable(),
    end: (socket) => socket.data?.peerEnded(),
    error: (socket, error) => socket.data?.failed(error),
    close: (socket, error) => socket.data?.closed(error),
  };
}

export const connectByBun: ConnectLocal = (path, timeoutMs) =>
  new Promise((resolve, reject) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      reject(new Error(`no answer in ${timeoutMs} ms`));
    }, timeoutMs);
    const opened = (pipe: BunPipe): void => {
      clearTimeout(timer);
      if (late) pipe.destroy();
      else resolve(pipe);
    };
    Bun.connect({ unix: path, allowHalfOpen: true, socket: handlersFor(opened) }).catch((error: Error) => {
      clearTimeout(timer);
      reject(error);
    });
  });

export const listenByBun: ListenLocal = async (path, onPipe) => {
  const listener = Bun.listen({ unix: path, allowHalfOpen: true, socket: handlersFor(onPipe) });
  return { close: async () => listener.stop(false) };
};
