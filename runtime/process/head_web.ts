/**
 * Drivers that are pages and edge functions: the head's HTTP port lets them in and joins each to an agent, for which it is a
 * driver elsewhere like any other. The head only passes frames on, reading from one side only as fast as the other takes.
 *
 *   upgrade or POST --origin good, room--> waiting for hello --token good, an agent welcomed it--> joined --> closed
 * @module
 */
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { isOurHost } from "../../dashboard/server/guard.ts";
import { AuthenticationError, MobulaError } from "../common/errors.ts";
import type { BytePipe } from "../io/transport/byte_pipe.ts";
import { Connection } from "../io/transport/connection.ts";
import { FetchPipe } from "../io/transport/fetch_pipe_server.ts";
import { Gate } from "../io/transport/handshake.ts";
import { HANDSHAKE_LIMITS } from "../io/transport/hello.ts";
import type { TlsOptions } from "../io/transport/http2.ts";
import { connectHttp2 } from "../io/transport/http2_client.ts";
import { acceptUpgrade, upgradeProblem } from "../io/transport/websocket_server.ts";
import type { Hello, NodeRow, Welcome } from "../protocol/messages.ts";
import { PIPE_HEADER, SEQUENCE_HEADER, WEB_DRIVER_PATH, WEB_SEND_PATH } from "../protocol/web_pipe.ts";

/** Pages and edge functions at once, those included that have not said hello yet. */
const DRIVERS_MAX = 1_000;
/** Bytes that wait for a page that does not read; nothing is read for it meanwhile. */
const QUEUE_BYTES_MAX = 8 * 1024 * 1024;
/** An agent that is not reached within this long is passed over; two fit into the time for a hello. */
const AGENT_TIMEOUT_MS = 2_000;

export interface WebDriversOptions {
  readonly token: string;
  readonly clusterId: string;
  /** Names, besides loopback's, under which this port's own pages are reached. */
  readonly hosts: readonly string[];
  /** Other sites whose pages may be drivers: "https://app.example.org". */
  readonly origins: readonly string[];
  readonly nodes: () => readonly NodeRow[];
  readonly tls: TlsOptions | undefined;
}

/** See the module's header. */
export class WebDrivers {
  readonly #options: WebDriversOptions;
  readonly #origins: ReadonlySet<string>;
  readonly #gate: Gate;
  readonly #connections = new Set<Connection>();
  readonly #fetchPipes = new Map<string, FetchPipe>();
  /** The agent's side of those that are let in, until they are joined. */
  readonly #agents = new WeakMap<Connection, Connection>();
  #isClosed = false;

