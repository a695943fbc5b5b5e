/**
 * Which lines a query asks for; and which pieces of a file cannot have any, before they are taken apart.
 * @module
 */
import { LINE_LEVELS, type LineLevel, type LogMark, type LogOrigin } from "../../common/log_lines.ts";
import { type LogQuery, patternOf } from "../../common/log_query.ts";
import { type RequiredTexts, requiredTexts } from "./required_texts.ts";

/** A pattern that a longer text may fulfil less than its lines: pieces are not judged by it. */
const LOOKS_AROUND = /\(\?[<!=]|\\b|\\B/;

/** See the module's header. */
export class LineFilter {
  readonly #query: LogQuery;
  readonly #pattern: RegExp | null;
  readonly #pieces: RegExp | null;
  readonly #level: number;

  constructor(query: LogQuery) {
    this.#query = query;
    this.#pattern = query.pattern === null ? null : patternOf(query);
    const judged = query.pattern !== null && !LOOKS_AROUND.test(query.pattern.replaceAll("\\\\", ""));
    this.#pieces = judged ? new RegExp(query.pattern!, query.ignoreCase ? "im" : "m") : null;
    this.#level = query.level === null ? 0 : LINE_LEVELS.indexOf(query.level);
  }

  /** Whether a file may have such lines. */
  takesFile(id: string, source: string, origin: () => LogOrigin | null): boolean {
    const { file, node, source: wanted } = this.#query;
    if (file !== null && file !== id) return false;
    if (wanted !== null && !source.startsWith(wanted)) return false;
    return node === null || origin()?.node.startsWith(node) === true;
  }

  /** Texts without which a piece has no line that is asked for, whatever its marks say; null where that cannot be said. */
  get required(): RequiredTexts | null {
    const { pattern, ignoreCase } = this.#query;
    return pattern === null ? null : requiredTexts(pattern, ignoreCase);
  }

  get ignoresCase(): boolean {
    return this.#query.ignoreCase;
  }

  /** Names of which a mark must have all: without one of them a piece has no such line but under the mark before it. */
  get names(): readonly string[] {
    const { task, actor, job } = this.#query;
    return [task, actor, job].filter((name) => name !== null);
  }

  /** False when no line of a piece can be asked for by the pattern. */
  takesPiece(text: string): boolean {
    return this.#pieces === null || this.#pieces.test(text);
  }

  takesMark(mark: LogMark | null): boolean {
    const { task, actor, job } = this.#query;
    if (job !== null && mark?.job !== job) return false;
    if (task !== null && mark?.task !== task && !(mark?.actor === null && nameOf(mark) === task)) {
      return false;
    }
    if (actor === null || mark?.actor === actor) return true;
    return mark?.actor !== null && mark?.name?.split(":").includes(actor) === true;
  }

  takesText(text: string, level: LineLevel): boolean {
    return LINE_LEVELS.indexOf(level) >= this.#level && (this.#pattern === null || this.#pattern.test(text));
  }
}

function nameOf(mark: LogMark): string | null {
  return mark.name?.replace(/#\d+$/, "") ?? null;
}
