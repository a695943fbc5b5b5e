/**
 * The reader's end of object transfers (see object_stream.ts): one HTTP/2 session per peer, one stream per object, bytes
 * straight into a sink with backpressure. What breaks is a TransferError that says up to where the bytes are good.
 * @module
 */
import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { AuthenticationError } from "../../common/errors.ts";
import type { NodeId, ObjectId } from "../../common/ids.ts";
import { type Http2ConnectOptions, type Http2Session, openHttp2 } from "./http2_client.ts";
import { OBJECT_PATH } from "./http2.ts";
import {
  ChunkParser,
  CLUSTER_HEADER,
  HOLDERS_HEADER,
  LENGTH_HEADER,
  NODE_HEADER,
  type ObjectSink,
  OFFSET_HEADER,
  REFER_HEADER,
  SIZE_HEADER,
} from "./object_stream.ts";
import { toError, TransferError } from "./transport_error.ts";

export interface TransferOptions {
  readonly id: ObjectId;
  /** Where to begin; default 0. After a TransferError: its offset. */
  readonly offset?: number;
  /** How much; default all the rest. */
  readonly length?: number;
  readonly sink: ObjectSink;
  /** All that came before this offset is right. */
  readonly onChecked?: (offset: number) => void;
  /** Who asks; with `mayRefer` a busy holder may name others instead. */
  readonly from?: NodeId;
  readonly mayRefer?: boolean;
  /** Told the object's whole size before the first piece; throwing or rejecting ends the transfer. */
  readonly onSize?: (size: number) => void | Promise<void>;
  /** Aborting ends the transfer with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** The holder has no such object (any more). */
export class ObjectNotHereError extends TransferError {
  override readonly code: string = "ObjectNotHereError";
  override readonly name: string = "ObjectNotHereError";
}

/** The holder names others that should be asked instead. */
export class ReferredError extends TransferError {
  override readonly code: string = "ReferredError";
  override readonly name: string = "ReferredError";
  /** The best first. */
  readonly holders: readonly NodeId[];

  constructor(message: string, offset: number, holders: readonly NodeId[]) {
    super(message, offset);
    this.holders = holders;
  }
}

/** Transfers from one peer. Several may run at once; they share the session's bandwidth. */
export class ObjectClient {
  readonly #session: Http2Session;
  readonly #token: string;
  readonly #clusterId: string;

  private constructor(session: Http2Session, token: string, clusterId: string) {
    this.#session = session;
    this.#token = token;
    this.#clusterId = clusterId;
  }

  /** Connect to a peer's listener. ConnectError names the address. */
  static async connect(
    options: Http2ConnectOptions & { readonly token: string; readonly clusterId: string },
  ): Promise<ObjectClient> {
    return new ObjectClient(await openHttp2(options), options.token, options.clusterId);
  }

  /** False once the TCP connection is gone: make a new client. */
  get isOpen(): boolean {
    return this.#session.isOpen;
  }

  onClose(handler: () => void): void {
    this.#session.onClose(handler);
  }

  /**
   * Transfer an object, or a range of it, into the sink; resolves with the object's whole size when every byte has been
   * taken and checked. Rejects with TransferError (broken, short or corrupt: go on at its offset), ObjectNotHereError,
   * AuthenticationError, or what the sink threw.
   */
  fetch(options: TransferOptions): Promise<number> {
    const offset = options.offset ?? 0;
    return new Promise((resolve, reject) => {
      if (options.signal?.aborted) return reject(toError(options.signal.reason));
      let stream: ClientHttp2Stream;
      try {
        stream = this.#session.request(this.#headers(options, offset), false);
      } catch (error) {
        return reject(
          new TransferError(`cannot transfer ${options.id}: connection closed`, offset, { cause: error }),
        );
      }
      new Transfer(this.#session.address, stream, options, offset, resolve, reject);
    });
  }

  /** End the session; running transfers fail. Idempotent. */
  close(): void {
    this.#session.end();
  }

  #headers({ id, length, from, mayRefer }: TransferOptions, offset: number): Record<string, string> {
    return {
      ":method": "GET",
      ":path": OBJECT_PATH + id,
      authorization: `Bearer ${this.#token}`,
      [CLUSTER_HEADER]: this.#clusterId,
      [OFFSET_HEADER]: String(offset),
      ...(length === undefined ? {} : { [LENGTH_HEADER]: String(length) }),
      ...(from === undefined ? {} : { [NODE_HEADER]: from }),
      ...(mayRefer === true && { [REFER_HEADER]: "1" }),
    };
  }
}

/** One transfer under way. Settles once. */
class Transfer {
  readonly #address: string;
  readonly #stream: ClientHttp2Stream;
  readonly #options: TransferOptions;
  readonly #offset: number;
  readonly #resolve: (size: number) => void;
  readonly #reject: (error: Error) => void;
  readonly #aborted = (): void => this.#fail(toError(this.#options.signal?.reason));
  #parser: ChunkParser | null = null;
  #size = 0;
  #isSettled = false;
  /** The sink or onSize is at work; the stream is paused, its end must wait. */
  #isBusy = false;
  #hasEnded = false;

