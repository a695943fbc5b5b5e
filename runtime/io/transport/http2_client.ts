/**
 * HTTP/2 connections to an agent or the head: one TCP connection per pipe, so that heartbeats, control frames and object
 * bytes never wait for each other. Connecting takes a bounded time, and its errors name the address.
 * @module
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2Session } from "node:http2";
import type { OutgoingHttpHeaders } from "node:http2";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Hello } from "../../protocol/messages.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { GoawayGuard, NEEDS_GOAWAY_GUARD } from "./goaway_guard.ts";
import { CONNECT_TIMEOUT_MS, HANDSHAKE_LIMITS, sayHello } from "./hello.ts";
import {
  endSocket,
  formatAddress,
  HTTP2_SETTINGS,
  ignoreErrors,
  parseAddress,
  type PipePath,
  type TlsOptions,
  widenWindow,
} from "./http2.ts";
import { ConnectError, toError } from "./transport_error.ts";

export interface Http2ConnectOptions {
  /** HOST:PORT. */
  readonly address: string;
  /** Present: TLS, trusting `ca`. */
  readonly tls?: TlsOptions;
  /** For TCP, TLS, HTTP/2 and the welcome together; default 10 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** One HTTP/2 session on a TCP connection of its own. */
export class Http2Session {
  readonly address: string;
  readonly #session: ClientHttp2Session;
  readonly #socket: Socket;

  constructor(address: string, session: ClientHttp2Session, socket: Socket) {
    this.address = address;
    this.#session = session;
    this.#socket = socket;
  }

  get isOpen(): boolean {
    return !this.#session.closed && !this.#session.destroyed && !this.#socket.destroyed;
  }

  /** Called once, when the TCP connection is gone. */
  onClose(handler: () => void): void {
    if (this.#socket.destroyed) queueMicrotask(handler);
    else this.#socket.once("close", handler);
  }

  /** Open a stream. `hasBody`: it stays writable. */
  request(headers: OutgoingHttpHeaders, hasBody: boolean): ClientHttp2Stream {
    const stream = this.#session.request(headers, { endStream: !hasBody });
    ignoreErrors(stream);
    return stream;
  }

  /** End the TCP connection; streams that are open fail. Idempotent. */
  end(): void {
    endSocket(this.#socket);
  }
}

/**
 * Open a pipe and say hello; resolves with the connection, its `peer` the Welcome. Frames are held until onFrame is set.
 * ConnectError names the address; AuthenticationError for a wrong token or cluster.
 */
export async function connectHttp2(
  options: Http2ConnectOptions & {
    readonly path: PipePath;
    readonly hello: Hello;
    readonly connection?: ConnectionOptions;
  },
): Promise<Connection> {
  const deadlineMs = performance.now() + (options.timeoutMs ?? CONNECT_TIMEOUT_MS);
  const session = await openHttp2(options);
  const stream = session.request({ ":method": "POST", ":path": options.path }, true);
  // The pipe is all that this session is for.
  stream.once("close", () => session.end());
  const connection = new Connection(stream, {
    name: `${options.address}${options.path}`,
    ...options.connection,
    limits: HANDSHAKE_LIMITS,
  });
  stream.once("response", (headers) => {
    const status = headers[":status"];
    if (status !== 200) {
      connection.destroy(
        new ConnectError(`${options.address} answered ${options.path} with status ${status}`),
      );
    }
  });
  const timeoutMs = Math.max(1, deadlineMs - performance.now());
  await sayHello(connection, options.hello, {
    timeoutMs,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  return connection;
}

/** Open a session without a pipe, for object transfers. */
export async function openHttp2(options: Http2ConnectOptions): Promise<Http2Session> {
  const { host, port } = parseAddress(options.address);
  const { tls, timeoutMs = CONNECT_TIMEOUT_MS, signal } = options;
  let socket: Socket | undefined;
  const { promise, resolve, reject } = Promise.withResolvers<ClientHttp2Session>();
  // Deno's sessions say that they are connected before their socket is: both must.
  const reached = Promise.withResolvers<void>();
  // Nobody waits for one yet when the other fails first, nor for either when no session can be made.
  for (const one of [promise, reached.promise]) one.catch(() => undefined);
  const fail = (error: unknown): void => {
    reject(toError(error));
    reached.reject(toError(error));
  };
  const aborted = (): void => fail(signal?.reason);
  const timer = setTimeout(() => fail(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
  try {
    if (signal?.aborted) throw toError(signal.reason);
    signal?.addEventListener("abort", aborted, { once: true });
    socket = tls === undefined ? connectTcp({ host, port }) : connectTlsTo(host, port, tls);
    socket.setNoDelay(true);
    socket.on("error", fail);
    socket.once("close", () => fail(new Error("closed while connecting")));
    socket.once(tls === undefined ? "connect" : "secureConnect", () => reached.resolve());
    const transport = socket;
    const session = connectHttp2Session(
      `${tls === undefined ? "http" : "https"}://${formatAddress({ host, port })}`,
      {
        settings: HTTP2_SETTINGS,
        createConnection: () => NEEDS_GOAWAY_GUARD ? new GoawayGuard(transport, "server") : transport,
      },
    );
    session.on("error", fail);
    session.once("connect", () => resolve(session));
    await Promise.all([promise, reached.promise]);
    widenWindow(session);
    return new Http2Session(options.address, session, socket);
  } catch (error) {
    socket?.destroy();
    if (signal?.aborted && error === signal.reason) throw error;
    const cause = toError(error);
    throw new ConnectError(`cannot connect to ${options.address}: ${cause.message}`, { cause });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", aborted);
  }
}

function connectTlsTo(host: string, port: number, tls: TlsOptions): Socket {
  const serverName = tls.serverName ?? (isIP(host) === 0 ? host : undefined);
  return connectTls({
    host,
    port,
    ALPNProtocols: ["h2"],
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
  });
}
