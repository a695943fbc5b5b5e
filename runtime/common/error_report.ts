/**
 * What a failure looks like when it is printed: what went wrong first, where in the user's code, on which attempt and node, from
 * where it was submitted, what the task wrote last, and what to do next; in at most 14 lines. MOBULA_STACK=full prints errors as
 * the runtime does, with all frames. Matching (`instanceof`, `cause`, `message`, fields) knows nothing of this.
 * @module
 */
import { taskLabel } from "./line_prefix.ts";
import { errorCodeOf, MobulaError, type TaskError } from "./errors.ts";

const LINES_MAX = 14;
const LINE_LENGTH_MAX = 600;
const FRAMES_MAX = 4;
const CHAIN_MAX = 3;
/** Lines of the task's output. */
export const LOG_LINES_MAX = 10;
const CAUSES_MAX = 16;
const NODE_SHOWN = 10;
/** Frames of mobula's come before the user's. */
const STACK_FRAMES = 60;

/** What the process knows beyond an error. */
export interface ReportPlaces {
  /** Whether a file is mobula's own. */
  readonly isOwnFile: (path: string) => boolean;
  /** Where tasks of this name were submitted in this process; null when that is not known. */
  readonly siteOf: (taskName: string) => string | null;
}

let places: ReportPlaces = { isOwnFile: () => false, siteOf: () => null };

const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/** From now on errors of mobula are printed so by console.log and util.inspect, on all three runtimes. Idempotent. */
export function installErrorReports(known: ReportPlaces): void {
  places = known;
  const inspect = function (this: MobulaError): string {
    return reportOf(this);
  };
  Object.defineProperty(MobulaError.prototype, INSPECT, {
    value: inspect,
    writable: true,
    configurable: true,
  });
}

