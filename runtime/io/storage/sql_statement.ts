/**
 * What kind of statement a text is, by its tokens: one statement, and of a kind that can only read. It is the first of
 * three walls (the others: what the engine says that it would do, sql_plan.ts; and a connection that cannot write), and
 * the one that gives people a sentence about what they typed.
 * @module
 */

export type StatementKind = "select" | "explain" | "pragma";

export interface Statement {
  readonly kind: StatementKind;
  /** The statement alone, without what ends it. */
  readonly sql: string;
  /** Every name and quoted text in it, in lower case: a table that is not among them cannot be meant. */
  readonly names: ReadonlySet<string>;
}

/** Characters of one statement. */
export const SQL_LENGTH_MAX = 20_000;

/** They only say what tables look like. */
const PRAGMAS: readonly string[] = ["table_info", "table_xinfo", "table_list", "index_list", "index_info"];

interface Token {
  readonly type: "word" | "quoted" | "sign";
  /** A word as it stands, a quoted name or text without its quotes. */
  readonly text: string;
  readonly end: number;
}

/** Blanks and comments, words, the four ways to quote, any other sign. */
const TOKEN =
  /(\s+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|([\p{L}_$\u0080-\u{10ffff}][\w$\u0080-\u{10ffff}]*)|('(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])|([\s\S])/uy;

/** The statement that `text` is. RangeError, in a sentence for whoever typed it, when it is none that may run. */
export function parseStatement(text: string): Statement {
  if (text.length > SQL_LENGTH_MAX) {
    throw new RangeError(`A statement has at most ${SQL_LENGTH_MAX} characters, this one has ${text.length}`);
  }
  if (text.includes("\0")) throw new RangeError("A statement holds no NUL characters");
  const tokens = tokensOf(text);
  const end = tokens.findIndex((token) => token.text === ";" && token.type === "sign");
  const own = end < 0 ? tokens : tokens.slice(0, end);
  if (own.length === 0) throw new RangeError("There is no statement to run");
  if (end >= 0 && tokens.slice(end).some((token) => token.text !== ";")) {
    throw new RangeError("One statement at a time: something follows the first semicolon");
  }
  const sql = text.slice(0, own[own.length - 1]!.end);
  const names = new Set(own.filter(({ type }) => type !== "sign").map((token) => token.text.toLowerCase()));
  return { kind: kindOf(own), sql, names };
}

function kindOf(tokens: readonly Token[]): StatementKind {
  const words = tokens.map(({ type, text }) => type === "word" ? text.toUpperCase() : text);
  const first = words[0]!;
  if (isRead(first)) return "select";
  if (first === "PRAGMA") {
    checkPragma(tokens);
    return "pragma";
  }
  if (first !== "EXPLAIN") {
    throw new RangeError(
      `This console only reads: a statement begins with SELECT, WITH, VALUES, EXPLAIN or PRAGMA table_info, not ${
        JSON.stringify(first.slice(0, 40))
      }`,
    );
  }
  // Some PRAGMAs act while they are compiled: EXPLAIN is for statements that read.
  const explained = words[1] === "QUERY" && words[2] === "PLAN" ? words[3] : words[1];
  if (isRead(explained ?? "")) return "explain";
  throw new RangeError("EXPLAIN is for statements that begin with SELECT, WITH or VALUES");
}

function isRead(word: string): boolean {
  return word === "SELECT" || word === "WITH" || word === "VALUES";
}

/** `PRAGMA name` or `PRAGMA name(table)`. */
function checkPragma(tokens: readonly Token[]): void {
  const [, name, open, , close] = tokens;
  const isKnown = name?.type === "word" && PRAGMAS.includes(name.text.toLowerCase());
  const isCall = tokens.length === 5 && open?.text === "(" && close?.text === ")";
  if (isKnown && (tokens.length === 2 || isCall)) return;
  throw new RangeError(`Of the PRAGMAs, these may run: ${PRAGMAS.map((one) => `${one}(…)`).join(", ")}`);
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    const [all, blank, word, quoted] = match;
    if (blank === undefined) {
      const type = word !== undefined ? "word" : quoted !== undefined ? "quoted" : "sign";
      tokens.push({ type, text: quoted === undefined ? all : unquote(quoted), end: TOKEN.lastIndex });
    }
    if (TOKEN.lastIndex >= text.length) break;
  }
  return tokens;
}

function unquote(text: string): string {
  const quote = text[0]!;
  const inner = text.slice(1, -1);
  return quote === "[" ? inner : inner.replaceAll(quote + quote, quote);
}