  constructor(
    address: string,
    stream: ClientHttp2Stream,
    options: TransferOptions,
    offset: number,
    resolve: (size: number) => void,
    reject: (error: Error) => void,
  ) {
    this.#address = address;
    this.#stream = stream;
    this.#options = options;
    this.#offset = offset;
    this.#resolve = resolve;
    this.#reject = reject;
    options.signal?.addEventListener("abort", this.#aborted, { once: true });
    stream.once("response", (headers) => this.#guard(() => this.#respond(headers)));
    stream.on("error", (error: unknown) => this.#broken(toError(error)));
    stream.once("end", () => {
      this.#hasEnded = true;
      this.#finishIfDone();
    });
    stream.once("close", () => this.#broken(null));
  }

  #respond(headers: IncomingHttpHeaders): void | Promise<void> {
    const { id, length } = this.#options;
    const status = (headers as { ":status"?: number })[":status"];
    if (status === 401) throw new AuthenticationError(`${this.#address} refused the token or cluster id`);
    if (status === 404) throw new ObjectNotHereError(`${this.#address} does not hold ${id}`, this.#offset);
    const holders = headers[HOLDERS_HEADER];
    if (status === 503 && typeof holders === "string") {
      const message = `${this.#address} sends ${id} to others already: ${holders}`;
      throw new ReferredError(message, this.#offset, holders.split(",") as NodeId[]);
    }
    const size = Number(headers[SIZE_HEADER]);
    if (status !== 200 || !Number.isSafeInteger(size)) {
      throw new TransferError(`${this.#address} answered status ${status} for ${id}`, this.#offset);
    }
    this.#size = size;
    const end = Math.min(size, this.#offset + (length ?? size));
    this.#parser = new ChunkParser(this.#offset, end, this.#options.sink, this.#options.onChecked);
    this.#stream.on("data", (bytes: Uint8Array) => this.#take(bytes));
    return this.#options.onSize?.(size);
  }

  /** For each frame of 16 KB: nothing is made here that need not be. */
  #take(bytes: Uint8Array): void {
    if (this.#isSettled) return;
    try {
      const outcome = this.#parser!.push(bytes);
      if (outcome !== undefined) this.#guard(() => outcome);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Run a step; when it is asynchronous, nothing more is read until it is done. */
  #guard(step: () => void | Promise<void>): void {
    if (this.#isSettled) return;
    try {
      const outcome = step();
      if (!(outcome instanceof Promise)) return;
      this.#isBusy = true;
      this.#stream.pause();
      outcome.then(() => {
        this.#isBusy = false;
        this.#stream.resume();
        this.#finishIfDone();
      }, (error: unknown) => this.#failed(error));
    } catch (error) {
      this.#failed(error);
    }
  }

  #finishIfDone(): void {
    if (!this.#hasEnded || this.#isBusy || this.#isSettled) return;
    if (this.#parser === null || !this.#parser.isComplete) return this.#broken(null);
    this.#settle();
    this.#resolve(this.#size);
  }

  /** The parser's own complaints get the offset; what the sink threw goes through as it is. */
  #failed(thrown: unknown): void {
    const error = toError(thrown);
    if ((error as { code?: unknown }).code !== "ProtocolError") return this.#fail(error);
    this.#fail(this.#transferError(error.message, error));
  }

  #broken(cause: Error | null): void {
    if (this.#isSettled || (this.#hasEnded && this.#isBusy)) return;
    if (this.#hasEnded && this.#parser?.isComplete) return this.#finishIfDone();
    this.#fail(this.#transferError(cause?.message ?? "the stream ended early", cause));
  }

  #transferError(message: string, cause: Error | null): TransferError {
    const at = this.#parser?.goodOffset ?? this.#offset;
    const text = `transfer of ${this.#options.id} from ${this.#address} broke at offset ${at}: ${message}`;
    return new TransferError(text, at, { cause });
  }

  #fail(error: Error): void {
    if (this.#isSettled) return;
    this.#settle();
    this.#stream.destroy();
    this.#reject(error);
  }

  #settle(): void {
    this.#isSettled = true;
    this.#options.signal?.removeEventListener("abort", this.#aborted);
  }
}
