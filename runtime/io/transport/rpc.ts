/**
 * Requests, answers and notifications over one connection, typed by the method tables of protocol/messages.ts. `Local` is
 * what this side answers, `Remote` what it may ask. Headers are JSON:
 *
 *   request {id, method, params}   response {id, result} or {id, error: {code, message, ...}}   notification {method, params}
 *
 * Raw bytes ride as sections. Messages of one direction are handled in the order in which they were sent; answers come when
 * they are ready. A handler that throws answers with an error; it never ends the process or the connection.
 * @module
 */
import { FRAME_TYPE_RAW_MIN, type FrameHandler, FrameType } from "../../protocol/frames.ts";
import type { Method } from "../../protocol/method.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import type { Connection } from "./connection.ts";
import { ConnectionClosedError, OverloadError, RequestTimeoutError, toError } from "./transport_error.ts";
import { errorFromWire, errorToWire } from "./wire_error.ts";

/** Requests that may be open at once, in each direction. Waiting for a lease or an object is an open request. */
export const REQUESTS_OPEN_MAX: number = 200_000;

type AnyMethod = Method<any, any>;
/** A method table: an interface of Method and Notification members. */
export type MethodTable<T> = { readonly [K in keyof T]: AnyMethod };
export type ParamsOf<M> = M extends Method<infer P, any> ? P : never;
export type ResultOf<M> = M extends Method<any, infer R> ? R : never;

/** An answer with raw bytes beside it: `return new Reply(result, [bytes])`. */
export class Reply<R> {
  readonly result: R;
  readonly sections: readonly Uint8Array[];
  constructor(result: R, sections: readonly Uint8Array[]) {
    this.result = result;
    this.sections = sections;
  }
}

/** What a handler is told besides its arguments. */
export interface RpcContext {
  /** The connection's Rpc, to answer in the other direction or to keep. */
  readonly rpc: Rpc<any, any>;
}

/** Sections are views of the received chunk: copy what stays for long. */
export type Handler<M> = (
  params: ParamsOf<M>,
  sections: readonly Uint8Array[],
  context: RpcContext,
) => ResultOf<M> | Reply<ResultOf<M>> | Promise<ResultOf<M> | Reply<ResultOf<M>>>;

/** Any part of a method table; more can be added later. A request for what is missing is refused. */
export type Handlers<T> = { readonly [K in keyof T]?: Handler<T[K]> };

export interface RpcAnswer<R> {
  readonly result: R;
  readonly sections: readonly Uint8Array[];
}

export interface RequestOptions {
  /** Default: no limit of its own. RequestTimeoutError when it passes; the peer is not told. */
  readonly timeoutMs?: number;
  /** Aborting rejects with the signal's reason; the peer is not told. */
  readonly signal?: AbortSignal;
}

export interface RpcOptions {
  /** Default REQUESTS_OPEN_MAX. */
  readonly requestsOpenMax?: number;
  /** A notification's handler failed: nobody waits for it. Default: one line on stderr. */
  readonly onError?: (error: Error, method: string) => void;
}

interface Pending {
  readonly resolve: (answer: RpcAnswer<any>) => void;
  readonly reject: (error: Error) => void;
  /** Frees timer and abort listener, where there are any. */
  readonly cleanup: (() => void) | null;
}

const NO_SECTIONS: readonly Uint8Array[] = Object.freeze([]);

export class Rpc<Local extends MethodTable<Local>, Remote extends MethodTable<Remote>> {
  readonly connection: Connection;
  /** Frames of type 32 and above. Unset, they are a protocol error. Throwing in it closes the connection. */
  onUnknownFrame: FrameHandler | null = null;
  /** Resolves once, when the connection is over, after all open requests were rejected. */
  readonly closed: Promise<Error | null>;
  readonly #handlers = new Map<string, Handler<any>>();
  readonly #pending = new Map<number, Pending>();
  readonly #context: RpcContext = { rpc: this };
  readonly #requestsOpenMax: number;
  readonly #onError: (error: Error, method: string) => void;
  #nextId = 1;
  /** Requests of the peer that are not answered yet. */
  #answering = 0;

