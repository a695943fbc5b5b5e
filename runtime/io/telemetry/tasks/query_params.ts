/**
 * Reads the parameters of queries: text from an address, or values from code. What is missing or wrong is told in a sentence.
 * @module
 */
import type { TelemetryParams } from "../../../../dashboard/api/tasks.ts";

/** Takes parameters one by one; what nobody took is unknown. */
export class QueryParams {
  readonly #params: TelemetryParams;
  readonly #query: string;

  /** @throws {RangeError} for a name that is not among `names`. */
  constructor(query: string, params: TelemetryParams, names: readonly string[]) {
    this.#query = query;
    this.#params = params;
    const unknown = Object.keys(params).find((name) => !names.includes(name));
    if (unknown === undefined) return;
    const known = names.length === 0 ? "it takes none" : `it takes ${names.join(", ")}`;
    throw new RangeError(`${query} has no parameter ${JSON.stringify(unknown.slice(0, 40))}: ${known}`);
  }

  /** Null when it is absent or "". */
  text(name: string): string | null {
    const value = this.#params[name];
    if (value === undefined || value === null || value === "") return null;
    if (typeof value === "object") throw new RangeError(`${this.#query}: ${name} is to be one text`);
    return String(value);
  }

  has(name: string): boolean {
    return this.#params[name] !== undefined && this.#params[name] !== null;
  }

  required(name: string): string {
    const text = this.text(name);
    if (text === null) throw new RangeError(`${this.#query} needs ${name}`);
    return text;
  }

  number(name: string): number | null;
  number(name: string, otherwise: number): number;
  number(name: string, otherwise: number | null = null): number | null {
    const text = this.text(name);
    if (text === null) return otherwise;
    const value = Number(text);
    if (Number.isFinite(value)) return value;
    throw new RangeError(
      `${this.#query}: ${name} is to be a number, not ${JSON.stringify(text.slice(0, 40))}`,
    );
  }

  /** A whole number in the range. */
  whole(name: string, otherwise: number, min: number, max: number): number {
    const value = this.number(name, otherwise);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new RangeError(
      `${this.#query}: ${name} is to be a whole number from ${min} to ${max}, not ${value}`,
    );
  }

  flag(name: string): boolean {
    const text = this.text(name);
    return text !== null && text !== "0" && text !== "false";
  }

  /** Several texts: a list, or one with commas. */
  list(name: string): string[] {
    const value = this.#params[name];
    if (value === undefined || value === null || value === "") return [];
    const texts = typeof value === "object" ? value : [String(value)];
    return texts.flatMap((text) => text.split(",")).filter((text) => text !== "");
  }

  /** Several texts that may contain commas: a list, or one. */
  texts(name: string): string[] {
    const value = this.#params[name];
    if (value === undefined || value === null || value === "") return [];
    return typeof value === "object" ? [...value] : [String(value)];
  }

  /** Lanes "a-b", both included, or one "a"; by default the first `count`. */
  lanes(name: string, count: number, most: number = Infinity): [number, number] {
    const text = this.text(name);
    if (text === null) return [0, Math.max(0, Math.min(count, most) - 1)];
    const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(text);
    const first = Number(match?.[1] ?? NaN), last = Number(match?.[2] ?? match?.[1] ?? NaN);
    if (!(first <= last)) {
      throw new RangeError(
        `${this.#query}: ${name} is to be like 0-15, not ${JSON.stringify(text.slice(0, 40))}`,
      );
    }
    if (last - first >= most) {
      throw new RangeError(
        `${this.#query}: ${name} ${text} are ${last - first + 1}, at most ${most} at once`,
      );
    }
    return [first, last];
  }
}
