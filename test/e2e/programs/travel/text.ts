/**
 * A helper that is called by a helper, over a package of pure JavaScript.
 * @module
 */
import { parse } from "acorn";
import { Refused } from "./tasks.ts";

interface Parsed {
  readonly count: number;
}

export function parsed(text: string): Parsed {
  if (text === "(") {
    throw new Refused(`cannot parse ${text}`);
  }
  return { count: parse(text, { ecmaVersion: 2022 }).body.length };
}

export function nodeCount(text: string): number {
  return parsed(text).count;
}