/** The text, without the last line's end. */
export function reportOf(error: Error): string {
  const chain = causesOf(error);
  const inner = chain.findLast(isTaskError);
  const thrown = inner === undefined ? error : chain[chain.indexOf(inner) + 1];
  const root = chain.at(-1)!;
  const lines = [inner === undefined ? systemHead(error) : taskHead(inner, thrown)];
  if (root !== thrown && root !== inner && !lines[0]!.includes(root.message)) {
    lines.push(`  caused by ${root.name}: ${firstLine(root.message)}`);
  }
  if (inner !== undefined) lines.push(`  ${whereOf(inner)}`);
  const stack = inner !== undefined && root === inner ? inner.remoteStack : root.stack;
  lines.push(...userFrames(stack).slice(0, FRAMES_MAX));
  const outer = chain.filter(isTaskError).filter((one) => one !== inner);
  for (const one of outer.slice(-CHAIN_MAX).reverse()) {
    lines.push(`  which failed ${labelOf(one)} on ${nodeOf(one)}`);
  }
  // What this process submitted: the others were submitted elsewhere.
  const awaited = chain.find(isTaskError);
  const name = awaited?.taskName ?? /^(\S+) \(t-/.exec(error.message)?.[1];
  const site = name === undefined ? null : places.siteOf(name);
  if (site !== null) lines.push(`  submitted from ${site}`);
  const next = nextSteps(error, inner);
  lines.push(...outputLines(chain, LINES_MAX - lines.length - 1), next);
  return [...lines.slice(0, LINES_MAX - 1), ...lines.length < LINES_MAX ? [] : [next]]
    .slice(0, LINES_MAX).map((line) => line.slice(0, LINE_LENGTH_MAX)).join("\n");
}

/** An error whose stack begins with the user's code, however deep in mobula it is made. */
export function errorHere<E extends Error>(make: () => E): E {
  const limit = Error.stackTraceLimit;
  Reflect.set(Error, "stackTraceLimit", STACK_FRAMES); // Not an assignment: Error may be frozen.
  try {
    const error = make();
    hideOwnFrames(error);
    return error;
  } finally {
    Reflect.set(Error, "stackTraceLimit", limit);
  }
}

/** Takes mobula's own frames out of the stacks of an error and its causes. */
export function hideOwnFrames(thrown: unknown): void {
  let error = thrown;
  for (let depth = 0; depth < CAUSES_MAX && typeof error === "object" && error !== null; depth++) {
    const fields = error as { stack?: unknown; remoteStack?: unknown; cause?: unknown };
    try {
      for (const name of ["stack", "remoteStack"] as const) {
        const stack = fields[name];
        if (typeof stack !== "string") continue;
        const said = withoutOwnFrames(stack);
        if (said !== stack) fields[name] = said;
      }
      error = fields.cause;
    } catch {
      return; // Frozen: it stays as it is.
    }
  }
}

/** A stack without the frames of mobula and of the runtime. */
export function withoutOwnFrames(stack: string): string {
  return stack.split("\n").filter((line) => !isFrame(line) || isUserFrame(line)).join("\n");
}

/** Frames of the user's code, as they are printed. */
export function userFrames(stack: string | undefined): string[] {
  return (stack ?? "").split("\n").filter(isUserFrame).map((line) => `    ${line.trim()}`);
}

function isFrame(line: string): boolean {
  return /^\s+at\s/.test(line);
}

function isUserFrame(line: string): boolean {
  if (!isFrame(line)) return false;
  const file = /([^\s()]+):\d+:\d+\)?$/.exec(line)?.[1];
  if (file === undefined || /^(node:|native:|ext:|bun:|internal|mobula:|<anonymous>)/.test(file)) {
    return false;
  }
  return !places.isOwnFile(file.replace(/^file:\/\//, ""));
}

/** The error and what caused it, in order. */
export function causesOf(error: Error): Error[] {
  const chain: Error[] = [];
  for (let at: unknown = error; at instanceof Error && chain.length < CAUSES_MAX && !chain.includes(at);) {
    chain.push(at);
    at = (at as { cause?: unknown }).cause;
    // How a timeout is told to those who look for DOMException; it says nothing more.
    if (typeof DOMException !== "undefined" && at instanceof DOMException) break;
  }
  return chain;
}

/** Not by instanceof: an actor that failed in its constructor passes for all classes of that failure. */
function isTaskError(error: Error): error is TaskError {
  return errorCodeOf(error) === "TaskError";
}

function taskHead(error: TaskError, thrown: Error | undefined): string {
  const said = thrown === undefined
    ? error.message.replace(`task ${error.taskName} failed: `, "")
    : `${thrown.name}: ${firstLine(thrown.message)}`;
  return `TaskError: ${labelOf(error)} failed: ${firstLine(said)}`;
}

function systemHead(error: Error): string {
  const lines = error.message.split("\n").filter((line) => line.trim() !== "");
  return `${error.name}: ${lines.slice(0, 2).join(" ").slice(0, LINE_LENGTH_MAX - 40)}`;
}

function labelOf({ taskName, taskId }: TaskError): string {
  return /-[0-9a-z]+$/.test(taskId) && !taskName.startsWith("new ") ? taskLabel(taskName, taskId) : taskName;
}

function nodeOf({ nodeId }: TaskError): string {
  return nodeId.slice(0, NODE_SHOWN) || "its node";
}

function whereOf(error: TaskError): string {
  const { attempt, workerPid = 0 } = error;
  return `attempt ${attempt + 1} on ${nodeOf(error)}${workerPid > 0 ? `, pid ${workerPid}` : ""}`;
}

function outputLines(chain: readonly Error[], room: number): string[] {
  const found = chain.map((one) => (one as { logLines?: unknown }).logLines)
    .findLast((lines) => Array.isArray(lines) && lines.length > 0) as string[] | undefined;
  if (found === undefined || room < 2) return [];
  const lines = found.slice(-Math.min(LOG_LINES_MAX, room - 1));
  return ["  it wrote last:", ...lines.map((line) => `    | ${line.slice(0, 200)}`)];
}

/** What to do, and the code by which the error is known. */
function nextSteps(error: Error, inner: TaskError | undefined): string {
  const fields = error as { actorId?: string; objectId?: string; taskId?: string; code?: string };
  const named = /\b[tao]-[0-9a-f]{4,}[0-9a-z.-]*[0-9a-z]/.exec(error.message)?.[0];
  const id = inner?.taskId || fields.taskId || fields.actorId || fields.objectId || named;
  const code = `code ${fields.code ?? error.name}`;
  if (id === undefined || id === "") return `  see: mobula status (${code})`;
  const verbs = id.startsWith("o-") || error.name.includes("Unschedulable") || error.name.includes("Timeout")
    ? ["show", "why"]
    : ["show", "logs"];
  return `  see: ${verbs.map((verb) => `mobula ${verb} ${id}`).join(", ")} (${code})`;
}

function firstLine(text: string): string {
  const line = text.split("\n", 1)[0]!;
  return line.length <= LINE_LENGTH_MAX ? line : `${line.slice(0, LINE_LENGTH_MAX - 1)}…`;
}
