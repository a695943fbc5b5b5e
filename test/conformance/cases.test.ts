/** The list of behaviour cases (README.md) against the tests that carry them. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const CASE = /[A-Z]+-\d\d\b/g;
/** The ids that a test's name, or that of its group, begins with. */
const NAMED = /["`]((?:[A-Z]+-\d\d )+)/g;

const readme = readFileSync(join(import.meta.dirname, "README.md"), "utf8");
const [tested = "", untested = ""] = readme.split("\n## ");
const rows = [...tested.matchAll(/^\| \[[^\]]+\]\(([^)]+)\) *\|(.*)$/gm)];

test("each case is carried by a test of the file that it is listed with", () => {
  const missing: string[] = [];
  let listed = 0;
  for (const [, file, cases] of rows) {
    const text = readFileSync(join(import.meta.dirname, file!), "utf8");
    const named = new Set([...text.matchAll(NAMED)].flatMap(([, ids]) => ids!.trim().split(" ")));
    for (const [id] of cases!.matchAll(CASE)) {
      listed++;
      if (!named.has(id)) missing.push(`${id} in ${file}`);
    }
  }
  expect(missing).toEqual([]);
  expect(listed).toBeGreaterThan(100);
});

test("each case is listed once", () => {
  const ids = [tested, untested].flatMap((part) => part.match(/^\|.*$/gm) ?? [])
    .flatMap((row) => {
      const cells = row.split("|").slice(1, -1);
      // A case without a test is named first; its reason may name others.
      return cells[0]!.includes("](") ? cells.slice(1) : cells.slice(0, 1);
    })
    .flatMap((cell) => cell.match(CASE) ?? []);
  expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  expect(ids.length).toBe(194);
});
