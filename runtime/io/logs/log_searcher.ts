/**
 * Asks the process that searches logs (log_search_process.ts). It is started by the first question, ends when nobody has
 * asked for a while, and is killed when an answer takes too long.
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { runtimeName, spawnRuntime } from "#platform";
import { MobulaError } from "../../common/errors.ts";
import type { RuntimeName } from "../../common/task_spec.ts";
import type { LogFileRow, LogPage, LogPart, LogQuery, LogText } from "../../common/log_query.ts";
import { RUNTIME_URL } from "../../platform/runtime_folder.ts";
import type { LogQuestion } from "./log_search_process.ts";

/** A search answers after this long with what it has. */
const BUDGET_MS = 600;
/** Only a pattern that takes exponential time takes longer than this. */
const ANSWER_MS = 5_000;
const IDLE_MS = 20_000;
/** Questions that wait at once. */
const WAITING_MAX = 100;

interface Waiting {
  readonly question: LogQuestion;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** See the module's header. */
export class LogSearcher {
  readonly #folder: string;
  readonly #runtime: RuntimeName;
  readonly #answerMs: number;
  /** The first one was sent, unless there is no process. */
  readonly #waiting: Waiting[] = [];
  #child: ChildProcess | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** `runtime`: of the process. `answerMs`: when an answer takes too long. */
  constructor(
    folder: string,
    { runtime = runtimeName, answerMs = ANSWER_MS }: { runtime?: RuntimeName; answerMs?: number } = {},
  ) {
    this.#folder = folder;
    this.#runtime = runtime;
    this.#answerMs = answerMs;
  }

  search(query: LogQuery): Promise<LogPage> {
    return this.#ask({ kind: "search", query, budgetMs: BUDGET_MS }) as Promise<LogPage>;
  }
  files(): Promise<LogFileRow[]> {
    return this.#ask({ kind: "files" }) as Promise<LogFileRow[]>;
  }
  /** Null when the file is not here. */
  part(file: string, at: number, before: number, count: number): Promise<LogPart | null> {
    return this.#ask({ kind: "part", file, at, before, count }) as Promise<LogPart | null>;
  }

  /** Null when the file is not here. */
  text(file: string, at: number): Promise<LogText | null> {
    return this.#ask({ kind: "text", file, at }) as Promise<LogText | null>;
  }

  close(): void {
    this.#closed = true;
    this.#end(new MobulaError("the search of logs was ended", { code: "ShutDown" }));
  }

  #ask(question: LogQuestion): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new MobulaError("this process ends", { code: "ShutDown" }));
      if (this.#waiting.length >= WAITING_MAX) {
        return reject(new MobulaError(`${WAITING_MAX} searches wait already`, { code: "Overloaded" }));
      }
      this.#waiting.push({ question, resolve, reject });
      if (this.#waiting.length === 1) this.#send();
    });
  }

  /** The next question, if any. */
  #send(): void {
    clearTimeout(this.#timer);
    const next = this.#waiting[0];
    if (next === undefined) {
      this.#timer = setTimeout(() => void this.#child?.stdin?.end(), IDLE_MS);
      this.#timer.unref?.();
      return;
    }
    const child = this.#child ??= this.#start();
    child.stdin!.write(`${JSON.stringify(next.question)}\n`);
    this.#timer = setTimeout(() => {
      const why = "the search took too long and was ended: the pattern may need exponential time";
      this.#waiting.shift()!.reject(new RangeError(why));
      this.#forget(child);
      this.#send();
    }, this.#answerMs);
  }

  #start(): ChildProcess {
    const entry = fileURLToPath(new URL("io/logs/log_search_process.ts", RUNTIME_URL));
    const child = spawnRuntime(this.#runtime, entry, {
      args: [this.#folder],
      stdio: ["pipe", "pipe", "inherit"],
      endsWithParent: true,
    });
    child.stdin!.on("error", () => undefined);
    child.on("error", () => this.#lost(child));
    child.on("close", () => this.#lost(child));
    createInterface({ input: child.stdout as Readable }).on("line", (line) => this.#answered(child, line));
    return child;
  }

  #answered(child: ChildProcess, line: string): void {
    if (child !== this.#child) return;
    const said = JSON.parse(line) as { result: unknown } | { error: string };
    const { resolve, reject } = this.#waiting.shift()!;
    if ("error" in said) reject(new RangeError(said.error));
    else resolve(said.result);
    this.#send();
  }

  /** It ended by itself: what it was asked has no answer. */
  #lost(child: ChildProcess): void {
    if (child !== this.#child) return;
    this.#child = null;
    if (this.#waiting.length === 0) return;
    this.#waiting.shift()!.reject(new MobulaError("the search of logs failed", { code: "SearchFailed" }));
    this.#send();
  }

  #forget(child: ChildProcess): void {
    this.#child = null;
    child.kill("SIGKILL");
  }

  #end(reason: Error): void {
    clearTimeout(this.#timer);
    if (this.#child !== null) this.#forget(this.#child);
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
  }
}
