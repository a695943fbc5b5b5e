/**
 * The errors that users see. Each carries a stable `code`, which is its class's name; who throws writes the message:
 * what, which id, why, what to do. Across processes an error is {code, message, ...fields} (errorOfCode builds it again)
 * or a serialized value. Two copies of mobula in one process accept each other's errors: `instanceof` compares a brand
 * that sits on the prototypes. Matching of user classes by name is in error_matching.ts.
 * @module
 */
import { matchesClassName, setClassNames, userClassNames } from "./error_matching.ts";

/** Own property of each prototype: the class's name, whatever a bundler has made of it. */
const BRAND: unique symbol = Symbol.for("mobula.error") as never;

const ordinaryHasInstance = Function.prototype[Symbol.hasInstance] as (
  this: unknown,
  value: unknown,
) => boolean;

/** Facts beside the message; which ones a class has is in its declaration. All have defaults ("", 0, false). */
export interface ErrorFields extends ErrorOptions {
  readonly code?: string;
  readonly [field: string]: unknown;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function brandOf(prototype: object | null): string | undefined {
  return prototype === null || !Object.hasOwn(prototype, BRAND)
    ? undefined
    : (prototype as { [BRAND]?: string })[BRAND];
}

function brandClass(cls: { readonly prototype: object }, name: string): void {
  const hidden = { writable: true, configurable: true, enumerable: false };
  Object.defineProperty(cls.prototype, BRAND, { value: name });
  Object.defineProperty(cls.prototype, "name", { value: name, ...hidden });
  Object.defineProperty(cls.prototype, "code", { value: name, ...hidden });
}

/** Base of all errors that mobula raises about the cluster. Mistakes in arguments are TypeError and RangeError. */
export class MobulaError extends Error {
  declare readonly code: string;

  constructor(message?: string, fields: ErrorFields = {}) {
    super(message, "cause" in fields ? { cause: fields.cause } : undefined);
    const code = text(fields.code);
    // An own property only where the class does not say it already: an unknown code from a newer peer.
    if (code !== "" && code !== this.code) {
      Object.defineProperty(this, "code", {
        value: code,
        writable: true,
        configurable: true,
        enumerable: true,
      });
    }
  }

  /** The ordinary test, or the same class of another copy of mobula, or an error that carries the class's name. */
  static override [Symbol.hasInstance](this: unknown, value: unknown): boolean {
    if (ordinaryHasInstance.call(this, value)) return true;
    if (typeof value !== "object" || value === null || typeof this !== "function") return false;
    const wanted = brandOf(this.prototype);
    if (wanted !== undefined) {
      for (let p = Object.getPrototypeOf(value); p !== null; p = Object.getPrototypeOf(p)) {
        if (brandOf(p) === wanted) return true;
      }
    }
    return matchesClassName(this, value);
  }

