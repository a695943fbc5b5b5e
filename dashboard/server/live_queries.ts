/**
 * Queries that are watched: each question is evaluated once for all who watch it, when at least one of them has room for
 * the answer, and not before its interval is over. Large answers come less often. Nobody is queued for: a watcher that
 * comes back takes the newest answer.
 * @module
 */
import { parseQuestion, type QueryRegistry } from "./queries/registry.ts";
import { NotFound } from "./queries/query.ts";

/** An answer of n bytes is evaluated again after n / this at the earliest: half of a reader's budget. */
const BYTES_PER_MS = 32;
/** Longest time that a large answer is kept from being renewed. */
const EVERY_MS_MAX = 15_000;
/** A question that nobody asked for so long is forgotten. */
const FORGET_MS = 10_000;
/** Questions that are watched at once, by all; beyond, new ones are refused. */
const QUESTIONS_MAX = 2_000;

/** The answer to a question: the same text until it changes. */
export interface LiveAnswer {
  /** Grows when the answer changes. */
  readonly version: number;
  /** `"data":…` or `"error":…`: the tail of a frame. */
  readonly text: string;
}

interface Watched {
  readonly name: string;
  readonly params: URLSearchParams;
  answer: LiveAnswer | null;
  isRunning: boolean;
  ranMs: number;
  askedMs: number;
}

export class LiveQueries {
  readonly #registry: QueryRegistry;
  readonly #now: () => number;
  readonly #watched = new Map<string, Watched>();
  #sweptMs = 0;

  constructor(registry: QueryRegistry, now: () => number = Date.now) {
    this.#registry = registry;
    this.#now = now;
  }

  get size(): number {
    return this.#watched.size;
  }

  /** The newest answer, or null before the first. Has it evaluated again when it is time. */
  read(question: string): LiveAnswer | null {
    const nowMs = this.#now();
    this.#sweep(nowMs);
    let watched = this.#watched.get(question);
    if (watched === undefined) {
      if (this.#watched.size >= QUESTIONS_MAX) {
        return failure(0, "TOO_MANY_QUERIES", `${QUESTIONS_MAX} queries are watched already`);
      }
      watched = this.#begin(question, nowMs);
      this.#watched.set(question, watched);
    }
    watched.askedMs = nowMs;
    const waitMs = Math.min(
      EVERY_MS_MAX,
      Math.max(this.#registry.everyMs(watched.name), (watched.answer?.text.length ?? 0) / BYTES_PER_MS),
    );
    if (!watched.isRunning && nowMs - watched.ranMs >= waitMs) void this.#evaluate(watched);
    return watched.answer;
  }

  #begin(question: string, nowMs: number): Watched {
    const { name, params } = parseQuestion(question);
    return { name, params, answer: null, isRunning: false, ranMs: -Infinity, askedMs: nowMs };
  }

  async #evaluate(watched: Watched): Promise<void> {
    watched.isRunning = true;
    watched.ranMs = this.#now();
    const version = (watched.answer?.version ?? 0) + 1;
    let answer: LiveAnswer;
    try {
      const data = await this.#registry.run(watched.name, watched.params);
      answer = data instanceof Uint8Array
        ? failure(version, "BAD_REQUEST", "this query answers with bytes and cannot be watched")
        : { version, text: `"data":${JSON.stringify(data ?? null)}` };
    } catch (error) {
      answer = failureOf(version, error);
    }
    watched.isRunning = false;
    if (answer.text !== watched.answer?.text) watched.answer = answer;
  }

  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptMs < FORGET_MS) return;
    this.#sweptMs = nowMs;
    for (const [question, watched] of this.#watched) {
      if (!watched.isRunning && nowMs - watched.askedMs >= FORGET_MS) this.#watched.delete(question);
    }
  }
}

/** Errors of the store's reader process: its statement took too long, too many wait, it died. */
const READ_STATUS: Readonly<Record<string, 503 | 504>> = {
  READ_TIMEOUT: 504,
  READ_BUSY: 503,
  READ_FAILED: 503,
};

/** What people are told of an error: those of the question in full, others by the head's log. */
export function errorBody(
  error: unknown,
): { status: 400 | 404 | 500 | 503 | 504; code: string; message: string } {
  if (error instanceof RangeError) return { status: 400, code: "BAD_REQUEST", message: error.message };
  if (error instanceof NotFound) return { status: 404, code: "NOT_FOUND", message: error.message };
  const { code, message } = error as { code?: unknown; message?: unknown };
  const status = READ_STATUS[String(code)];
  if (status !== undefined) return { status, code: String(code), message: String(message) };
  return { status: 500, code: "INTERNAL_ERROR", message: "the request failed; the head's log says why" };
}

function failureOf(version: number, error: unknown): LiveAnswer {
  const { code, message } = errorBody(error);
  return failure(version, code, message);
}

function failure(version: number, code: string, message: string): LiveAnswer {
  return { version, text: `"error":${JSON.stringify({ code, message })}` };
}
