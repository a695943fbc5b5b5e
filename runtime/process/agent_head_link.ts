/**
 * An agent's link to the head: one control connection, made again whenever it breaks, on which requests are sent again
 * until they are answered, so that a head that was killed and started again loses nothing. Every HeadMethods request is
 * idempotent. Not here: heartbeats (agent_heartbeat.ts), what is asked (the other agent_* files).
 *
 *   connecting --welcome--> registering --answered--> up
 *       ^  |                     |                     |
 *       |  +----- backoff <------+---------------------+   refused as fenced: onFenced, over
 *
 * Requests wait in order while the link is down, bounded, and fail when it has been down for the GCS request timeout;
 * those marked `keep` wait for ever: the head must hear of them.
 * @module
 */
import { MobulaError } from "../common/errors.ts";
import { gcsRequestTimeoutMs } from "../io/environment.ts";
import type { HeadMethods, Hello, NodeMethods, NodeRegistration } from "../protocol/messages.ts";
import { connectHttp2 } from "../io/transport/http2_client.ts";
import type { TlsOptions } from "../io/transport/http2.ts";
import { type Handlers, Rpc, type RpcAnswer } from "../io/transport/rpc.ts";
import { ConnectionClosedError, OverloadError, toError } from "../io/transport/transport_error.ts";

/** Requests that wait for the head, at most; kept ones beyond it are still taken, others fail. */
const WAITING_MAX = 50_000;
const RECONNECT_MS = 50;
const RECONNECT_MS_MAX = 1_000;
const CONNECT_TIMEOUT_MS = 5_000;

export type HeadRpc = Rpc<NodeMethods, HeadMethods>;
type HeadMethod = keyof HeadMethods & string;
type Result<K extends HeadMethod> = HeadMethods[K]["result"];
export type RegisterAnswer = HeadMethods["registerNode"]["result"];

export interface HeadLinkOptions {
  readonly address: string;
  readonly hello: (purpose: Hello["purpose"]) => Hello;
  readonly tls: TlsOptions | undefined;
  readonly handlers: Handlers<NodeMethods>;
  /** What this node is and holds, now. */
  readonly registration: () => NodeRegistration;
  /** After every (re)registration, before waiting requests are sent. */
  readonly onRegistered: (answer: RegisterAnswer) => void;
  /** The head will not have this node any more: it was declared dead. */
  readonly onFenced: (reason: string) => void;
  readonly log: (text: string) => void;
}

interface Waiting {
  readonly method: HeadMethod;
  readonly params: unknown;
  readonly sections: readonly Uint8Array[];
  readonly keep: boolean;
  readonly resolve: (answer: RpcAnswer<any>) => void;
  readonly reject: (error: Error) => void;
  /** The connection that it was sent on; null while it waits. */
  sentOn: HeadRpc | null;
}

export interface HeadRequestOptions {
  /** Never give up: the head must hear of it. Default false. */
  readonly keep?: boolean;
  /** Aborting rejects with the signal's reason; the head is not told. */
  readonly signal?: AbortSignal;
}

export class HeadLink {
  readonly #options: HeadLinkOptions;
  readonly #timeoutMs: number;
  /** All and only requests without an answer, in the order in which they were made. */
  readonly #waiting: Set<Waiting> = new Set();
  #rpc: HeadRpc | null = null;
  #clusterId: string | null = null;
  #reconnectMs: number = RECONNECT_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #downTimer: ReturnType<typeof setTimeout> | undefined;
  #leaving: boolean = false;
  #closed: boolean = false;

  constructor(options: HeadLinkOptions) {
    this.#options = options;
    this.#timeoutMs = gcsRequestTimeoutMs();
  }

  /** Whether requests reach the head now. */
  get isUp(): boolean {
    return this.#rpc !== null;
  }
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Connect for the first time, to learn the cluster's id; the node is registered by `start`. Throws as connectHttp2. */
  async meet(): Promise<string> {
    const { address, hello, tls } = this.#options;
    const connection = await connectHttp2({
      address,
      path: "/control",
      hello: { ...hello("control"), clusterId: null },
      ...(tls === undefined ? {} : { tls }),
    });
    const clusterId = (connection.peer as { clusterId: string }).clusterId;
    this.#clusterId = clusterId;
    connection.onClose = () => undefined;
    connection.close();
    return clusterId;
  }

  /** Register the node; resolves when the head has it. From then on the link keeps itself up. */
  async start(): Promise<void> {
    await this.#connect();
  }

