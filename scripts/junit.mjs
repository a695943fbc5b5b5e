/**
 * Reads the test runner's JUnit report: one outcome per test case.
 * @module
 */
import { existsSync, readFileSync } from "node:fs";

const CASE = /<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g;

/**
 * The cases of a report; none when the runner died before it wrote one.
 * @param {string} path
 * @returns {{ name: string, outcome: "passed" | "failed" | "skipped" }[]}
 */
export function readReport(path) {
  if (!existsSync(path)) return [];
  const cases = [];
  for (const [, attributes, body = ""] of readFileSync(path, "utf8").matchAll(CASE)) {
    const name = unescapeXml(/\bname="([^"]*)"/.exec(attributes)?.[1] ?? "?");
    const outcome = /<(failure|error)\b/.test(body)
      ? "failed"
      : /<skipped\b/.test(body)
      ? "skipped"
      : "passed";
    cases.push({ name, outcome });
  }
  return cases;
}

function unescapeXml(text) {
  return text.replace(/&(lt|gt|quot|apos|amp|#\d+|#x[0-9a-fA-F]+);/g, (_, entity) => {
    const named = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" }[entity];
    if (named !== undefined) return named;
    return String.fromCodePoint(entity[1] === "x" ? parseInt(entity.slice(2), 16) : Number(entity.slice(1)));
  });
}
