/**
 * Unix sockets, for processes of one host: listen and connect. The socket file is for its user alone (0600, in a 0700
 * folder); what a killed process left behind is removed, what a live one listens on is not. The same calls are sockets on
 * macOS. TCP is spoken only by HTTP/2 (http2.ts).
 * @module
 */
import { Buffer } from "node:buffer";
import { chmodSync, lstatSync, mkdirSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { connectLocal, listenLocal } from "#platform";
import type { Hello } from "../../protocol/messages.ts";
import type { LocalPipe } from "../../platform/platform.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { ConnectionSet } from "./connection_set.ts";
import type { Gate } from "./handshake.ts";
import { CONNECT_TIMEOUT_MS, HANDSHAKE_LIMITS, sayHello } from "./hello.ts";
import { ConnectError, toError } from "./transport_error.ts";

/** The kernel's limit is 104 bytes on macOS, 108 on Linux, the final zero included. */
export const SOCKET_PATH_BYTES_MAX: number = 100;

export interface Listener {
  /** Stop accepting and end what is open; resolves when the port or socket file is free. Idempotent. */
  close(): Promise<void>;
}

export interface UnixListener extends Listener {
  readonly path: string;
}

export interface UnixListenOptions {
  readonly path: string;
  readonly gate: Gate;
  /** The socket's folder is there; not to make it needs no permission for it. */
  readonly folderExists?: boolean;
  /** A connection that said a good hello. Set onFrame and onClose (or make an Rpc) in here or later. */
  readonly onConnection: (connection: Connection, hello: Hello) => void;
  readonly connection?: ConnectionOptions;
}

/** Listen. RangeError for a path that is too long; an error that names the path when a live process has it. */
export async function listenUnix(options: UnixListenOptions): Promise<UnixListener> {
  const { path, gate } = options;
  checkPath(path);
  if (options.folderExists !== true) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  await removeStale(path);
  const connections = new ConnectionSet();
  // Between bind and chmod the folder's mode protects the socket.
  const server = await listenLocal(path, (pipe) => {
    const limits = HANDSHAKE_LIMITS;
    const connection = new Connection(pipe, { name: `peer on ${path}`, ...options.connection, limits });
    connections.add(connection);
    gate.admit(connection, options.onConnection);
  });
  chmodSync(path, 0o600);
  let closing: Promise<void> | null = null;
  return {
    path,
    close: () => closing ??= closeServer(server, connections, path),
  };
}

/**
 * Connect and say hello; resolves with the connection, its `peer` the Welcome. Frames are held until onFrame is set.
 * ConnectError names the path; AuthenticationError for a wrong token or cluster.
 */
export async function connectUnix(options: {
  readonly path: string;
  readonly hello: Hello;
  /** For connecting and the welcome together; default 10 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly connection?: ConnectionOptions;
}): Promise<Connection> {
  const { path, hello } = options;
  checkPath(path);
  const socket = await connectSocket(path, options.timeoutMs ?? CONNECT_TIMEOUT_MS);
  const limits = HANDSHAKE_LIMITS;
  const connection = new Connection(socket, { name: path, ...options.connection, limits });
  await sayHello(connection, hello, options);
  return connection;
}

function checkPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes > SOCKET_PATH_BYTES_MAX) {
    throw new RangeError(
      `socket path has ${bytes} bytes, limit ${SOCKET_PATH_BYTES_MAX}: ${path}; choose a shorter session folder`,
    );
  }
}

/** A file where nobody answers is what a killed process left behind. */
async function removeStale(path: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isSocket()) throw new Error(`${path} exists and is not a socket`);
  const isAlive = await connectSocket(path, 1_000).then((socket) => {
    socket.destroy();
    return true;
  }, (error: ConnectError) => (error.cause as { code?: string } | undefined)?.code !== "ECONNREFUSED");
  if (isAlive) throw new Error(`another process listens on ${path}`);
  removeFile(path);
}

async function closeServer(
  server: { close(): Promise<void> },
  connections: ConnectionSet,
  path: string,
): Promise<void> {
  const closed = server.close();
  await connections.close();
  await closed;
  removeFile(path);
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is gone already.
  }
}

async function connectSocket(path: string, timeoutMs: number): Promise<LocalPipe> {
  try {
    return await connectLocal(path, timeoutMs);
  } catch (cause) {
    const error = toError(cause);
    throw new ConnectError(`cannot connect to ${path}: ${error.message}`, { cause: error });
  }
}
