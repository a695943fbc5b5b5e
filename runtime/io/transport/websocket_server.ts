/**
 * A client's WebSocket as a byte pipe, on a socket that `node:http` upgraded. Binary messages are bytes in order, and their
 * borders mean nothing. A paused pipe does not read its socket, so the client's writes wait.
 *
 *   open --end()--> close frame sent --close frame came--> socket ended --> closed
 *     \--close frame came: `end`, answered by end()--------^
 * @module
 */
import { createHash } from "node:crypto";
import { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WEB_SUBPROTOCOL } from "../../protocol/web_pipe.ts";
import {
  binaryHeader,
  ControlFrame,
  controlFrame,
  WebSocketReader,
} from "../../protocol/websocket_frames.ts";
import type { BytePipe } from "./byte_pipe.ts";
import { toError } from "./transport_error.ts";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** What lies between drops connections that are silent for a minute. */
const PING_INTERVAL_MS = 25_000;
/** A peer that vanished is noticed by the operating system from this long on. */
const KEEP_ALIVE_MS = 15_000;
/** Normal closure, 1000. */
const GOODBYE = Uint8Array.of(0x03, 0xe8);

/** Why an upgrade cannot be accepted, or null. */
export function upgradeProblem({ method, headers }: IncomingMessage, head: Uint8Array): string | null {
  if (method !== "GET" || headers.upgrade?.toLowerCase() !== "websocket") return "this is no WebSocket";
  if (headers["sec-websocket-version"] !== "13") return "the WebSocket's version must be 13";
  if (!/^[A-Za-z0-9+/]{22}==$/.test(headers["sec-websocket-key"] ?? "")) {
    return "the WebSocket's key is wrong";
  }
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  if (!offered.includes(WEB_SUBPROTOCOL)) return `the WebSocket's protocol must be ${WEB_SUBPROTOCOL}`;
  return head.length > 0 ? "bytes came before the upgrade was accepted" : null;
}

/** Answer a good upgrade; from here on the socket is a pipe. */
export function acceptUpgrade({ headers }: IncomingMessage, socket: Duplex): WebSocketPipe {
  const accept = createHash("sha1").update(`${headers["sec-websocket-key"]}${GUID}`).digest("base64");
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: ${WEB_SUBPROTOCOL}\r\n\r\n`,
  );
  return new WebSocketPipe(socket);
}

/** See the module's header. */
export class WebSocketPipe extends EventEmitter implements BytePipe {
  readonly #socket: Duplex;
  readonly #reader: WebSocketReader;
  readonly #pings: ReturnType<typeof setInterval>;
  #sentClose = false;
  #gotClose = false;

  constructor(socket: Duplex) {
    super();
    this.#socket = socket;
    this.#reader = new WebSocketReader({
      data: (bytes) => void this.emit("data", bytes),
      control: (kind, payload) => this.#control(kind, payload),
    });
    const tcp = socket as { setNoDelay?(on: boolean): void; setKeepAlive?(on: boolean, ms: number): void };
    tcp.setNoDelay?.(true);
    tcp.setKeepAlive?.(true, KEEP_ALIVE_MS);
    socket.on("data", (chunk: Uint8Array) => this.#received(chunk));
    socket.on("end", () => this.#ended());
    socket.on("error", (error: unknown) => void this.emit("error", error));
    socket.on("drain", () => void this.emit("drain"));
    socket.on("close", () => {
      clearInterval(this.#pings);
      this.emit("close");
    });
    this.#pings = setInterval(() => this.#send(controlFrame(ControlFrame.ping)), PING_INTERVAL_MS);
    this.#pings.unref();
  }

  get destroyed(): boolean {
    return this.#socket.destroyed;
  }

  write(chunk: Uint8Array, written?: () => void): boolean {
    if (this.#sentClose || this.#socket.destroyed) return false;
    this.#socket.cork();
    this.#socket.write(binaryHeader(chunk.length));
    const takesMore = this.#socket.write(chunk, () => written?.());
    this.#socket.uncork();
    return takesMore;
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Says goodbye, and ends the socket when the client has said it too. */
  end(): void {
    if (this.#sentClose) return;
    this.#send(controlFrame(ControlFrame.close, GOODBYE));
    this.#sentClose = true;
    if (this.#gotClose) this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #send(frame: Uint8Array): void {
    if (!this.#sentClose && !this.#socket.destroyed && this.#socket.writable) this.#socket.write(frame);
  }

  #received(chunk: Uint8Array): void {
    if (this.#gotClose) return;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.emit("error", toError(error));
      this.destroy();
    }
  }

  #control(kind: number, payload: Uint8Array): void {
    if (kind === ControlFrame.ping) this.#send(controlFrame(ControlFrame.pong, payload));
    else if (kind === ControlFrame.close) this.#ended();
  }

  #ended(): void {
    if (this.#gotClose) return;
    this.#gotClose = true;
    if (this.#sentClose) this.#socket.end();
    this.emit("end");
  }
}
