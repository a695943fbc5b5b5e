/**
 * Which files a folder's `.gitignore` files leave out: git's rules (gitignore(5)), the last matching one decides.
 * @module
 */

/** One line of a `.gitignore` file. */
export interface IgnoreRule {
  /** `!pattern`: what matches is kept after all. */
  readonly keeps: boolean;
  /** `pattern/`: only folders match. */
  readonly foldersOnly: boolean;
  /** Of a path relative to the rule's folder. */
  readonly matches: RegExp;
  /** The folder of its file, relative to the packed one: "" or "a/b/". */
  readonly base: string;
}

/** The rules of one file's text, in order. `base`: its folder, "" or "a/b/". */
export function parseIgnoreRules(text: string, base: string = ""): IgnoreRule[] {
  const rules: IgnoreRule[] = [];
  for (const raw of text.split(/\r?\n/)) {
    // Spaces at the end count only when they are escaped.
    let line = raw.replace(/^((?:[^\\]|\\.)*?) +$/, "$1");
    const keeps = line.startsWith("!");
    if (line === "" || line.startsWith("#")) continue;
    if (keeps) line = line.slice(1);
    const foldersOnly = line.endsWith("/");
    if (foldersOnly) line = line.slice(0, -1);
    const anchored = line.includes("/");
    if (line.startsWith("/")) line = line.slice(1);
    const matches = line === "" ? null : globToRegExp(line, anchored);
    if (matches !== null) rules.push({ keeps, foldersOnly, matches, base });
  }
  return rules;
}

/** Whether a path is left out; later rules win. A folder that is left out is not looked into. */
export function isIgnored(path: string, isFolder: boolean, rules: readonly IgnoreRule[]): boolean {
  for (let index = rules.length - 1; index >= 0; index--) {
    const { keeps, foldersOnly, matches, base } = rules[index]!;
    if ((foldersOnly && !isFolder) || !path.startsWith(base)) continue;
    if (matches.test(path.slice(base.length))) return !keeps;
  }
  return false;
}

/** Null for a pattern that cannot match anything (an open bracket). */
function globToRegExp(glob: string, anchored: boolean): RegExp | null {
  let source = anchored ? "^" : "^(?:.*/)?";
  for (let at = 0; at < glob.length; at++) {
    const char = glob[at]!;
    if (char === "*") {
      const end = /^\*+/.exec(glob.slice(at))![0].length;
      const atStart = at === 0 || glob[at - 1] === "/";
      const after = glob[at + end];
      if (end === 2 && atStart && after === "/") {
        source += "(?:.*/)?";
        at += 2;
        continue;
      }
      source += end === 2 && atStart && after === undefined && at > 0
        ? ".+"
        : end === 2 && glob === "**"
        ? ".*"
        : "[^/]*";
      at += end - 1;
    } else if (char === "?") source += "[^/]";
    else if (char === "[") {
      const set = bracket(glob, at);
      if (set === null) return null;
      source += set.source;
      at = set.end;
    } else if (char === "\\") {
      if (++at === glob.length) return null;
      source += escape(glob[at]!);
    } else source += escape(char);
  }
  try {
    return new RegExp(`${source}$`, "s");
  } catch {
    return null; // A range that runs backwards, as [z-a].
  }
}

function bracket(glob: string, start: number): { source: string; end: number } | null {
  let at = start + 1;
  const negated = glob[at] === "!" || glob[at] === "^";
  if (negated) at++;
  let members = "";
  for (let first = true; at < glob.length; at++, first = false) {
    const char = glob[at]!;
    if (char === "]" && !first) {
      return { source: `(?!/)[${negated ? "^" : ""}${members}]`, end: at };
    }
    const posix = /^\[:(alpha|digit|alnum|upper|lower|space|xdigit|punct):\]/.exec(glob.slice(at));
    if (posix !== null) {
      members += CLASSES[posix[1]!]!;
      at += posix[0].length - 1;
    } else if (char === "\\" && at + 1 < glob.length) members += escape(glob[++at]!);
    else members += char === "-" ? "-" : escape(char);
  }
  return null;
}

const CLASSES: Readonly<Record<string, string>> = {
  alpha: "a-zA-Z",
  digit: "0-9",
  alnum: "a-zA-Z0-9",
  upper: "A-Z",
  lower: "a-z",
  space: "\\s",
  xdigit: "0-9a-fA-F",
  punct: "!-\\/:-@\\[-`{-~",
};

function escape(char: string): string {
  return /[\\^$.*+?()[\]{}|/-]/.test(char) ? `\\${char}` : char;
}
