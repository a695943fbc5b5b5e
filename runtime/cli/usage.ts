/**
 * What a command says of itself, and what it gets when it runs. Wrong usage is a UsageError with one line that names what
 * is wrong and what is known; the command line exits with 1 on it. Each command is one file that exports its definition,
 * and has a line in registry.ts.
 * @module
 */

/** What the user typed cannot be meant. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}

/** A flag takes text, or nothing. `help` is one line. */
export interface Flag {
  readonly type: "string" | "boolean";
  /** One letter, as in -f. */
  readonly short?: string;
  /** It may be given several times: `list()` has all. */
  readonly isMultiple?: true;
  /** How its value is written in the help, such as HOST:PORT. */
  readonly value?: string;
  readonly help: string;
}

export type Flags = Readonly<Record<string, Flag>>;

/** A positional argument; `help` is one line. All are optional for the parser: a command says itself what it lacks. */
export interface Positional {
  readonly name: string;
  readonly help: string;
  /** Without it the command refuses; for the help. */
  readonly isRequired?: true;
  /** The last one may stand for any number, at most so many. */
  readonly maximum?: number;
  /** Values that the shell's completion offers. */
  readonly choices?: readonly string[];
}

/** One command: what `mobula help NAME` and the shells' completion say, and what it does. */
export interface CommandDefinition {
  /** As it is typed after `mobula`, such as `ls` or `job submit`. */
  readonly name: string;
  /** One line. */
  readonly summary: string;
  readonly positionals?: readonly Positional[];
  /** By their long names, without the dashes. */
  readonly flags: Flags;
  /** Command lines as they are typed, with what each does. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  /** Flags end at the first positional argument: all that follows is another program's. */
  readonly passesThrough?: true;
  /** Resolves to the exit code: 0 done, 1 what was asked for is not so, 3 a task or a job failed. Throws for all else. */
  readonly run: (args: ParsedArguments) => Promise<number>;
}

export interface ParsedArguments {
  /** Positional arguments, after the command's name. */
  readonly positionals: readonly string[];
  text(flag: string): string | null;
  /** All values of a flag that may be given several times, in order. */
  list(flag: string): readonly string[];
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

type FoundValues = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

/** The values that the parser found. */
export class Values implements ParsedArguments {
  readonly positionals: readonly string[];
  readonly #command: string;
  readonly #values: FoundValues;

  constructor(
    command: string,
    values: FoundValues,
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

  list(flag: string): readonly string[] {
    const value = this.#values[flag];
    return Array.isArray(value) ? value : [];
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