  /** Takes the connection over: its onFrame and onClose are set here. */
  constructor(connection: Connection, handlers: Handlers<Local> = {}, options: RpcOptions = {}) {
    this.connection = connection;
    this.#requestsOpenMax = options.requestsOpenMax ?? REQUESTS_OPEN_MAX;
    this.#onError = options.onError ?? reportError;
    this.handle(handlers);
    this.closed = connection.closed;
    connection.onClose = (error) => this.#rejectAll(error);
    connection.onFrame = (type, flags, header, sections) => this.#receive(type, flags, header, sections);
  }

  /** Requests of ours that are not answered yet. */
  get openRequests(): number {
    return this.#pending.size;
  }

  /** Add handlers, or replace them: own properties of a plain object. */
  handle(handlers: Handlers<Local>): void {
    for (const [method, handler] of Object.entries(handlers)) {
      if (handler !== undefined) this.#handlers.set(method, handler as Handler<any>);
    }
  }

  /**
   * Ask, and wait for the answer. Rejects with the peer's error (as its class), ConnectionClosedError when the connection
   * ends first (what was asked may have been done), RequestTimeoutError, the signal's reason, or OverloadError.
   */
  request<K extends keyof Remote & string>(
    method: K,
    params: ParamsOf<Remote[K]>,
    sections: readonly Uint8Array[] = NO_SECTIONS,
    options?: RequestOptions,
  ): Promise<RpcAnswer<ResultOf<Remote[K]>>> {
    return new Promise((resolve, reject) => {
      if (!this.connection.isOpen) return reject(this.#closedError(method, this.connection.closeError));
      if (this.#pending.size >= this.#requestsOpenMax) {
        return reject(
          new OverloadError(`${this.#pending.size} requests are open to ${this.connection.name}`),
        );
      }
      if (options?.signal?.aborted) return reject(toError(options.signal.reason));
      const id = this.#nextId++;
      const header = `{"id":${id},"method":"${method}","params":${JSON.stringify(params) ?? "null"}}`;
      this.connection.send(FrameType.request, header, sections);
      const cleanup = options === undefined ? null : this.#arm(id, method, options);
      this.#pending.set(id, { resolve, reject, cleanup });
    });
  }

  /** Tell, without an answer. False when the connection is over. */
  notify<K extends keyof Remote & string>(
    method: K,
    params: ParamsOf<Remote[K]>,
    sections: readonly Uint8Array[] = NO_SECTIONS,
  ): boolean {
    const header = `{"method":"${method}","params":${JSON.stringify(params) ?? "null"}}`;
    return this.connection.send(FrameType.notification, header, sections);
  }

  /** Write what is queued and end; open requests are rejected when the connection has closed. */
  close(): void {
    this.connection.close();
  }

  #arm(id: number, method: string, { timeoutMs, signal }: RequestOptions): (() => void) | null {
    if (timeoutMs === undefined && signal === undefined) return null;
    const fail = (error: Error): void => {
      const pending = this.#pending.get(id);
      this.#pending.delete(id);
      pending?.cleanup?.();
      pending?.reject(error);
    };
    const aborted = (): void => fail(toError(signal?.reason));
    signal?.addEventListener("abort", aborted, { once: true });
    const timer = timeoutMs === undefined ? undefined : setTimeout(
      () =>
        fail(new RequestTimeoutError(`${this.connection.name} did not answer ${method} in ${timeoutMs} ms`)),
      timeoutMs,
    );
    return () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
    };
  }

  #receive(type: number, flags: number, header: Uint8Array, sections: readonly Uint8Array[]): void {
    switch (type) {
      case FrameType.request:
        return this.#receiveRequest(parseHeader(header), sections);
      case FrameType.response:
        return this.#receiveResponse(parseHeader(header), sections);
      case FrameType.notification:
        return this.#receiveNotification(parseHeader(header), sections);
      default:
        if (type < FRAME_TYPE_RAW_MIN || this.onUnknownFrame === null) {
          throw new ProtocolError(`frame of type ${type} out of turn`);
        }
        this.onUnknownFrame(type, flags, header, sections);
    }
  }

  #receiveRequest({ id, method, params }: Record<string, any>, sections: readonly Uint8Array[]): void {
    if (typeof id !== "number" || typeof method !== "string") {
      throw new ProtocolError("request without id or method");
    }
    const handler = this.#handlers.get(method);
    if (handler === undefined) {
      return this.#answerError(
        id,
        new ProtocolError(`no method ${JSON.stringify(method.slice(0, 100))} here`),
      );
    }
    if (this.#answering >= this.#requestsOpenMax) {
      return this.#answerError(id, new OverloadError(`${this.#answering} requests are open here`));
    }
    try {
      const outcome: unknown = handler(params, sections, this.#context);
      if (!(outcome instanceof Promise)) return this.#answer(id, outcome);
      this.#answering += 1;
      outcome.then(
        (result) => {
          this.#answering -= 1;
          this.#answerSafely(id, result);
        },
        (error: unknown) => {
          this.#answering -= 1;
          this.#answerError(id, error);
        },
      );
    } catch (error) {
      this.#answerError(id, error);
    }
  }

  /** A result that cannot be written (not JSON, too long) is an error for the asker, not for the connection. */
  #answerSafely(id: number, outcome: unknown): void {
    try {
      this.#answer(id, outcome);
    } catch (error) {
      this.#answerError(id, error);
    }
  }

  #answer(id: number, outcome: unknown): void {
    const reply = outcome instanceof Reply ? outcome : null;
    const text = JSON.stringify(reply === null ? outcome : reply.result);
    const header = text === undefined ? `{"id":${id}}` : `{"id":${id},"result":${text}}`;
    this.connection.send(FrameType.response, header, reply?.sections);
  }

  #answerError(id: number, error: unknown): void {
    this.connection.send(FrameType.response, JSON.stringify({ id, error: errorToWire(error) }));
  }

  #receiveResponse(header: Record<string, any>, sections: readonly Uint8Array[]): void {
    const pending = this.#pending.get(header["id"]);
    // Late: it timed out or was aborted here.
    if (pending === undefined) return;
    this.#pending.delete(header["id"]);
    pending.cleanup?.();
    if (header["error"] === undefined) pending.resolve({ result: header["result"], sections });
    else pending.reject(errorFromWire(header["error"]));
  }

  #receiveNotification({ method, params }: Record<string, any>, sections: readonly Uint8Array[]): void {
    if (typeof method !== "string") throw new ProtocolError("notification without method");
    // What this side does not care to hear is not an error: handlers are a part of the table.
    const handler = this.#handlers.get(method);
    if (handler === undefined) return;
    try {
      const outcome: unknown = handler(params, sections, this.#context);
      if (outcome instanceof Promise) {
        outcome.catch((error: unknown) => this.#onError(toError(error), method));
      }
    } catch (error) {
      this.#onError(toError(error), method);
    }
  }

  #rejectAll(cause: Error | null): void {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    if (all.length === 0) return;
    const error = this.#closedError("the request", cause);
    for (const pending of all) {
      pending.cleanup?.();
      pending.reject(error);
    }
  }

  #closedError(what: string, cause: Error | null): ConnectionClosedError {
    const text = `connection to ${this.connection.name} closed before ${what} was answered`;
    return new ConnectionClosedError(cause === null ? text : `${text}: ${cause.message}`, { cause });
  }
}

/** Node's and Bun's buffers decode faster than TextDecoder; a browser has only that. */
const decode: (bytes: Uint8Array) => string = typeof Buffer === "undefined"
  ? (bytes) => new TextDecoder().decode(bytes)
  : (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();

function parseHeader(header: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(decode(header));
  } catch (error) {
    throw new ProtocolError("message header is not JSON", { cause: error });
  }
  if (typeof value !== "object" || value === null) throw new ProtocolError("message header is not an object");
  return value as Record<string, unknown>;
}

function reportError(error: Error, method: string): void {
  console.error(`mobula: handler of ${method} failed: ${error.stack ?? error.message}`);
}
