/**
 * A worker's own part in its log file: before something is printed, a mark says which task prints it (common/log_lines.ts).
 * The runtime's console is wrapped, and its streams before code runs that may use them, so that a task that prints nothing costs nothing. What native code or a
 * child process writes goes into the file under the mark before it.
 * @module
 */
import { fstatSync, readSync, writeSync } from "node:fs";
import type { JobId } from "../common/ids.ts";
import { type LineLevel, type LogMark, type LogOrigin, markText } from "../common/log_lines.ts";
import { taskLabel } from "../common/line_prefix.ts";
import { LineReader } from "../core/logs/line_reader.ts";
import { IMPORT_NAME } from "../io/function_exporter_globals.ts";
import type { TaskContext } from "../io/core_worker/execution_context.ts";
import type { ActorFacts } from "../io/core_worker/worker_state.ts";

/** What code needs a word of to reach the process's streams: it prints with `console`, or not at all, where there is none. */
const WAYS_TO_STREAMS = new RegExp(
  `\\b(?:process|import|${IMPORT_NAME}|require|global|globalThis|self|eval|Function|_stdout|_stderr)\\b`,
);
/** A mark is written again after this long, so that lines have times. */
const MARK_AGAIN_MS = 500;
/** How much of the file's end is read for a task's last lines. */
const TAIL_BYTES = 32 * 1024;
const STDOUT = 1;

/** Methods of a console, and what weight their lines have. */
const METHODS: readonly (readonly [name: string, level: LineLevel, stream: "out" | "err"])[] = [
  ...([
    "log",
    "info",
    "dir",
    "dirxml",
    "table",
    "group",
    "groupCollapsed",
    "count",
    "timeEnd",
    "timeLog",
  ] as const)
    .map((name) => [name, "info", "out"] as const),
  ["debug", "debug", "out"],
  ["warn", "warning", "err"],
  ["error", "error", "err"],
  ["trace", "error", "err"],
  ["assert", "error", "err"],
];

export interface WorkerOutputOptions {
  readonly origin: LogOrigin;
  readonly context: () => TaskContext | null;
  /** The actor that the process is. */
  readonly actor: () => ActorFacts | null;
  readonly job: () => JobId;
}

/** See the module's header. */
export class WorkerOutput {
  readonly #options: WorkerOutputOptions;
  readonly #printed = new WeakSet<TaskContext>();
  #origin: LogOrigin | null;
  #last: TaskContext | null = null;
  #lastActor: ActorFacts | null = null;
  #level: LineLevel = "info";
  #stream: "out" | "err" = "out";
  #markedMs = 0;
  #hasStreams = false;
  /** Something was written that is no whole line yet. */
  #isMidLine = false;

  constructor(options: WorkerOutputOptions) {
    this.#options = options;
    this.#origin = options.origin;
  }

  /** From now on what is printed is marked; `codeComes` must be told what code is about to run. */
  install(): void {
    this.#note("info", "out");
    const { console } = globalThis;
    for (const [name, level, stream] of METHODS) {
      const print = console[name as "log"];
      if (typeof print !== "function") continue;
      console[name as "log"] = (...values: unknown[]): void => {
        // An assertion that holds prints nothing.
        if (name !== "assert" || !values[0]) this.#note(level, stream);
        print.apply(console, values);
        this.#isMidLine = false;
      };
    }
  }

  /** The runtime opens its streams when they are first asked for, a sixth of a start: so only for code that may use them. */
  codeComes(source: string | null): void {
    if (this.#hasStreams || (source !== null && !WAYS_TO_STREAMS.test(source))) return;
    this.#hasStreams = true;
    for (const [stream, name] of [[process.stdout, "out"], [process.stderr, "err"]] as const) {
      const write = stream.write;
      stream.write = ((chunk: string | Uint8Array, ...rest: never[]): boolean => {
        this.#note("info", name);
        this.#isMidLine = !endsLine(chunk);
        return write.call(stream, chunk, ...rest);
      }) as typeof write;
    }
  }

  /** The last lines that a task printed, at most `count`; none when it printed nothing. */
  linesOf(context: TaskContext | null, count: number): string[] {
    if (context === null || !this.#printed.has(context)) return [];
    const lines: string[] = [];
    try {
      const { size } = fstatSync(STDOUT);
      const bytes = new Uint8Array(Math.min(size, TAIL_BYTES));
      const length = readSync(STDOUT, bytes, 0, bytes.length, size - bytes.length);
      const { taskId } = context;
      const reader = new LineReader(0, ({ text, mark }) => {
        if (mark?.task === taskId) lines.push(text);
      });
      reader.feed(bytes.subarray(0, length));
      reader.end();
    } catch {
      return []; // Its output goes somewhere that cannot be read.
    }
    return lines.slice(-count);
  }

  #note(level: LineLevel, stream: "out" | "err"): void {
    const context = this.#options.context();
    const actor = context?.actor ?? this.#options.actor();
    const isSame = context === this.#last && actor === this.#lastActor;
    // In the middle of a line of its own.
    if (isSame && this.#isMidLine) return;
    const at = Date.now();
    if (isSame && level === this.#level && stream === this.#stream && at - this.#markedMs < MARK_AGAIN_MS) {
      return;
    }
    this.#last = context;
    this.#lastActor = actor;
    this.#level = level;
    this.#stream = stream;
    this.#markedMs = at;
    if (context !== null) this.#printed.add(context);
    const text = markText(this.#mark(at, context, actor));
    try {
      writeSync(STDOUT, this.#isMidLine ? `\n${text}` : text);
    } catch {
      // A full disk: the line itself will fail in its own way.
    }
    this.#isMidLine = false;
    this.#origin = null;
  }

  #mark(at: number, context: TaskContext | null, actor: ActorFacts | null): LogMark {
    const task = context?.taskId ?? null;
    const { job } = this.#options;
    return {
      at,
      level: this.#level,
      stream: this.#stream,
      name: actor !== null ? actorLabel(actor) : task === null ? null : taskLabel(context!.taskName, task),
      task,
      actor: actor?.spec.actorId ?? null,
      attempt: context?.attempt ?? 0,
      job: job() || null,
      ...(this.#origin !== null && { origin: this.#origin }),
    };
  }
}

/** `Counter`, or `Counter:bank` where it has a name. */
function actorLabel({ spec }: ActorFacts): string {
  return spec.name === "" ? spec.className : `${spec.className}:${spec.name}`;
}

function endsLine(chunk: string | Uint8Array): boolean {
  return typeof chunk === "string" ? chunk.endsWith("\n") : chunk[chunk.length - 1] === 10;
}
