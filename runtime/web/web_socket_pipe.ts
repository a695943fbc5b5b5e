/**
 * A byte pipe over the page's WebSocket. Bytes that the browser has not sent yet count as queued: it tells how many they are
 * when it is asked, and not by an event.
 * @module
 */
import { ConnectError, ConnectionClosedError } from "../io/transport/transport_error.ts";
import { WEB_SUBPROTOCOL } from "../protocol/web_pipe.ts";
import { ClientPipe } from "./client_pipe.ts";

/** Below this many unsent bytes, what was written counts as gone. */
const UNSENT_BYTES = 1024 * 1024;
const ASK_AGAIN_MS = 5;
const NORMAL_CLOSURE = 1000;

/** Connect; ConnectError after `timeoutMs`. A browser does not tell why a connection was refused. */
export function openWebSocket(url: URL, timeoutMs: number): Promise<WebSocketPipe> {
  const address = new URL(url);
  address.protocol = url.protocol === "https:" || url.protocol === "wss:" ? "wss:" : "ws:";
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(address.href, WEB_SUBPROTOCOL);
    const fail = (why: string): void => {
      clearTimeout(timer);
      socket.onopen = socket.onerror = socket.onclose = null;
      socket.close();
      reject(new ConnectError(`cannot connect to ${url.origin}: ${why}`));
    };
    const timer = setTimeout(() => fail(`no answer in ${timeoutMs} ms`), timeoutMs);
    const refused = "it is not reachable, or refuses pages of this origin (MOBULA_WEB_ORIGINS)";
    socket.onerror = () => fail(refused);
    socket.onclose = () => fail(refused);
    socket.onopen = () => {
      clearTimeout(timer);
      resolve(new WebSocketPipe(socket));
    };
  });
}

/** See the module's header. */
export class WebSocketPipe extends ClientPipe {
  readonly #socket: WebSocket;
  /** Told in order when the browser has sent what they wait for. */
  #written: (() => void)[] = [];
  #isAsking = false;

  constructor(socket: WebSocket) {
    super();
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) this.received(new Uint8Array(data));
      else this.closed(new ConnectionClosedError("a WebSocket message that is not bytes"));
    };
    socket.onerror = () => this.closed(new ConnectionClosedError("the WebSocket broke"));
    socket.onclose = ({ code, wasClean }) => {
      if (wasClean && code === NORMAL_CLOSURE) this.ended();
      this.closed(wasClean ? null : new ConnectionClosedError(`the WebSocket closed with code ${code}`));
    };
  }

  write(chunk: Uint8Array, written?: () => void): boolean {
    if (this.#socket.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(chunk as Uint8Array<ArrayBuffer>);
    if (written !== undefined) {
      this.#written.push(written);
      if (!this.#isAsking) queueMicrotask(() => this.#ask());
    }
    return this.#isSent;
  }

  end(): void {
    this.#socket.close(NORMAL_CLOSURE);
  }

  protected abort(): void {
    this.#socket.onmessage = this.#socket.onerror = this.#socket.onclose = null;
    this.#socket.close();
    this.#written = [];
  }

  /** Not every runtime counts; what does not, keeps nothing. */
  get #isSent(): boolean {
    return (this.#socket.bufferedAmount ?? 0) < UNSENT_BYTES;
  }

  #ask(): void {
    this.#isAsking = false;
    if (this.destroyed) return;
    if (this.#isSent) {
      for (const written of this.#written.splice(0)) written();
      return;
    }
    this.#isAsking = true;
    setTimeout(() => this.#ask(), ASK_AGAIN_MS);
  }
}
