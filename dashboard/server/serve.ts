/**
 * A Hono app on node:http, the same on Bun, Deno and Node. Bodies of answers are pulled: a chunk is asked for when the one
 * before has left, so a client that does not read costs the head nothing.
 * @module
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";

/** Ports that are tried, from the wanted one on, when it is taken. */
const PORTS_TRIED = 50;

export interface HttpListener {
  readonly port: number;
  /** http://HOST:PORT/ */
  readonly url: string;
  /** Ends open connections too. */
  close(): Promise<void>;
}

export interface ListenOptions {
  readonly fetch: (request: Request) => Response | Promise<Response>;
  readonly host: string;
  /** The wanted port; when it is taken, the next free one. 0: any. */
  readonly port: number;
  /** Requests that need the bare request and answer; false when it is not one of these. */
  readonly bare?: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** For https; plain without it. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** Upgrades; without it they are refused. */
  readonly upgrade?: (request: IncomingMessage, socket: Duplex, head: Uint8Array) => void;
}

/** @throws the system's error, when no port of the range can be had. */
export async function listenHttp(options: ListenOptions): Promise<HttpListener> {
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    if (options.bare?.(request, response) === true) return;
    answer(options.fetch, request, response).catch(() => response.destroy());
  };
  const { tls } = options;
  const server = tls === undefined
    ? createServer(listener)
    : (await import("node:https")).createServer({ cert: tls.cert, key: tls.key }, listener);
  if (options.upgrade !== undefined) server.on("upgrade", options.upgrade);
  // Slow clients cannot hold a connection without finishing a request; streams are answers and not bound by these.
  server.headersTimeout = 10_000;
  server.requestTimeout = 30_000;
  server.maxHeadersCount = 100;
  for (let port = options.port;; port++) {
    try {
      await listen(server, options.host, port);
      break;
    } catch (error) {
      const taken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
      if (!taken || options.port === 0 || port - options.port >= PORTS_TRIED || port >= 65_535) throw error;
    }
  }
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return {
    port,
    url: `${tls === undefined ? "http" : "https"}://${host}:${port}/`,
    close: () => close(server),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function answer(
  fetch: ListenOptions["fetch"],
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const request = toRequest(incoming);
  if (request === null) {
    outgoing.writeHead(400, { "content-type": "text/plain" }).end("bad request\n");
    return;
  }
  const response = await fetch(request);
  const headers: [string, string][] = [...response.headers].filter(([name]) => name !== "set-cookie");
  for (const [name, value] of headers) outgoing.setHeader(name, value);
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) outgoing.setHeader("set-cookie", cookies);
  outgoing.statusCode = response.status;
  if (response.body === null || incoming.method === "HEAD") {
    await response.body?.cancel();
    outgoing.end();
    return;
  }
  await pump(response.body, outgoing);
}

/** A body is read as far as a route reads it, and no faster. */
function toRequest(incoming: IncomingMessage): Request | null {
  const { host } = incoming.headers;
  if (host === undefined || incoming.url === undefined || !incoming.url.startsWith("/")) return null;
  try {
    const headers = new Headers();
    for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2) {
      headers.append(incoming.rawHeaders[i]!, incoming.rawHeaders[i + 1]!);
    }
    const method = incoming.method ?? "GET";
    const hasBody = method !== "GET" && method !== "HEAD";
    return new Request(`http://${host}${incoming.url}`, {
      method,
      headers,
      ...(hasBody ? { body: bodyOf(incoming), duplex: "half" } : {}),
    } as RequestInit);
  } catch {
    return null;
  }
}

/** The request's body, pulled: until somebody reads it, nothing is taken from the connection. */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  let chunks: AsyncIterator<Uint8Array> | null = null;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      chunks ??= incoming[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
      const { done, value } = await chunks.next();
      if (done === true) controller.close();
      else controller.enqueue(new Uint8Array(value));
    },
    // What was not read is thrown away, so that the answer can leave.
    cancel: () => void incoming.resume(),
  }, { highWaterMark: 0 });
}

async function pump(body: ReadableStream<Uint8Array>, outgoing: ServerResponse): Promise<void> {
  const reader = body.getReader();
  // Cancelling is what tells the maker of the body that nobody listens any more.
  outgoing.on("close", () => void reader.cancel().catch(() => {}));
  outgoing.flushHeaders();
  for (;;) {
    const { done, value } = await reader.read();
    if (done || outgoing.destroyed) break;
    if (outgoing.write(value)) continue;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        outgoing.off("drain", go);
        outgoing.off("close", go);
        resolve();
      };
      outgoing.on("drain", go);
      outgoing.on("close", go);
    });
  }
  outgoing.end();
}
