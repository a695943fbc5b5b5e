/**
 * The filter language as people type it: terms apart by spaces, a term in quotes may hold some. `state=FAILED name~"my fn"`
 * are two terms. What a term means the server says; here they are only told apart.
 * @module
 */

/** Operators, the longer ones first. */
const OPERATOR = /!=|=|<|>|~/;

/** Terms of a text: `a=b`, `c~d e`. A word without an operator asks for the name: `fetch` is `name~fetch`. */
export function filterTerms(text: string): string[] {
  const terms: string[] = [];
  for (const [part] of text.matchAll(/(?:[^\s"]|"[^"]*"?)+/g)) {
    const term = part.replaceAll('"', "");
    if (term !== "") {
      terms.push(OPERATOR.test(term) ? term : /^[a-z]-\w/.test(term) ? idTerm(term) : `name~${term}`);
    }
  }
  return terms;
}

/** The text of terms. */
export function filterText(terms: readonly string[]): string {
  return terms.map((term) => /\s/.test(term) ? term.replace(/(!=|=|<|>|~)(.*)$/s, '$1"$2"') : term).join(" ");
}

/** The column that a term is about. */
export function columnOf(term: string): string {
  return term.slice(0, term.search(OPERATOR));
}

/** The text with the column's terms replaced by this one, or taken away. */
export function withTerm(text: string, column: string, term: string | null): string {
  const others = filterTerms(text).filter((each) => columnOf(each) !== column);
  return filterText(term === null ? others : [...others, term]);
}

const COLUMNS: Readonly<Record<string, string>> = {
  "t-": "taskId",
  "j-": "jobId",
  "n-": "nodeId",
  "w-": "workerId",
  "a-": "actorId",
};

function idTerm(id: string): string {
  const column = COLUMNS[id.slice(0, 2)];
  return column === undefined ? `name~${id}` : `${column}=${id}`;
}
