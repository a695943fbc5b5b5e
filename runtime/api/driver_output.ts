/**
 * What a driver shows on its stderr: workers' lines with where they come from, mobula's own messages. Stdout is the
 * program's.
 * @module
 */
import type { OutputBatch } from "../common/log_lines.ts";
import type { LogOptions } from "../common/public_types.ts";
import { LineDedup, type ShownLine } from "../core/logs/line_dedup.ts";
import { coloured, prefixOf } from "../common/line_prefix.ts";
import { isLogged, logDedup, logFormat } from "../io/environment.ts";
import type { MessageLevel } from "../protocol/messages.ts";

/** How long a driver's end waits for its workers' last lines. */
export const FLUSH_MS = 1_500;

let chosen: LogOptions = {};

/**
 * How workers' lines are shown from now on, in this process; what is not named stays as it is. `dedup`: hold back lines that
 * many workers print alike (default: MOBULA_LOG_DEDUP, else true; only ever on a terminal). `prefix`: say which task printed
 * a line (default: true, false with MOBULA_LOG_FORMAT=json).
 * @throws {TypeError} for what is no such option.
 */
export function setLogOptions(options: LogOptions): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError("setLogOptions() takes { dedup, prefix }");
  }
  for (const [name, value] of Object.entries(options)) {
    if (name !== "dedup" && name !== "prefix") {
      throw new TypeError(
        `setLogOptions(): there is no option ${JSON.stringify(name)}; there are dedup, prefix`,
      );
    }
    if (value !== undefined && typeof value !== "boolean") {
      throw new TypeError(`setLogOptions(): ${name} is true or false, not ${JSON.stringify(value)}`);
    }
  }
  chosen = { ...chosen, ...options };
}

/** See the module's header. */
export class DriverOutput {
  readonly #dedup = new LineDedup();
  readonly #isTerminal: boolean = process.stderr.isTTY === true;
  readonly #isJson: boolean = logFormat() === "json";
  readonly #dedupDefault: boolean = logDedup();
  #timer: ReturnType<typeof setTimeout> | null = null;

  get isTerminal(): boolean {
    return this.#isTerminal;
  }

  /** Lines of workers. */
  lines(batches: readonly OutputBatch[]): void {
    const nowMs = Date.now();
    const holdsBack = this.#isTerminal && !this.#isJson && (chosen.dedup ?? this.#dedupDefault);
    const shown: string[] = [];
    const show = (line: ShownLine): void => void shown.push(repeatedText(line));
    if (!holdsBack) this.#dedup.flush(show);
    for (const batch of batches) {
      const prefix = this.#prefix(batch);
      if (batch.dropped > 0) {
        shown.push(`${prefix}[dropped ${batch.dropped} lines; mobula logs ${batch.worker} has them]`);
      }
      const { worker, level } = batch;
      for (const text of batch.lines) {
        if (holdsBack) this.#dedup.line(nowMs, { worker, prefix, text, level }, show);
        else shown.push(prefix + text);
      }
    }
    this.#write(shown);
    this.#arm(nowMs);
  }

  /** A message of mobula's own. */
  message(level: MessageLevel, text: string): void {
    if (!isLogged(level)) return;
    this.#write([
      this.#isJson ? JSON.stringify({ level, source: "mobula", message: text }) : `mobula ${level}: ${text}`,
    ]);
  }

  /** A line of its own: progress, where there are no bars. */
  say(text: string): void {
    this.#write([
      this.#isJson ? JSON.stringify({ level: "info", source: "mobula", message: text }) : `mobula: ${text}`,
    ]);
  }

  /** Nothing is held back any more. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const shown: string[] = [];
    this.#dedup.flush((line) => void shown.push(repeatedText(line)));
    this.#write(shown);
  }

  #prefix(batch: OutputBatch): string {
    if (!(chosen.prefix ?? !this.#isJson)) return "";
    const prefix = prefixOf(batch);
    return `${this.#isTerminal ? coloured(prefix, batch.name) : prefix} `;
  }

  #write(lines: readonly string[]): void {
    if (lines.length > 0) process.stderr.write(lines.map((line) => `${line}\n`).join(""));
  }

  /** Lines that are held back are told when they are due, if the program lives as long. */
  #arm(nowMs: number): void {
    const { dueMs } = this.#dedup;
    if (dueMs === null || this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      const shown: string[] = [];
      const now = Date.now();
      this.#dedup.due(now, (line) => void shown.push(repeatedText(line)));
      this.#write(shown);
      this.#arm(now);
    }, Math.max(1, dueMs - nowMs));
    (this.#timer as { unref?: () => void }).unref?.();
  }
}

function repeatedText({ prefix, text, repeated }: ShownLine): string {
  return repeated === 0 ? prefix + text : `${prefix}${text} [repeated ${repeated}x across cluster]`;
}
