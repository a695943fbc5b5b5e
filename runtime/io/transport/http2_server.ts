/**
 * The HTTP/2 listener of an agent or the head: pipes for Connections (/control, /heartbeat, /push), which say hello first,
 * and object transfers (/object/<id>), whose token is in a header. Nothing else is served here. A TCP connection on which
 * nothing was authenticated within 5 s is cut.
 * @module
 */
import { createSecureServer, createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import type { IncomingHttpHeaders } from "node:http2";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Hello } from "../../protocol/messages.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { ConnectionSet } from "./connection_set.ts";
import { GoawayGuard, NEEDS_GOAWAY_GUARD } from "./goaway_guard.ts";
import { type Gate, HANDSHAKE_LIMITS, HELLO_TIMEOUT_MS } from "./handshake.ts";
import {
  endSocket,
  formatAddress,
  HTTP2_SETTINGS,
  ignoreErrors,
  OBJECT_PATH,
  PIPE_PATHS,
  type PipePath,
  type TlsOptions,
  widenWindow,
} from "./http2.ts";
import type { ObjectSource } from "./object_stream.ts";
import { serveObject } from "./object_server.ts";
import { reachableHost } from "./reachable_host.ts";
import { ConnectError, toError } from "./transport_error.ts";
import type { Listener } from "./unix.ts";

/** TCP connections that one listener holds at once; further ones are cut at once. */
const SOCKETS_MAX = 4_096;

export interface Http2Listener extends Listener {
  readonly host: string;
  readonly port: number;
  /** HOST:PORT, as others reach it. */
  readonly address: string;
}

export interface Http2ListenOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 for any free port. */
  readonly port: number;
  /** With cert and key: TLS; otherwise cleartext. */
  readonly tls?: TlsOptions;
  readonly gate: Gate;
  /** A pipe that said a good hello; `path` says on which. Set onFrame and onClose (or make an Rpc) in here or later. */
  readonly onConnection: (connection: Connection, hello: Hello, path: PipePath) => void;
  /** Object transfers; without it they are refused. */
  readonly objects?: ObjectSource;
  readonly connection?: ConnectionOptions;
  /** Default 5 s. */
  readonly helloTimeoutMs?: number;
}

/** Listen. ConnectError that names the address when the port is taken. */
export async function listenHttp2(options: Http2ListenOptions): Promise<Http2Listener> {
  const host = options.host ?? "127.0.0.1";
  const connections = new ConnectionSet();
  const sockets = new SocketTable(options.helloTimeoutMs ?? HELLO_TIMEOUT_MS);
  const { server, listening } = NEEDS_GOAWAY_GUARD ? makeGuardedServer(options.tls) : makeServer(options.tls);
  listening.on("connection", (socket: Socket) => sockets.add(socket));
  server.on("session", (session) => {
    ignoreErrors(session);
    widenWindow(session);
  });
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    ignoreErrors(stream);
    sockets.track(stream);
    accept(stream, headers, options, connections, () => sockets.authenticated(stream));
  });
  server.on("sessionError", () => undefined);
  await listen(listening, host, options.port);
  ignoreErrors(listening);
  const { port } = listening.address() as AddressInfo;
  let closing: Promise<void> | null = null;
  return {
    host,
    port,
    address: formatAddress({ host: reachableHost(host), port }),
    close: () => closing ??= closeServer(listening, connections, sockets),
  };
}

function accept(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  options: Http2ListenOptions,
  connections: ConnectionSet,
  authenticated: () => void,
): void {
  const path = headers[":path"] ?? "";
  const method = headers[":method"];
  if (method === "POST" && PIPE_PATHS.has(path)) {
    stream.respond({ ":status": 200 });
    const name = `peer on ${path}`;
    const connection = new Connection(stream, { name, ...options.connection, limits: HANDSHAKE_LIMITS });
    connections.add(connection);
    options.gate.admit(connection, (connection, hello) => {
      authenticated();
      options.onConnection(connection, hello, path as PipePath);
    });
    return;
  }
  if (method === "GET" && path.startsWith(OBJECT_PATH) && options.objects !== undefined) {
    serveObject(stream, headers, options.gate, options.objects, authenticated);
    return;
  }
  stream.respond({ ":status": 404 }, { endStream: true });
  stream.resume();
}

