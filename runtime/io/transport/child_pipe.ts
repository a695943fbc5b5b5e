/**
 * A pipe between a process and one that it has started: frames over the child's stdin and stdout, a JSON header each, bytes as
 * sections. The pipe's end is the other one's end, so there is no handshake.
 * @module
 */
import type { Duplex, Readable, Writable } from "node:stream";
import { FrameParser, FrameWriter } from "../../protocol/frames.ts";

export type ChildMessageHandler = (type: number, message: unknown, sections: readonly Uint8Array[]) => void;

const decoder = new TextDecoder();

/** One end of the pipe. */
export class ChildPipe {
  readonly #output: Writable;
  readonly #writer: FrameWriter = new FrameWriter();
  #scheduled = false;

  /** `onMessage` gets each message in order; `onEnd` is called once, when the other end is gone or broke the framing. */
  constructor(
    input: Readable,
    output: Writable | Duplex,
    onMessage: ChildMessageHandler,
    onEnd: (error: Error | null) => void,
  ) {
    this.#output = output;
    let ended = false;
    const end = (error: Error | null) => {
      if (ended) return;
      ended = true;
      onEnd(error);
    };
    const parser = new FrameParser((type, _flags, header, sections) => {
      onMessage(type, JSON.parse(decoder.decode(header)), sections);
    });
    input.on("data", (chunk: Uint8Array) => {
      try {
        parser.push(chunk);
      } catch (error) {
        end(error as Error);
      }
    });
    input.on("end", () => end(null));
    input.on("close", () => end(null));
    input.on("error", end);
    output.on("error", end);
  }

  send(type: number, message: unknown, sections: readonly Uint8Array[] = []): void {
    this.#writer.append(type, 0, JSON.stringify(message), sections);
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.flush());
  }

  flush(): void {
    this.#scheduled = false;
    for (const chunk of this.#writer.take()) this.#output.write(chunk);
  }

  /** Flush, and resolve when the other end's buffer has it all. */
  drained(): Promise<void> {
    this.flush();
    return new Promise((resolve) => this.#output.write(new Uint8Array(0), () => resolve()));
  }
}
