/**
 * What can go wrong with the store, and what it means for the head. The binding's errors are told apart in one place:
 *
 *   fatal    integrity, I/O, a superseded head, our own bad SQL: the head exits (70) and never limps on
 *   waiting  the remote store is away, the disk is full, the file is locked for a moment: writes wait, nothing is lost
 *   refused  at open only: newer, foreign or corrupt store, another head on the same file, a bad URL or token
 * @module
 */

export type StoreErrorCode =
  | "STORE_NEWER"
  | "STORE_FOREIGN"
  | "STORE_CORRUPT"
  | "STORE_IN_USE"
  | "STORE_URL"
  | "STORE_UNAUTHORIZED"
  | "STORE_UNAVAILABLE"
  | "STORE_FULL"
  | "STORE_SUPERSEDED"
  | "STORE_IO"
  | "STORE_BUG"
  | "STORE_ENDED";

/** An error of the store. `code` is stable; the message says what was found and what to do. */
export class StoreError extends Error {
  override readonly name: string = "StoreError";
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** Whether the same write may succeed later. */
  get isTransient(): boolean {
    return this.code === "STORE_UNAVAILABLE" || this.code === "STORE_FULL";
  }
}

/** The constraint that fails when another head has taken over (see write_plan.ts, `checkEpoch`). */
const SUPERSEDED = "NOT NULL constraint failed: head.epoch";

const FATAL_IO = [
  "SQLITE_IOERR",
  "SQLITE_CORRUPT",
  "SQLITE_NOTADB",
  "SQLITE_READONLY",
  "SQLITE_PERM",
  "SQLITE_PROTOCOL",
];
const OUR_BUG = [
  "SQLITE_ERROR",
  "SQLITE_MISMATCH",
  "SQLITE_RANGE",
  "SQLITE_MISUSE",
  "SQLITE_TOOBIG",
  "SQLITE_CONSTRAINT",
];
const MOMENTARY = ["SQLITE_BUSY", "SQLITE_LOCKED"];

/**
 * What a failure of the binding means. What is not known to be fatal is taken as "the store is away" only for remote
 * stores, where networks have many words for it; a local store has no such excuse.
 */
export function storeErrorOf(error: unknown, isRemote: boolean): StoreError {
  if (error instanceof StoreError) return error;
  const code = String((error as { code?: unknown } | null)?.code ?? "");
  const message = error instanceof Error ? error.message : String(error);
  const text = `${code} ${message}`;
  const cause = { cause: error };
  const has = (names: readonly string[]) =>
    names.some((name) => code.startsWith(name) || message.includes(name));
  if (text.includes(SUPERSEDED)) {
    return new StoreError(
      "STORE_SUPERSEDED",
      "Another head has taken over this store: this one must end",
      cause,
    );
  }
  if (has(["SQLITE_FULL"])) {
    return new StoreError(
      "STORE_FULL",
      `The store's disk is full, writes wait until there is room (${message})`,
      cause,
    );
  }
  if (has(MOMENTARY)) {
    return new StoreError("STORE_UNAVAILABLE", `The store is locked by another (${message})`, cause);
  }
  if (has(FATAL_IO) || /malformed|not a database/i.test(message)) {
    const kind = /CORRUPT|NOTADB|malformed|not a database/i.test(text) ? "STORE_CORRUPT" : "STORE_IO";
    return new StoreError(kind, `The store failed and cannot be trusted any more: ${message}`, cause);
  }
  if (has(OUR_BUG) || error instanceof RangeError) {
    return new StoreError("STORE_BUG", `The store refused a statement: ${message}`, cause);
  }
  if (isRemote && /\b(401|403)\b|unauthorized|jwt/i.test(text)) {
    return new StoreError(
      "STORE_UNAUTHORIZED",
      `The store refused our credentials (MOBULA_STORE_AUTH_TOKEN): ${message}`,
      cause,
    );
  }
  if (isRemote) {
    return new StoreError("STORE_UNAVAILABLE", `The store does not answer: ${describe(error)}`, cause);
  }
  return new StoreError("STORE_IO", `The store failed: ${message}`, cause);
}

/** fetch says only "fetch failed"; the reason is in its cause. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error
    ? `: ${error.cause.message || String((error.cause as { code?: string }).code)}`
    : "";
  return error.message + cause;
}