/** The HTTP/2 server, and the server that listens for it: itself, or one of bare sockets. */
interface Servers {
  readonly server: Http2Server;
  readonly listening: Server;
}

const LIMITS = { settings: HTTP2_SETTINGS, maxSessionInvalidFrames: 10, maxSessionRejectedStreams: 10 };

function makeServer(tls: TlsOptions | undefined): Servers {
  const server = tls === undefined ? createServer(LIMITS) : createSecureServer({ ...LIMITS, ...keysOf(tls) });
  return { server: server as unknown as Http2Server, listening: server as unknown as Server };
}

function makeGuardedServer(tls: TlsOptions | undefined): Servers {
  const server = createServer(LIMITS);
  const guard = (socket: Socket): void => void server.emit("connection", new GoawayGuard(socket, "client"));
  if (tls === undefined) return { server, listening: createTcpServer(guard) };
  const listening = createTlsServer({ ...keysOf(tls), ALPNProtocols: ["h2"] }, guard);
  listening.on("tlsClientError", () => undefined);
  return { server, listening };
}

function keysOf(tls: TlsOptions): { cert?: string; key?: string; ca?: string } {
  const { cert, key, ca } = tls;
  if (cert === undefined || key === undefined) throw new TypeError("a TLS listener needs cert and key");
  return { cert, key, ...(ca === undefined ? {} : { ca }) };
}

/** One TCP connection and what runs on it. */
interface Peer {
  readonly socket: Socket;
  readonly timer: ReturnType<typeof setTimeout>;
  readonly streams: Set<ServerHttp2Stream>;
}

/** The TCP connections of a listener, found again by the peer's address: sessions hide their sockets. */
class SocketTable {
  readonly #helloTimeoutMs: number;
  readonly #peers = new Map<string, Peer>();
  #isEnding = false;

  constructor(helloTimeoutMs: number) {
    this.#helloTimeoutMs = helloTimeoutMs;
  }

  add(socket: Socket): void {
    if (this.#isEnding || this.#peers.size >= SOCKETS_MAX) {
      socket.destroy();
      return;
    }
    ignoreErrors(socket);
    socket.setNoDelay(true);
    const key = keyOf(socket);
    const timer = setTimeout(() => socket.destroy(), this.#helloTimeoutMs);
    const peer: Peer = { socket, timer, streams: new Set() };
    this.#peers.set(key, peer);
    socket.on("close", () => {
      clearTimeout(timer);
      if (this.#peers.get(key) === peer) this.#peers.delete(key);
      for (const stream of peer.streams) stream.destroy();
    });
  }

  /**
   * A stream ends when its peer aborts it or is gone. Deno tells of the first only by `aborted` and of the second not at
   * all while a write waits for window; what a transfer has pinned would stay pinned.
   */
  track(stream: ServerHttp2Stream): void {
    const streams = this.#peerOf(stream)?.streams;
    streams?.add(stream);
    stream.once("close", () => streams?.delete(stream));
    stream.once("aborted", () => stream.destroy());
  }

  authenticated(stream: ServerHttp2Stream): void {
    clearTimeout(this.#peerOf(stream)?.timer);
  }

  /** End all, take no more; resolves when all are closed. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await Promise.all([...this.#peers.values()].map(({ socket }) => {
      const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      endSocket(socket);
      return closed;
    }));
  }

  #peerOf(stream: ServerHttp2Stream): Peer | undefined {
    const socket = stream.session?.socket;
    return socket === undefined ? undefined : this.#peers.get(keyOf(socket));
  }
}

function keyOf(
  socket: { readonly remoteAddress?: string | undefined; readonly remotePort?: number | undefined },
): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: unknown): void => {
      const cause = toError(error);
      reject(
        new ConnectError(`cannot listen on ${formatAddress({ host, port })}: ${cause.message}`, { cause }),
      );
    };
    server.once("error", failed);
    server.listen(port, host, () => {
      server.removeListener("error", failed);
      resolve();
    });
  });
}

/** Sockets before the server: one that closes with sessions left would send them GOAWAY (see http2.ts). */
async function closeServer(server: Server, connections: ConnectionSet, sockets: SocketTable): Promise<void> {
  await connections.close();
  await sockets.end();
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
}
