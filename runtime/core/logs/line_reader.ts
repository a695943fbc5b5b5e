/**
 * Lines of a log file from its bytes, each with its place and the mark that it stands under. Bytes come in any pieces; what
 * is after the last line's end waits for more.
 * @module
 */
import { type LogMark, MARK_BYTE, markOf } from "../../common/log_lines.ts";

/** A longer line goes in pieces. */
export const LINE_BYTES_MAX: number = 64 * 1024;

const NEWLINE = 10;
const RETURN = 13;
const NO_BYTES = new Uint8Array(0);

export interface ReadLine {
  /** Of its first byte in the file. */
  readonly offset: number;
  readonly text: string;
  readonly mark: LogMark | null;
}

/** See the module's header. */
export class LineReader {
  readonly #decoder = new TextDecoder();
  readonly #onLine: (line: ReadLine) => void;
  readonly #onMark: ((mark: LogMark, offset: number) => void) | undefined;
  /** Of the first byte of #rest. */
  #offset: number;
  #rest: Uint8Array = NO_BYTES;
  #mark: LogMark | null = null;

  /** `offset`: where the first bytes stand in the file. `mark`: what is valid there. */
  constructor(
    offset: number,
    onLine: (line: ReadLine) => void,
    mark: LogMark | null = null,
    onMark?: (mark: LogMark, offset: number) => void,
  ) {
    this.#offset = offset;
    this.#onLine = onLine;
    this.#mark = mark;
    this.#onMark = onMark;
  }

  /** The place after the last whole line. */
  get offset(): number {
    return this.#offset;
  }
  get mark(): LogMark | null {
    return this.#mark;
  }

  /** `bytes` are not kept. */
  feed(bytes: Uint8Array): void {
    const data = this.#rest.length === 0 ? bytes : joined(this.#rest, bytes);
    let start = 0;
    for (;;) {
      let end = data.indexOf(NEWLINE, start);
      let next = end + 1;
      if (end < 0 || end - start > LINE_BYTES_MAX) {
        if (data.length - start < LINE_BYTES_MAX) break;
        next = end = start + LINE_BYTES_MAX;
      }
      this.#line(data, start, end);
      this.#offset += next - start;
      start = next;
    }
    this.#rest = start === data.length ? NO_BYTES : data.slice(start);
  }

  /** What is left is a line too: nothing more comes. */
  end(): void {
    const rest = this.#rest;
    this.#rest = NO_BYTES;
    if (rest.length === 0) return;
    this.#line(rest, 0, rest.length);
    this.#offset += rest.length;
  }

  #line(data: Uint8Array, start: number, end: number): void {
    const to = end > start && data[end - 1] === RETURN ? end - 1 : end;
    const text = this.#decoder.decode(data.subarray(start, to));
    if (data[start] === MARK_BYTE) {
      const mark = markOf(text);
      if (mark !== null) {
        this.#mark = mark;
        return this.#onMark?.(mark, this.#offset);
      }
    }
    this.#onLine({ offset: this.#offset, text, mark: this.#mark });
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