  /** Ask the head; sent again after a reconnect. Rejects with its error, or when it has been away for too long. */
  request<K extends HeadMethod>(
    method: K,
    params: HeadMethods[K]["params"],
    sections: readonly Uint8Array[] = [],
    options: HeadRequestOptions = {},
  ): Promise<RpcAnswer<Result<K>>> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new ConnectionClosedError("This node is leaving the cluster."));
      if (options.signal?.aborted) return reject(toError(options.signal.reason));
      const keep = options.keep ?? false;
      if (this.#waiting.size >= WAITING_MAX && !keep) {
        return reject(
          new OverloadError(`${this.#waiting.size} requests wait for the head at ${this.#options.address}.`),
        );
      }
      // Sections are views of a received chunk: what may wait for long keeps bytes of its own.
      const owned = this.#rpc === null ? sections.map((section) => section.slice()) : sections;
      const waiting: Waiting = { method, params, sections: owned, keep, resolve, reject, sentOn: null };
      this.#waiting.add(waiting);
      options.signal?.addEventListener("abort", () => {
        if (this.#waiting.delete(waiting)) reject(toError(options.signal!.reason));
      }, { once: true });
      if (this.#rpc !== null) this.#send(waiting, this.#rpc);
    });
  }

  /** Tell the head if it can be reached; what it does not hear it does not need (it learns it from the registration). */
  notify<K extends HeadMethod>(method: K, params: HeadMethods[K]["params"]): void {
    this.#rpc?.notify(method, params as never);
  }

  /** The head does not answer although the connection stands: make a new one. */
  reconnect(why: string): void {
    this.#rpc?.connection.destroy(new ConnectionClosedError(why));
  }

  /** Say good-bye: the head ends the connection after it. Resolves when it has heard, or after `timeoutMs`. */
  async leave(params: HeadMethods["unregisterNode"]["params"], timeoutMs: number): Promise<void> {
    this.#leaving = true;
    if (this.#rpc === null) return;
    await this.#rpc.request("unregisterNode", params, [], { timeoutMs }).catch(() => undefined);
  }

  /** No more requests; those that wait fail. Idempotent. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#downTimer);
    this.#failWaiting(new ConnectionClosedError("This node is leaving the cluster."), true);
    this.#rpc?.close();
    this.#rpc = null;
  }

  async #connect(): Promise<void> {
    const { address, hello, tls, handlers, registration, onRegistered } = this.#options;
    const connection = await connectHttp2({
      address,
      path: "/control",
      hello: { ...hello("control"), clusterId: this.#clusterId },
      timeoutMs: CONNECT_TIMEOUT_MS,
      ...(tls === undefined ? {} : { tls }),
    });
    const rpc: HeadRpc = new Rpc(connection, handlers);
    rpc.closed.then((error) => this.#lost(rpc, error));
    if (this.#closed) return rpc.close();
    try {
      // Bounded: a head that is stopped in the middle must not hold the link for ever.
      const { result } = await rpc.request("registerNode", registration(), [], { timeoutMs: 15_000 });
      if (this.#closed || !connection.isOpen) return rpc.close();
      clearTimeout(this.#downTimer);
      this.#downTimer = undefined;
      this.#reconnectMs = RECONNECT_MS;
      this.#rpc = rpc;
      onRegistered(result);
      for (const waiting of this.#waiting) this.#send(waiting, rpc);
    } catch (error) {
      rpc.close();
      throw error;
    }
  }

  #send(waiting: Waiting, rpc: HeadRpc): void {
    waiting.sentOn = rpc;
    rpc.request(waiting.method, waiting.params as never, waiting.sections).then(
      (answer) => {
        if (this.#waiting.delete(waiting)) waiting.resolve(answer);
      },
      (error: Error) => {
        // Its connection broke: it is sent again on the next one.
        if (!rpc.connection.isOpen && !this.#closed) return;
        if (this.#waiting.delete(waiting)) waiting.reject(error);
      },
    );
  }

  #lost(rpc: HeadRpc, error: Error | null): void {
    if (this.#rpc !== rpc) return;
    this.#rpc = null;
    if (this.#closed || this.#leaving) return;
    this.#options.log(
      `The connection to the head broke (${error?.message ?? "it ended"}); connecting again.`,
    );
    this.#watchDown();
    this.#retry(0);
  }

  #watchDown(): void {
    this.#downTimer ??= setTimeout(() => {
      this.#downTimer = undefined;
      // Not a closed connection: to a driver that would be the one to its agent.
      const text =
        `The head at ${this.#options.address} has been away for ${this.#timeoutMs} ms (MOBULA_GCS_REQUEST_TIMEOUT_MS): ` +
        "the request was given up, and may have been done. Tasks that need no head go on.";
      this.#failWaiting(new MobulaError(text, { code: "HeadUnavailable" }), false);
      if (this.#rpc === null && !this.#closed) this.#watchDown();
    }, this.#timeoutMs);
  }

  #retry(delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#connect().catch((error: Error) => {
        if (this.#closed) return;
        // Declared dead, another cluster at this address, or a changed token: waiting would not help.
        const code = (error as { code?: string }).code;
        if (code === "NodeDiedError" || code === "AuthenticationError") {
          return this.#options.onFenced(error.message);
        }
        this.#retry(this.#reconnectMs);
        this.#reconnectMs = Math.min(this.#reconnectMs * 2, RECONNECT_MS_MAX);
      });
    }, delayMs);
  }

  #failWaiting(error: Error, keptToo: boolean): void {
    for (const waiting of [...this.#waiting]) {
      if (waiting.keep && !keptToo) continue;
      this.#waiting.delete(waiting);
      waiting.reject(error);
    }
  }
}