  constructor(options: WebDriversOptions) {
    this.#options = options;
    this.#origins = new Set(options.origins);
    const { token, clusterId } = options;
    this.#gate = new Gate({
      token,
      clusterId,
      accept: (hello, connection) => this.#accept(hello, connection),
    });
  }

  /** How many there are, for tests and limits. */
  get size(): number {
    return this.#connections.size;
  }

  /** An upgrade of the HTTP server's. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): void {
    // Until it is a pipe: one that breaks now is nobody's concern.
    const ignore = (): void => undefined;
    socket.on("error", ignore);
    const path = request.url?.split("?", 1)[0];
    if (path !== WEB_DRIVER_PATH) return refuseUpgrade(socket, 404, "there is nothing to upgrade here");
    if (!this.#isAllowed(request)) return refuseUpgrade(socket, 403, "pages of this origin are refused");
    if (this.#isFull) return refuseUpgrade(socket, 503, "there are too many drivers");
    const problem = upgradeProblem(request, head);
    if (problem !== null) return refuseUpgrade(socket, 400, problem);
    this.#admit(acceptUpgrade(request, socket));
  }

  /** A request of the HTTP server's; false when it is not for us. */
  request(request: IncomingMessage, response: ServerResponse): boolean {
    const path = request.url?.split("?", 1)[0];
    if (path !== WEB_DRIVER_PATH && path !== WEB_SEND_PATH) return false;
    if (!this.#isAllowed(request)) {
      refuse(request, response, 403, "pages of this origin are refused");
      return true;
    }
    const { origin } = request.headers;
    for (const [name, value] of origin === undefined ? [] : Object.entries(corsHeaders(origin))) {
      response.setHeader(name, value);
    }
    if (request.method === "OPTIONS") response.writeHead(204).end();
    else if (request.method !== "POST") refuse(request, response, 405, "drivers come by WebSocket or POST");
    else if (path === WEB_DRIVER_PATH) this.#openFetchPipe(request, response);
    else this.#send(request, response);
    return true;
  }

  /** End all. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const connections = [...this.#connections];
    for (const connection of connections) connection.destroy(null);
    await Promise.all(connections.map((connection) => connection.closed));
  }

  get #isFull(): boolean {
    return this.#isClosed || this.#connections.size >= DRIVERS_MAX;
  }

  /** No browser, a page of this port's own, or one of a site that is on the list. */
  #isAllowed({ headers }: IncomingMessage): boolean {
    const { origin, host } = headers;
    if (origin === undefined || this.#origins.has(origin)) return true;
    // A page can point a name of its own at us: the name must be one of ours.
    return host !== undefined && isOurHost(host, this.#options.hosts) &&
      (origin === `http://${host}` || origin === `https://${host}`);
  }

  #openFetchPipe(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    if (this.#isFull) return refuse(request, response, 503, "there are too many drivers");
    const id = randomBytes(16).toString("hex");
    const pipe = new FetchPipe(response, { [PIPE_HEADER]: id, "cache-control": "no-store" });
    this.#fetchPipes.set(id, pipe);
    void this.#admit(pipe).closed.then(() => this.#fetchPipes.delete(id));
  }

  #send(request: IncomingMessage, response: ServerResponse): void {
    const pipe = this.#fetchPipes.get(String(request.headers[PIPE_HEADER]));
    if (pipe === undefined) return refuse(request, response, 410, "this pipe is over");
    // It went away while it was sending.
    pipe.receive(request, response).catch(() => response.destroy());
  }

  #admit(pipe: BytePipe): Connection {
    const connection = new Connection(pipe, {
      name: "web driver",
      limits: HANDSHAKE_LIMITS,
      queueBytesMax: QUEUE_BYTES_MAX,
    });
    this.#connections.add(connection);
    void connection.closed.then(() => {
      this.#connections.delete(connection);
      this.#agents.get(connection)?.close();
    });
    this.#gate.admit(connection, (welcomed) => this.#join(welcomed));
    return connection;
  }

  /** Its agent has the last word. */
  async #accept(hello: Hello, connection: Connection): Promise<Welcome | Error> {
    if (hello.role !== "driver" || hello.purpose !== "control") {
      return new AuthenticationError("only drivers come by this way");
    }
    const { token, clusterId, tls } = this.#options;
    const alive = this.#options.nodes().filter((node) => node.state === "ALIVE");
    let problem: Error = new MobulaError("The cluster has no live node", { code: "NoNode" });
    for (const { address } of alive.sort((a, b) => Number(b.isHeadNode) - Number(a.isHeadNode)).slice(0, 2)) {
      try {
        const agent = await connectHttp2({
          address,
          path: "/control",
          hello: { ...hello, token, clusterId },
          timeoutMs: AGENT_TIMEOUT_MS,
          connection: { queueBytesMax: QUEUE_BYTES_MAX },
          ...(tls === undefined ? {} : { tls }),
        });
        this.#agents.set(connection, agent);
        if (!connection.isOpen) agent.close();
        return agent.peer as Welcome;
      } catch (error) {
        if (error instanceof AuthenticationError) return error;
        problem = error as Error;
      }
    }
    return problem;
  }

  #join(driver: Connection): void {
    const agent = this.#agents.get(driver)!;
    relay(driver, agent);
    relay(agent, driver);
  }
}

/** What comes from one goes to the other; its end too. */
function relay(from: Connection, to: Connection): void {
  let isWaiting = false;
  from.onFrame = (type, flags, header, sections) => {
    to.send(type, header, sections, flags);
    if (to.writable || isWaiting) return;
    isWaiting = true;
    from.pauseReading();
    // When it never drains it is over, and `from` ends with it.
    to.drained().catch(() => undefined).then(() => {
      isWaiting = false;
      from.resumeReading();
    });
  };
  from.onClose = () => to.close();
}

function corsHeaders(origin: string): Record<string, string> {
  return {
    "access-control-allow-origin": origin,
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": `content-type, ${PIPE_HEADER}, ${SEQUENCE_HEADER}`,
    "access-control-expose-headers": PIPE_HEADER,
    "access-control-max-age": "600",
    vary: "origin",
  };
}

function refuse(request: IncomingMessage, response: ServerResponse, status: number, message: string): void {
  request.resume();
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ error: { code: "REFUSED", message } }));
}

function refuseUpgrade(socket: Duplex, status: number, message: string): void {
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Type: text/plain\r\n` +
      `Content-Length: ${message.length + 1}\r\n\r\n${message}\n`,
    () => socket.destroy(),
  );
}
