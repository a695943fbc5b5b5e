/**
 * The texts that every match of a regular expression holds, read off its source: a piece of a file without them has no match,
 * which bytes alone tell, many times faster than the expression does.
 * @module
 */

/** Shorter ones are in every piece. */
const LENGTH_MIN = 2;
const ALTERNATIVES_MAX = 16;

/** What belongs to an escape after its letter, by what the letter is. */
const PAYLOAD =
  /(?<=x)[0-9a-f]{2}|(?<=u)(?:[0-9a-f]{4}|\{[^}]*\})|(?<=c)[a-z]|(?<=[pk])[{<][^}>]*[}>]|(?<=\d)\d+/iy;

/** A match holds all texts of at least one of these; null: nothing is known to be in every match. */
export type RequiredTexts = readonly (readonly string[])[];

/** Of a pattern without flags u and v. `ignoreCase`: the texts are lower case and ASCII, as case is not told apart elsewhere. */
export function requiredTexts(pattern: string, ignoreCase: boolean): RequiredTexts | null {
  const alternatives = new Reader(pattern, ignoreCase).read();
  const isAnyFree = alternatives.some((texts) => texts.length === 0);
  return isAnyFree || alternatives.length > ALTERNATIVES_MAX ? null : alternatives;
}

/** Reads a source once from left to right. Whatever it does not know ends a text, and is left out. */
class Reader {
  readonly #source: string;
  readonly #ignoreCase: boolean;
  #at = 0;

  constructor(source: string, ignoreCase: boolean) {
    this.#source = source;
    this.#ignoreCase = ignoreCase;
  }

  /** Up to the end, or to the bracket that closes the present group: the texts of each alternative. */
  read(): string[][] {
    const alternatives: string[][] = [];
    let texts: string[] = [];
    let run = "";
    const end = (): void => {
      if (run.length >= LENGTH_MIN) texts.push(run);
      run = "";
    };
    while (this.#at < this.#source.length && this.#source[this.#at] !== ")") {
      if (this.#source[this.#at] === "|") {
        this.#at++;
        end();
        alternatives.push(texts);
        texts = [];
        continue;
      }
      const inner = this.#source[this.#at] === "(" ? this.#group() : null;
      const character = inner === null ? this.#character() : null;
      const least = this.#quantifier();
      if (character !== null && least === null) {
        run += character;
        continue;
      }
      if (character !== null && least! > 0) run += character;
      end();
      if (inner !== null && least !== 0) texts.push(...inner);
    }
    end();
    alternatives.push(texts);
    return alternatives;
  }

  /** Texts that every match of the group holds. */
  #group(): string[] {
    const kind = /^\((\?(:|<[^=!>][^>]*>|<?[=!]|[^:]*:)?)?/.exec(this.#source.slice(this.#at))![0];
    this.#at += kind.length;
    const alternatives = this.read();
    this.#at++;
    // What a look-around or a change of flags holds is no part of a match as it stands.
    const isPlain = kind === "(" || kind === "(?:" || /^\(\?<[^=!]/.test(kind);
    return isPlain && alternatives.length === 1 ? alternatives[0]! : [];
  }

  /** The one character that stands here; null for anything else. */
  #character(): string | null {
    const source = this.#source;
    const character = source[this.#at++]!;
    if (character === "[") {
      while (this.#at < source.length && source[this.#at] !== "]") {
        this.#at += source[this.#at] === "\\" ? 2 : 1;
      }
      this.#at++;
      return null;
    }
    if (character === "\\") {
      const escaped = source[this.#at++] ?? "";
      if (!/[A-Za-z0-9]/.test(escaped)) return this.#literal(escaped);
      PAYLOAD.lastIndex = this.#at;
      this.#at += PAYLOAD.exec(source)?.[0].length ?? 0;
      return null;
    }
    return ".^$".includes(character) ? null : this.#literal(character);
  }

  #literal(character: string): string | null {
    const code = character.charCodeAt(0);
    // Halves of a character, and what stands for bytes that are none, have other bytes.
    if (Number.isNaN(code) || (code >= 0xd800 && code <= 0xdfff) || code === 0xfffd) return null;
    if (!this.#ignoreCase) return character;
    return code < 0x80 ? character.toLowerCase() : null;
  }

  /** How often at least; null: once, there is none. */
  #quantifier(): number | null {
    const found = /^(?:[*+?]|\{(\d+)(?:,\d*)?\})\??/.exec(this.#source.slice(this.#at, this.#at + 32));
    if (found === null) return null;
    this.#at += found[0].length;
    return found[1] !== undefined ? Number(found[1]) : found[0].startsWith("+") ? 1 : 0;
  }
}
