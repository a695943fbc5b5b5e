/**
 * What HTTP/2 server and client share: windows, limits, addresses and how a session ends. Between hosts one long-lived
 * POST stream is one byte pipe for a Connection; heartbeats, control and bulk each have a TCP connection of their own.
 *
 * A session ends by ending its TCP socket after its streams have ended, never by session.close() or destroy(): those send
 * GOAWAY, and Deno's server and client then walk freed memory and abort when any stream of the session was closed
 * before (denoland/deno#36788, seen here with 2.9.6 from clients of all three runtimes). The pairing test would tell.
 * @module
 */
import type { Settings } from "node:http2";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { HTTP2_WINDOW_BYTES } from "../../common/config.ts";

/** Streams that one session may have open: bulk transfers, and one pipe where it is a pipe's session. */
export const HTTP2_STREAMS_MAX: number = 128;
/** Bytes of one request's header list: a path and a token. */
const HEADER_LIST_BYTES_MAX = 16 * 1024;
/** An ended socket whose peer does not end too is cut after this long. */
const SOCKET_GRACE_MS = 1_000;

/** PEM texts. Node to node a cluster has its own authority: `ca` signs what peers show. */
export interface TlsOptions {
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  /** The name that the server's certificate must carry; default: the address's host. */
  readonly serverName?: string;
}

/** Pipes by purpose. Each is a POST that never ends by itself. */
export type PipePath = "/control" | "/heartbeat" | "/push";
export const PIPE_PATHS: ReadonlySet<string> = new Set(["/control", "/heartbeat", "/push"]);
/** Object transfers: GET /object/<id>. */
export const OBJECT_PATH: string = "/object/";

export const HTTP2_SETTINGS: Settings = {
  initialWindowSize: HTTP2_WINDOW_BYTES,
  maxConcurrentStreams: HTTP2_STREAMS_MAX,
  maxHeaderListSize: HEADER_LIST_BYTES_MAX,
  enablePush: false,
};

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** "HOST:PORT", IPv6 hosts in brackets. TypeError or RangeError for anything else, naming it. */
export function parseAddress(address: string): HostPort {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, Math.max(colon, 0)).replace(/^\[(.*)\]$/, "$1");
  const portText = address.slice(colon + 1);
  if (colon < 1 || !/^[^\s/?#@[\]]+$/.test(host) || !/^\d{1,5}$/.test(portText)) {
    throw new TypeError(`address ${JSON.stringify(address)} is not HOST:PORT`);
  }
  const port = Number(portText);
  if (port < 1 || port > 65_535) throw new RangeError(`address ${address}: port must be in 1 to 65535`);
  return { host, port };
}

export function formatAddress({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The session's own window; the streams' comes by HTTP2_SETTINGS. */
export function widenWindow(session: { setLocalWindowSize(bytes: number): void }): void {
  session.setLocalWindowSize(HTTP2_WINDOW_BYTES);
}

/** End a session's TCP connection (see the module's header); cut it when the peer does not follow. Idempotent. */
export function endSocket(socket: Socket, graceMs: number = SOCKET_GRACE_MS): void {
  if (socket.destroyed) return;
  socket.end();
  const timer = setTimeout(() => socket.destroy(), graceMs);
  timer.unref?.();
  socket.once("close", () => clearTimeout(timer));
}

/** Errors of a pipe that nobody uses any more must not end the process. */
export function ignoreErrors(
  emitter: { on(event: "error", listener: () => void): unknown } | Readable,
): void {
  emitter.on("error", () => undefined);
}
