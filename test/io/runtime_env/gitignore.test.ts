/** .gitignore rules: the cases of gitignore(5). */
import { expect, test } from "bun:test";
import { isIgnored, parseIgnoreRules } from "../../../runtime/io/runtime_env/gitignore.ts";

/** Whether each path is ignored by the text; a folder ends with a slash. */
const CASES: [text: string, ignored: string[], kept: string[]][] = [
  ["*.log", ["a.log", "x/y/a.log", "a.log/"], ["a.logs", "alog"]],
  ["build/", ["build/", "x/build/"], ["build", "rebuild/"]],
  ["/build", ["build", "build/"], ["x/build"]],
  ["doc/*.txt", ["doc/a.txt"], ["doc/x/a.txt", "x/doc/a.txt"]],
  ["**/foo", ["foo", "a/foo", "a/b/foo"], ["afoo"]],
  ["**/foo/bar", ["foo/bar", "a/foo/bar"], ["foo/a/bar"]],
  ["abc/**", ["abc/x", "abc/x/y"], ["abc/", "x/abc/y"]],
  ["a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]],
  ["# comment\n\n \n\\#x", ["#x"], ["# comment"]],
  ["*.log\n!keep.log", ["a.log"], ["keep.log", "x/keep.log"]],
  ["!a\na", ["a"], []],
  ["a?c", ["abc"], ["ac", "abbc", "a/c"]],
  ["[a-c]x", ["ax", "cx"], ["dx", "/x"]],
  ["[!a-c]x", ["dx"], ["ax"]],
  ["[[:digit:]]*", ["1", "2x"], ["x2"]],
  ["[]-]x", ["]x", "-x"], ["ax"]],
  ["open[", [], ["open["]],
  ["trailing   ", ["trailing"], ["trailing   "]],
  ["kept\\ ", ["kept "], ["kept"]],
  ["\\!x", ["!x"], ["x"]],
  ["foo*bar*", ["foobar", "foo1bar2"], ["foo/bar"]],
  ["a.b(c)+$", ["a.b(c)+$"], ["aXb(c)+$", "a.bc"]],
  ["x\r\ny\r\n", ["x", "y"], []],
  ["**", ["a", "a/b"], []],
];

test("patterns match what git says that they match", () => {
  for (const [text, ignored, kept] of CASES) {
    const rules = parseIgnoreRules(text);
    const look = (path: string): boolean => isIgnored(path.replace(/\/$/, ""), path.endsWith("/"), rules);
    expect({ text, ignored: ignored.filter((path) => !look(path)) }).toEqual({ text, ignored: [] });
    expect({ text, kept: kept.filter(look) }).toEqual({ text, kept: [] });
  }
});

test("the rules of a folder's own file count below it only, and come after those above", () => {
  const rules = [...parseIgnoreRules("*.txt\n/top"), ...parseIgnoreRules("!a.txt\n/only", "sub/")];
  expect(isIgnored("a.txt", false, rules)).toBe(true);
  expect(isIgnored("sub/a.txt", false, rules)).toBe(false);
  expect(isIgnored("sub/deep/a.txt", false, rules)).toBe(false);
  expect(isIgnored("sub/only", false, rules)).toBe(true);
  expect(isIgnored("only", false, rules)).toBe(false);
  expect(isIgnored("sub/top", false, rules)).toBe(false);
});
