/**
 * Reads a command's arguments. Wrong usage is a UsageError with one line that names what is wrong and what is known;
 * the command line exits with 1 on it.
 * @module
 */
import { parseArgs } from "node:util";

/** What the user typed cannot be meant. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}

/** A flag takes text, or nothing. `help` is one line. */
export interface Flag {
  readonly type: "string" | "boolean";
  /** How its value is written in the help, such as HOST:PORT. */
  readonly value?: string;
  readonly help: string;
}

export type Flags = Readonly<Record<string, Flag>>;

export interface ParsedArguments {
  /** Positional arguments, after the command's name. */
  readonly positionals: readonly string[];
  text(flag: string): string | null;
  isSet(flag: string): boolean;
  /** A whole number of at least `minimum`, or null when the flag is absent. */
  integer(flag: string, minimum: number, maximum?: number): number | null;
  /** A finite number of at least `minimum`, or null when the flag is absent. */
  number(flag: string, minimum: number): number | null;
  /** A JSON object whose values pass `check`, or null when the flag is absent. */
  record<T>(flag: string, what: string, check: (value: unknown) => value is T): Record<string, T> | null;
}

/** Flags of every command. */
export const COMMON_FLAGS: Flags = {
  json: { type: "boolean", help: "print JSON" },
  address: {
    type: "string",
    value: "HOST:PORT",
    help: "the head; default: MOBULA_ADDRESS, else the cluster that runs here",
  },
  "token-file": {
    type: "string",
    value: "FILE",
    help: "the cluster's token; default: MOBULA_TOKEN, else the session's",
  },
  "tls-cert": {
    type: "string",
    value: "FILE",
    help: "this host's certificate (PEM); with --tls-key and --tls-ca",
  },
  "tls-key": { type: "string", value: "FILE", help: "its key (PEM)" },
  "tls-ca": {
    type: "string",
    value: "FILE",
    help: "the authority that signed the cluster's certificates (PEM)",
  },
};

/** Parse what follows the command's name. `positionalsMax` bounds the rest. */
export function parseFlags(
  command: string,
  args: readonly string[],
  flags: Flags,
  positionalsMax: number = 0,
): ParsedArguments {
  const options = Object.fromEntries(Object.entries(flags).map(([name, { type }]) => [name, { type }]));
  let values: Record<string, string | boolean | undefined>;
  let positionals: string[];
  try {
    ({ values, positionals } = parseArgs({
      args: [...args],
      options,
      allowPositionals: true,
      strict: true,
    }) as {
      values: Record<string, string | boolean | undefined>;
      positionals: string[];
    });
  } catch (error) {
    throw new UsageError(describeParseError(command, error as Error & { code?: string }, flags));
  }
  if (positionals.length > positionalsMax) {
    throw new UsageError(
      `${command}: unexpected argument ${JSON.stringify(positionals[positionalsMax])}`,
    );
  }
  return new Values(command, values, positionals);
}

class Values implements ParsedArguments {
  readonly positionals: readonly string[];
  readonly #command: string;
  readonly #values: Readonly<Record<string, string | boolean | undefined>>;

  constructor(
    command: string,
    values: Readonly<Record<string, string | boolean | undefined>>,
    positionals: readonly string[],
  ) {
    this.#command = command;
    this.#values = values;
    this.positionals = positionals;
  }

  text(flag: string): string | null {
    const value = this.#values[flag];
    if (value === "") throw this.#wrong(flag, "must not be empty");
    return typeof value === "string" ? value : null;
  }

  isSet(flag: string): boolean {
    return this.#values[flag] !== undefined;
  }

  integer(flag: string, minimum: number, maximum: number = Number.MAX_SAFE_INTEGER): number | null {
    const value = this.number(flag, minimum);
    if (value !== null && (!Number.isSafeInteger(value) || value > maximum)) {
      const range = maximum === Number.MAX_SAFE_INTEGER
        ? `of at least ${minimum}`
        : `from ${minimum} to ${maximum}`;
      throw this.#wrong(flag, `must be a whole number ${range}, is ${this.text(flag)}`);
    }
    return value;
  }

  number(flag: string, minimum: number): number | null {
    const text = this.text(flag);
    if (text === null) return null;
    const value = Number(text);
    if (!Number.isFinite(value) || value < minimum) {
      throw this.#wrong(flag, `must be a number of at least ${minimum}, is ${JSON.stringify(text)}`);
    }
    return value;
  }

  record<T>(flag: string, what: string, check: (value: unknown) => value is T): Record<string, T> | null {
    const text = this.text(flag);
    if (text === null) return null;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw this.#wrong(flag, `must be a JSON object of ${what}, is ${JSON.stringify(text)}`);
    }
    const isRecord = typeof value === "object" && value !== null && !Array.isArray(value);
    if (!isRecord || !Object.values(value as object).every(check)) {
      throw this.#wrong(flag, `must be a JSON object of ${what}, is ${text}`);
    }
    return value as Record<string, T>;
  }

  #wrong(flag: string, what: string): UsageError {
    return new UsageError(`${this.#command}: --${flag} ${what}`);
  }
}

function describeParseError(command: string, error: Error & { code?: string }, flags: Flags): string {
  const flag = /'(-[^'\s]*)/.exec(error.message)?.[1] ?? "";
  if (error.code === "ERR_PARSE_ARGS_UNKNOWN_OPTION") {
    const known = Object.keys(flags).map((name) => `--${name}`).join(" ");
    return `${command}: unknown option ${flag}; known: ${known}`;
  }
  if (/argument is ambiguous/.test(error.message)) {
    const name = flag.replace(/'.*$/, "");
    return `${command}: ${name} needs a value; one that begins with a dash is written ${name}=-1`;
  }
  return `${command}: ${error.message.split(/[.\n]/)[0]}`;
}
