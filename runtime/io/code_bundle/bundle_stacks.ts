/**
 * Stacks of code that travelled, in the words of the user: `mobula/add.1a2b3c4d.js:7:11` becomes `src/tasks.ts:12:5`.
 * @module
 */
import { decode, type SourceMapMappings } from "@jridgewell/sourcemap-codec";
import { isOwnFile } from "../../platform/runtime_folder.ts";
import type { Bundle } from "./bundle_text.ts";
import { lineAt, lineStartsOf, originalPlace } from "./mapped_text.ts";

interface Known {
  readonly bundle: Bundle;
  mappings: SourceMapMappings | null;
  lineStarts: readonly number[];
}

const FILES_MAX = 5_000;
const files = new Map<string, Known>();
/** What the body's first line has before it: `"use strict"; `. */
const PREFIX_LENGTH = 14;

/** From now on stacks that name this file are told where they come from. */
export function addBundleStacks(file: string, bundle: Bundle): void {
  if (files.size >= FILES_MAX) files.delete(files.keys().next().value!);
  files.set(file, { bundle, mappings: null, lineStarts: [] });
}

/** The stack with the user's files and lines. */
export function userStack(stack: string): string {
  if (!stack.includes("mobula/")) return stack;
  return stack.replace(
    /(?:[\w.+:/-]*\/)?mobula\/([\w$.-]+\.js)(?:, <anonymous>)?:(\d+):(\d+)/g,
    (said, file: string, line: string, column: string) => {
      const known = files.get(file);
      return known === undefined ? said : placeOf(known, Number(line), Number(column)) ?? said;
    },
  );
}

/** Frames of mobula's own code say so, wherever it is installed: `mobula:io/core_worker/executor.ts:392:30`. */
function withOwnFramesMarked(stack: string): string {
  return stack.replace(
    /(?:file:\/\/)?(\/[^\s():]+)(?=:\d+:\d+)/g,
    (said, path: string) => isOwnFile(path) ? `mobula:${path.replace(/^.*\/runtime\/|^.*\//, "")}` : said,
  );
}

/** Rewrite the stacks of what was thrown and of its causes. */
export function useUserStacks(thrown: unknown): void {
  let error = thrown;
  for (let depth = 0; depth < 8 && typeof error === "object" && error !== null; depth++) {
    try {
      const { stack } = error as { stack?: unknown };
      if (typeof stack === "string") {
        const said = withOwnFramesMarked(userStack(stack));
        if (said !== stack) (error as { stack: string }).stack = said;
      }
      error = (error as { cause?: unknown }).cause;
    } catch {
      return; // Frozen, or a getter that throws: it stays as it is.
    }
  }
}

function placeOf(known: Known, line: number, column: number): string | undefined {
  const { header, text } = known.bundle;
  if (known.mappings === null) {
    known.mappings = decode(header.mappings);
    known.lineStarts = lineStartsOf(text);
  }
  let row = line - 1 - preludeLines();
  let at = column - 1 - (row === 0 ? PREFIX_LENGTH : 0);
  // Behind the body stands the entry once more, on lines of its own.
  const bodyLines = lineAt(known.lineStarts, header.body) + 1;
  if (row > bodyLines) {
    const start = header.entry[0];
    const entryRow = lineAt(known.lineStarts, start);
    if (row === bodyLines + 1) at += start - known.lineStarts[entryRow]!;
    row = entryRow + row - bodyLines - 1;
  }
  const place = originalPlace(known.mappings, row, at);
  const source = place === null ? undefined : header.sources[place.source];
  return source === undefined ? undefined : `${source}:${place!.line + 1}:${place!.column + 1}`;
}

let prelude: number | undefined;

/** Lines that this runtime puts before a made function's body. */
function preludeLines(): number {
  if (prelude !== undefined) return prelude;
  const name = "mobula_prelude_probe.js";
  const probe = new Function("a", `return new Error("probe").stack\n//# sourceURL=${name}`) as () => string;
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 10;
  const line = new RegExp(`${name}(?:, <anonymous>)?:(\\d+)`).exec(probe())?.[1];
  Error.stackTraceLimit = limit;
  return prelude = line === undefined ? 0 : Number(line) - 1;
}
