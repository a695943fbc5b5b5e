/**
 * Asks a reader process (reader_process.ts), which is started with the first question, killed when an answer takes too
 * long, and let go when nobody has asked for a while.
 *
 *   none --ask--> working --answer, next--> working --answer, none waits--> idle --ask--> working
 *    ^               |                                                        |
 *    +-- too long, it died: the question fails, the others go to a new one ---+-- idle for long: killed
 * @module
 */
import type { ChildProcess } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { spawnRuntime } from "#platform";
import type { RuntimeName } from "../../common/task_spec.ts";
import { RUNTIME_URL } from "../../platform/runtime_folder.ts";
import { type AnswerMessage, ReaderFrame, type ReaderPlace, type ReaderQuestions } from "./reader_wire.ts";
import { ChildPipe } from "../transport/child_pipe.ts";

/** How long an answer may take, the process's start included. */
export const READ_TIMEOUT_MS: number = 10_000;
/** Questions that wait at once. */
const WAITING_MAX = 32;
/** A process that nobody asks is let go. */
const IDLE_MS = 30_000;

/** The question could not be answered: too many wait, it took too long, or the process died. */
export class ReadError extends Error {
  override readonly name: string = "ReadError";
  readonly code: "READ_TIMEOUT" | "READ_BUSY" | "READ_FAILED";

  constructor(code: ReadError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

interface Question {
  readonly id: number;
  readonly name: keyof ReaderQuestions;
  readonly params: unknown;
  readonly timeoutMs: number;
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

export interface ReaderOptions extends ReaderPlace {
  /** Runtime of the reader process. */
  readonly runtime: RuntimeName;
}

/** See the module's header. */
export class StoreReader {
  readonly #options: ReaderOptions;
  readonly #waiting: Question[] = [];
  #current: Question | null = null;
  #child: ChildProcess | null = null;
  #pipe: ChildPipe | null = null;
  #timer: NodeJS.Timeout | undefined;
  #nextId = 1;
  #isClosed = false;

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  /** The reader's process id, while there is one. For tests. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /**
   * Ask. RangeError: what was asked is wrong. ReadError: it was not answered.
   * @param timeoutMs how long the answer may take once it is worked on; then the process is killed.
   */
  ask<N extends keyof ReaderQuestions>(
    name: N,
    params: ReaderQuestions[N]["params"],
    timeoutMs: number = READ_TIMEOUT_MS,
  ): Promise<ReaderQuestions[N]["result"]> {
    if (this.#isClosed) return Promise.reject(new ReadError("READ_FAILED", "The store's reader is closed"));
    if (this.#waiting.length >= WAITING_MAX) {
      return Promise.reject(
        new ReadError("READ_BUSY", `${WAITING_MAX} questions to the store wait already: ask again later`),
      );
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ id: this.#nextId++, name, params, timeoutMs, resolve, reject });
      this.#next();
    });
  }

  /** End the process; what is asked fails. */
  close(): void {
    this.#isClosed = true;
    const error = new ReadError("READ_FAILED", "The store's reader is closed");
    for (const question of this.#waiting.splice(0)) question.reject(error);
    this.#drop(error);
  }

  #next(): void {
    if (this.#current !== null) return;
    const question = this.#waiting.shift();
    clearTimeout(this.#timer);
    if (question === undefined) {
      // It holds no process up that has nothing else to do.
      this.#timer = setTimeout(() => this.#drop(null), IDLE_MS);
      this.#timer.unref();
      this.#setRef(false);
      return;
    }
    this.#current = question;
    const pipe = this.#pipe ?? this.#start();
    this.#setRef(true);
    const { id, name, params, timeoutMs } = question;
    this.#timer = setTimeout(() =>
      this.#drop(
        new ReadError(
          "READ_TIMEOUT",
          `The query took longer than ${timeoutMs / 1000} s and was ended: ask for less, or by a key`,
        ),
      ), timeoutMs);
    pipe.send(ReaderFrame.ask, { id, name, params });
  }

  #start(): ChildPipe {
    const { runtime, url, dir } = this.#options;
    const entry = fileURLToPath(new URL("io/storage/reader_process.ts", RUNTIME_URL));
    const child = spawnRuntime(runtime, entry, { stdio: ["pipe", "pipe", "inherit"], endsWithParent: true });
    const ended = (how: string) => {
      if (this.#child === child) this.#drop(new ReadError("READ_FAILED", `The store's reader ${how}`));
    };
    child.on("error", (error) => ended(`cannot be started: ${error.message}`));
    child.on("close", (code, signal) => ended(`ended with ${signal ?? `code ${code}`}`));
    const onMessage = (_type: number, message: unknown) => this.#answered(message as AnswerMessage);
    this.#child = child;
    this.#pipe = new ChildPipe(child.stdout as Readable, child.stdin as Writable, onMessage, () => {});
    this.#pipe.send(ReaderFrame.open, { url, dir });
    return this.#pipe;
  }

  #answered({ id, result, error }: AnswerMessage): void {
    const question = this.#current;
    if (question === null || question.id !== id) return;
    this.#current = null;
    if (error === undefined) question.resolve(result as never);
    else {question.reject(
        error.isUser ? new RangeError(error.message) : new ReadError("READ_FAILED", error.message),
      );}
    this.#next();
  }

  /** Kill the process. The question at hand fails with `error`; those that wait go to another one. */
  #drop(error: ReadError | null): void {
    clearTimeout(this.#timer);
    const [child, question] = [this.#child, this.#current];
    this.#child = null;
    this.#pipe = null;
    this.#current = null;
    child?.kill("SIGKILL");
    if (question !== null && error !== null) question.reject(error);
    if (this.#waiting.length > 0) this.#next();
  }

  #setRef(isHeld: boolean): void {
    const child = this.#child;
    if (child === null) return;
    const streams = [child, child.stdin, child.stdout] as unknown as { ref?(): void; unref?(): void }[];
    for (const one of streams) isHeld ? one.ref?.() : one.unref?.();
  }
}
