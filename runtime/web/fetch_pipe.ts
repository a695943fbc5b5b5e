/**
 * A byte pipe of fetches, for where there is no WebSocket (protocol/web_pipe.ts): one answer that is read down, one POST at a
 * time up. What is written while a POST is under way leaves together with the next one.
 * @module
 */
import { ConnectError, ConnectionClosedError, toError } from "../io/transport/transport_error.ts";
import { PIPE_HEADER, SEND_BYTES_MAX, SEQUENCE_HEADER } from "../protocol/web_pipe.ts";
import { ClientPipe } from "./client_pipe.ts";

/** Open one; ConnectError after `timeoutMs`, or with what the server said. */
export async function openFetchPipe(url: URL, sendUrl: URL, timeoutMs: number): Promise<FetchPipe> {
  const abort = new AbortController();
  const late = new Error(`no answer in ${timeoutMs} ms`);
  const timer = setTimeout(() => abort.abort(late), timeoutMs);
  try {
    const response = await fetch(url, { method: "POST", cache: "no-store", signal: abort.signal });
    const id = response.headers.get(PIPE_HEADER);
    if (response.ok && id !== null && response.body !== null) {
      return new FetchPipe(response.body, abort, sendUrl, id);
    }
    throw new Error(`status ${response.status}: ${(await response.text()).trim().slice(0, 200)}`);
  } catch (error) {
    const cause = toError(error);
    throw new ConnectError(`cannot connect to ${url.origin}: ${cause.message}`, { cause });
  } finally {
    clearTimeout(timer);
  }
}

/** See the module's header. */
export class FetchPipe extends ClientPipe {
  readonly #reader: {
    read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
    cancel(): Promise<void>;
  };
  readonly #abort: AbortController;
  readonly #sendUrl: URL;
  readonly #id: string;
  #queue: { readonly chunk: Uint8Array; readonly written: (() => void) | undefined }[] = [];
  #sequence = 0;
  #isSending = false;
  #isEnding = false;
  #resume: (() => void) | null = null;

  constructor(down: ReadableStream<Uint8Array>, abort: AbortController, sendUrl: URL, id: string) {
    super();
    this.#reader = down.getReader();
    this.#abort = abort;
    this.#sendUrl = sendUrl;
    this.#id = id;
    void this.#read();
  }

  write(chunk: Uint8Array, written?: () => void): boolean {
    if (this.destroyed || this.#isEnding) return false;
    // It is sent later, and the writer's memory may be used again by then.
    for (let at = 0; at < chunk.length; at += SEND_BYTES_MAX) {
      const piece = chunk.slice(at, at + SEND_BYTES_MAX);
      const isLast = at + SEND_BYTES_MAX >= chunk.length;
      this.#queue.push({ chunk: piece, written: isLast ? written : undefined });
    }
    if (!this.#isSending) void this.#send();
    return false;
  }

  end(): void {
    this.#isEnding = true;
    if (!this.#isSending) this.closed(null);
  }

  protected abort(): void {
    this.#queue = [];
    this.#resume?.();
    // First: an answer that is only aborted keeps a Deno process alive.
    this.#reader.cancel().catch(() => undefined);
    this.#abort.abort();
  }

  protected override wake(): void {
    this.#resume?.();
    this.#resume = null;
  }

  async #read(): Promise<void> {
    try {
      while (!this.destroyed) {
        if (this.isPaused) await new Promise<void>((resolve) => this.#resume = resolve);
        const { done, value } = await this.#reader.read();
        if (done) break;
        this.received(value!);
      }
      this.ended();
      this.closed(null);
    } catch (error) {
      this.closed(new ConnectionClosedError("the answer broke off", { cause: error }));
    }
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    try {
      while (this.#queue.length > 0 && !this.destroyed) await this.#post();
      if (this.#isEnding) this.closed(null);
    } catch (error) {
      this.closed(new ConnectionClosedError("the bytes could not be sent", { cause: error }));
    } finally {
      this.#isSending = false;
    }
  }

  async #post(): Promise<void> {
    let length = 0;
    let count = 0;
    for (const { chunk } of this.#queue) {
      if (length + chunk.length > SEND_BYTES_MAX) break;
      length += chunk.length;
      count++;
    }
    const sent = this.#queue.splice(0, count);
    const body = new Uint8Array(length);
    let at = 0;
    for (const { chunk } of sent) {
      body.set(chunk, at);
      at += chunk.length;
    }
    const headers = {
      "content-type": "application/octet-stream",
      [PIPE_HEADER]: this.#id,
      [SEQUENCE_HEADER]: String(this.#sequence++),
    };
    const { signal } = this.#abort;
    const response = await fetch(this.#sendUrl, { method: "POST", headers, body, signal });
    await response.body?.cancel();
    if (response.status !== 204) throw new Error(`status ${response.status}`);
    for (const { written } of sent) written?.();
  }
}
