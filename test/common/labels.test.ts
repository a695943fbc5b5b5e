/** Label selectors, as a table: label's value, condition, whether it holds. */
import { expect, test } from "bun:test";
import { matchesLabels, unmetLabels } from "../../runtime/common/labels.ts";

const TABLE: readonly (readonly [value: string | undefined, condition: string, holds: boolean])[] = [
  ["eu", "eu", true],
  ["us", "eu", false],
  [undefined, "eu", false],
  ["us", "!eu", true],
  ["eu", "!eu", false],
  [undefined, "!eu", true],
  ["a", "in(a,b)", true],
  ["b", "in(a, b)", true],
  ["c", "in(a,b)", false],
  [undefined, "in(a,b)", false],
  ["c", "!in(a,b)", true],
  ["a", "!in(a,b)", false],
  [undefined, "!in(a,b)", true],
];

test.each(TABLE)("label %p under condition %p holds: %p", (value, condition, holds) => {
  const labels: Record<string, string> = value === undefined ? {} : { zone: value };
  expect(matchesLabels(labels, { zone: condition })).toBe(holds);
  expect(unmetLabels(labels, { zone: condition })).toHaveLength(holds ? 0 : 1);
});

test("all conditions must hold, none is always met, and names of Object's own are no labels", () => {
  expect(matchesLabels({ a: "1", b: "2" }, { a: "1", b: "2" })).toBe(true);
  expect(matchesLabels({ a: "1", b: "2" }, { a: "1", b: "3" })).toBe(false);
  expect(matchesLabels({}, undefined)).toBe(true);
  expect(matchesLabels({}, { constructor: "!x" })).toBe(true);
  expect(unmetLabels({ zone: "us" }, { zone: "eu" })).toEqual(["zone must be eu (is us)"]);
  expect(unmetLabels({}, { zone: "eu" })).toEqual(["zone must be eu (is not set)"]);
});