  static {
    brandClass(this, "MobulaError");
  }
}

export interface TaskErrorFields {
  readonly taskName: string;
  readonly taskId: string;
  readonly nodeId: string;
  /** 0 for the first. */
  readonly attempt: number;
  /** The stack where it was thrown; default: the cause's. */
  readonly remoteStack?: string;
  /** Of the process that ran it. Default 0: not known. */
  readonly workerPid?: number;
  /** What it printed last. Default none. */
  readonly logLines?: readonly string[];
}

/** A task's own failure: `cause` is what it threw, whose fields are on this error too. Made by taskErrorOf. */
export class TaskError extends MobulaError {
  readonly taskName: string;
  readonly taskId: string;
  readonly nodeId: string;
  readonly attempt: number;
  readonly remoteStack: string;
  /** Of the process that ran it, where that is known. */
  declare readonly workerPid?: number;
  /** What it printed last, if it printed anything: a few lines. */
  declare readonly logLines?: readonly string[];
  constructor(message?: string, fields: ErrorFields = {}) {
    super(message, fields);
    this.taskName = text(fields.taskName);
    this.taskId = text(fields.taskId);
    this.nodeId = text(fields.nodeId);
    this.attempt = typeof fields.attempt === "number" ? fields.attempt : 0;
    this.remoteStack = text(fields.remoteStack);
    if (typeof fields.workerPid === "number") this.workerPid = fields.workerPid;
    if (Array.isArray(fields.logLines) && fields.logLines.length > 0) this.logLines = fields.logLines;
  }
  static {
    brandClass(this, "TaskError");
  }
}

/** The task was cancelled before it had a result. */
export class TaskCancelledError extends MobulaError {
  readonly taskId: string;
  constructor(message?: string, fields: ErrorFields = {}) {
    super(message, fields);
    this.taskId = text(fields.taskId);
  }
  static {
    brandClass(this, "TaskCancelledError");
  }
}

/** The worker process died while it ran the task. */
export class WorkerCrashedError extends MobulaError {
  static {
    brandClass(this, "WorkerCrashedError");
  }
}

/** Base of what can go wrong with an actor. */
export class ActorError extends MobulaError {
  readonly actorId: string;
  /** The constructor threw; `cause` is its error. */
  readonly actorInitFailed: boolean;
  readonly preempted: boolean;
  constructor(message?: string, fields: ErrorFields = {}) {
    super(message, fields);
    this.actorId = text(fields.actorId);
    this.actorInitFailed = fields.actorInitFailed === true;
    this.preempted = fields.preempted === true;
  }
  static {
    brandClass(this, "ActorError");
  }
}
/** The actor is dead for good. */
export class ActorDiedError extends ActorError {
  static {
    brandClass(this, "ActorDiedError");
  }
}
/** The actor cannot be reached now and may come back; whether the call ran is unknown. */
export class ActorUnavailableError extends ActorError {
  static {
    brandClass(this, "ActorUnavailableError");
  }
}
/** The actor can never be placed: what its strategy demands is gone. */
export class ActorUnschedulableError extends ActorError {
  static {
    brandClass(this, "ActorUnschedulableError");
  }
}
/** A living actor has the name already; the message says which. */
export class NameTakenError extends MobulaError {
  static {
    brandClass(this, "NameTakenError");
  }
}

/** Every copy of the object is gone, and it cannot be made again; the message says why. */
export class ObjectLostError extends MobulaError {
  readonly objectId: string;
  constructor(message?: string, fields: ErrorFields = {}) {
    super(message, fields);
    this.objectId = text(fields.objectId);
  }
  static {
    brandClass(this, "ObjectLostError");
  }
}
/** The object was given up: no reference to it was left anywhere. */
export class ObjectFreedError extends ObjectLostError {
  static {
    brandClass(this, "ObjectFreedError");
  }
}
/** The owner and its agent died, and neither a copy nor lineage is left. */
export class OwnerDiedError extends ObjectLostError {
  static {
    brandClass(this, "OwnerDiedError");
  }
}
/** The task that made the object was run again and failed. */
export class ObjectReconstructionFailedError extends ObjectLostError {
  static {
    brandClass(this, "ObjectReconstructionFailedError");
  }
}
/** A ref or handle was used after its release. */
export class RefReleasedError extends MobulaError {
  static {
    brandClass(this, "RefReleasedError");
  }
}
/** A node's object store has no room, and none became free in time: release references, or give it more. */
export class ObjectStoreFullError extends MobulaError {
  static {
    brandClass(this, "ObjectStoreFullError");
  }
}
/** The disk that objects would go to is full. */
export class OutOfDiskError extends MobulaError {
  static {
    brandClass(this, "OutOfDiskError");
  }
}
/** The worker was ended because its host ran out of memory. */
export class OutOfMemoryError extends MobulaError {
  static {
    brandClass(this, "OutOfMemoryError");
  }
}
/** The node on which it ran or was to run is dead. */
export class NodeDiedError extends MobulaError {
  static {
    brandClass(this, "NodeDiedError");
  }
}

/** `get` or `wait` ran out of time; its cause is a DOMException "TimeoutError", as of AbortSignal.timeout. */
export class GetTimeoutError extends MobulaError {
  constructor(message?: string, fields: ErrorFields = {}) {
    super(
      message,
      "cause" in fields ? fields : { ...fields, cause: new DOMException(message, "TimeoutError") },
    );
  }
  static {
    brandClass(this, "GetTimeoutError");
  }
}
/** A Queue had nothing to give in time. */
export class QueueEmptyError extends GetTimeoutError {
  static {
    brandClass(this, "QueueEmptyError");
  }
}
/** A Queue had no room in time; nothing was added. */
export class QueueFullError extends GetTimeoutError {
  static {
    brandClass(this, "QueueFullError");
  }
}
/** The task can never be placed: what its strategy demands is gone. */
export class TaskUnschedulableError extends MobulaError {
  static {
    brandClass(this, "TaskUnschedulableError");
  }
}
/** Thrown by `.remote()`: maxPendingCalls of the actor, or MOBULA_MAX_PENDING_TASKS of this process, is reached. */
export class PendingCallsLimitExceededError extends MobulaError {
  static {
    brandClass(this, "PendingCallsLimitExceededError");
  }
}
/** The placement group that it ran in was removed. */
export class PlacementGroupRemovedError extends MobulaError {
  static {
    brandClass(this, "PlacementGroupRemovedError");
  }
}
/** The worker's runtime environment could not be made; the message says what failed. */
export class RuntimeEnvSetupError extends MobulaError {
  static {
    brandClass(this, "RuntimeEnvSetupError");
  }
}
/** A wrong token, or a node or process of another cluster. */
export class AuthenticationError extends MobulaError {
  static {
    brandClass(this, "AuthenticationError");
  }
}

const CLASSES: Readonly<Record<string, new (message?: string, fields?: ErrorFields) => MobulaError>> = {
  // No prototype: a code such as "constructor" from a hostile peer finds nothing.
  ...{ __proto__: null } as object,
  MobulaError,
  TaskError,
  TaskCancelledError,
  WorkerCrashedError,
  ActorError,
  ActorDiedError,
  ActorUnavailableError,
  ActorUnschedulableError,
  NameTakenError,
  ObjectLostError,
  ObjectFreedError,
  OwnerDiedError,
  ObjectReconstructionFailedError,
  RefReleasedError,
  ObjectStoreFullError,
  OutOfDiskError,
  OutOfMemoryError,
  NodeDiedError,
  GetTimeoutError,
  QueueEmptyError,
  QueueFullError,
  TaskUnschedulableError,
  PendingCallsLimitExceededError,
  PlacementGroupRemovedError,
  RuntimeEnvSetupError,
  AuthenticationError,
};

/** Whether `code` names one of the classes here. */
export function isErrorCode(code: string): boolean {
  return Object.hasOwn(CLASSES, code);
}

/** The nearest class of this file that a value is an instance of, by name; undefined for others. */
export function errorCodeOf(value: object): string | undefined {
  for (let p = Object.getPrototypeOf(value); p !== null; p = Object.getPrototypeOf(p)) {
    const name = brandOf(p);
    if (name !== undefined) return name;
  }
  return undefined;
}

/** The error that {code, message, ...fields} stands for; a MobulaError with that code where it is unknown here. */
export function errorOfCode(code: string, message: string, fields: ErrorFields = {}): MobulaError {
  const known = Object.hasOwn(CLASSES, code) ? CLASSES[code] : undefined;
  return known === undefined ? new MobulaError(message, { ...fields, code }) : new known(message, fields);
}

/** The user's fields never replace these. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  "name",
  "message",
  "stack",
  "cause",
  "taskName",
  "taskId",
  "nodeId",
  "attempt",
  "remoteStack",
  "workerPid",
  "logLines",
]);

/**
 * The error that a failed task's refs reject with. `thrown` is what the task threw (any value): it becomes the cause, its
 * own fields are on the result, the name is `TaskError(UserClass)`, and `instanceof` holds for the user's class and its
 * bases. Default message: "task NAME failed: " and the user's.
 */
export function taskErrorOf(thrown: unknown, fields: TaskErrorFields, message?: string): TaskError {
  const isObject = typeof thrown === "object" && thrown !== null;
  const cause = isObject ? thrown as { message?: unknown; stack?: unknown; errors?: unknown } : null;
  const said = cause === null || typeof cause.message !== "string" ? describeThrown(thrown) : cause.message;
  const error = new TaskError(message ?? `task ${fields.taskName} failed: ${said}`, {
    ...fields,
    cause: thrown,
    remoteStack: fields.remoteStack ?? text(cause?.stack),
  });
  // Its own frames would be ours: it stands for where the user's code threw.
  const frames = error.remoteStack.split("\n").filter((line) => /^\s+at\s/.test(line));
  const setStack = (): void =>
    defineField(error, "stack", [`${error.name}: ${error.message}`, ...frames].join("\n"), false);
  setStack();
  if (cause === null) return error;
  const names = userClassNames(cause);
  if (names.length > 0) {
    setClassNames(error, names);
    const shown = names.find((name) => name !== "TaskError");
    if (shown !== undefined) defineField(error, "name", `TaskError(${shown})`, false);
    setStack();
  }
  for (const key of Object.keys(cause)) {
    if (!OWN_FIELDS.has(key)) defineField(error, key, (cause as Record<string, unknown>)[key], true);
  }
  // AggregateError keeps its errors where Object.keys does not see them.
  if (Array.isArray(cause.errors) && !Object.hasOwn(error, "errors")) {
    defineField(error, "errors", cause.errors, false);
  }
  return error;
}

function defineField(error: object, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(error, key, { value, enumerable, writable: true, configurable: true });
}

function describeThrown(thrown: unknown): string {
  try {
    return typeof thrown === "object" && thrown !== null ? JSON.stringify(thrown) : String(thrown);
  } catch {
    return "a value that cannot be shown";
  }
}
