/** What a pattern's matches always hold: examples, and random patterns against the engine itself. */
import { expect, test } from "bun:test";
import { Prng } from "../../../runtime/common/prng.ts";
import { requiredTexts } from "../../../runtime/core/logs/required_texts.ts";
import { pieceSearch } from "../../../runtime/io/logs/piece_search.ts";

test("texts are read off what is there once at least; anything else ends them", () => {
  const cases: readonly [string, readonly (readonly string[])[] | null][] = [
    ["plain text", [["plain text"]]],
    ["^line 1 of worker \\d+: ", [["line 1 of worker ", ": "]]],
    ["took \\d{4,} ms \\(slow\\)", [["took ", " ms (slow)"]]],
    ["colou?r", [["colo"]]],
    ["ab+cd", [["ab", "cd"]]],
    ["ab{0,2}cd", [["cd"]]],
    ["warn|error: \\S+", [["warn"], ["error: "]]],
    ["warn|\\d+", null],
    ["(error|failed) in (step one)", [[" in ", "step one"]]],
    ["(?<name>task) (?:no )?\\w", [["task"]]],
    ["(?=abc)xyz(?!def)", [["xyz"]]],
    ["[abc]+ \\x41bc \\u0041de \\cAfg \\bhi", [["bc ", "de ", "fg ", "hi"]]],
    [".*", null],
    ["[^]]*ab]", [["ab]"]]],
    ["a{b}cd", [["a{b}cd"]]],
  ];
  for (const [pattern, texts] of cases) {
    expect([pattern, requiredTexts(pattern, false)]).toEqual([pattern, texts]);
  }
  expect(requiredTexts("ERROR äh: No", true)).toEqual([["error ", "h: no"]]);
});

test("random patterns never miss a line that the engine finds, with and without case", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`seed ${seed}`);
  const random = new Prng(seed);
  const atoms = [
    "a",
    "b",
    "ab",
    "B",
    "é",
    "\\.",
    ".",
    "\\d",
    "1",
    "[ab]",
    "(a|b)",
    "(ab)",
    "(?:b1)",
    "(?=a)",
    "\\x61",
    "^",
    "$",
  ];
  const quantifiers = ["", "", "", "?", "*", "+", "{2}", "{0,1}", "+?", "{1,}"];
  const letters = ["a", "b", "A", "B", "1", ".", "é"];
  let matches = 0;
  for (let i = 0; i < 20_000; i++) {
    const piece = (): string => {
      const atom = random.pick(atoms);
      return /^[$^]$|^\(\?=/.test(atom) ? atom : atom + random.pick(quantifiers);
    };
    let pattern = Array.from({ length: random.between(1, 5) }, piece).join("");
    if (random.below(5) === 0) pattern += `|${piece()}${piece()}`;
    const line = Array.from({ length: random.below(12) }, () => random.pick(letters)).join("");
    const ignoreCase = random.below(2) === 0;
    if (!new RegExp(pattern, ignoreCase ? "i" : "").test(line)) continue;
    matches++;
    const mayMatch = pieceSearch(requiredTexts(pattern, ignoreCase), ignoreCase);
    expect([pattern, line, mayMatch(Buffer.from(`xx\n${line}\nyy`))]).toEqual([pattern, line, true]);
  }
  expect(matches).toBeGreaterThan(2_000);
});
