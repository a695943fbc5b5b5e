/**
 * Stacks of functions that travelled as their own text, without a map: the process that made them remote knows where they
 * stand, and finds the user's lines when an error comes back. The text is an engine's print of the erased source, so it is
 * laid beside the source token by token.
 * @module
 */
import { dirname, relative, sep } from "node:path";
import type * as acorn from "acorn";
import { requirePackage } from "../../platform/runtime_folder.ts";
import { callersOf } from "../function_exporter_names.ts";
import { projectOf } from "./bundler.ts";
import { findDefinition, type Shape } from "./definition.ts";
import { lineStartsOf } from "./mapped_text.ts";
import { type ModuleSource, placeIn } from "./module_source.ts";
import { unitsOf } from "./module_units.ts";

interface Sent {
  readonly text: string;
  readonly site: Error;
  readonly shape: Shape;
  /** Offsets in the text with their offsets in the module; null where it was not found. */
  found: Aligned | null | undefined;
}

interface Aligned {
  readonly source: ModuleSource;
  readonly pairs: readonly (readonly [sent: number, source: number])[];
  readonly lineStarts: readonly number[];
}

const SENT_MAX = 5_000;
const HASH_SHOWN = 8;
const sentTexts = new Map<string, Sent>();

/** What the loader puts before a text: the made function's head, then this. */
const HEAD_LINES = 2;
const HEAD_LENGTH = `"use strict"; return (`.length;

/** From now on stacks of this text are told where it stands. */
export function rememberSent(hash: string, text: string, site: Error, shape: Shape): void {
  const key = hash.slice(0, HASH_SHOWN);
  if (sentTexts.has(key)) return;
  if (sentTexts.size >= SENT_MAX) sentTexts.delete(sentTexts.keys().next().value!);
  sentTexts.set(key, { text, site, shape, found: undefined });
}

/** The same text under another hash: with captures. */
export function rememberAlso(hash: string, other: string): void {
  const sent = sentTexts.get(hash.slice(0, HASH_SHOWN));
  if (sent !== undefined) rememberSent(other, sent.text, sent.site, sent.shape);
}

const FRAME = /(?:[\w.+:/-]*\/)?mobula\/[\w$.-]+\.([0-9a-f]{8})\.js(?:, <anonymous>)?:(\d+):(\d+)/g;

/** Give an error that came back, and its causes, the user's files and lines. */
export function useSourceStacks(thrown: unknown): void {
  let error = thrown;
  for (let depth = 0; depth < 8 && typeof error === "object" && error !== null; depth++) {
    const fields = error as { stack?: unknown; remoteStack?: unknown; cause?: unknown };
    try {
      for (const name of ["stack", "remoteStack"] as const) {
        const stack = fields[name];
        if (typeof stack !== "string" || !stack.includes("mobula/")) continue;
        const said = stack.replace(
          FRAME,
          (frame, hash: string, line: string, column: string) =>
            placeOf(hash, Number(line), Number(column)) ?? frame,
        );
        if (said !== stack) fields[name] = said;
      }
      error = fields.cause;
    } catch {
      return; // Frozen: it stays as it is.
    }
  }
}

function placeOf(hash: string, line: number, column: number): string | undefined {
  const sent = sentTexts.get(hash);
  if (sent === undefined) return undefined;
  if (sent.found === undefined) {
    try {
      sent.found = align(sent);
    } catch {
      sent.found = null; // The file has changed, or cannot be parsed any more.
    }
  }
  if (sent.found === null) return undefined;
  const { source, pairs, lineStarts } = sent.found;
  const row = line - 1 - HEAD_LINES;
  const start = lineStarts[row];
  if (start === undefined) return undefined;
  const offset = start + column - 1 - (row === 0 ? HEAD_LENGTH : 0);
  const pair = pairs.findLast(([at]) => at <= offset);
  if (pair === undefined) return undefined;
  const place = placeIn(source, pair[1]);
  const path = relative(projectOf(dirname(source.path)), source.path).split(sep).join("/");
  return `${path}:${place.line}:${place.column}`;
}

function align({ text, site, shape }: Sent): Aligned | null {
  const definition = findDefinition(callersOf(site.stack ?? ""), shape);
  if (definition === undefined) return null;
  const { source, node } = definition;
  let range: { readonly start: number; readonly end: number } = node;
  if (node.type === "Identifier") {
    const unit = unitsOf(source).byName.get(node.name);
    if (unit === undefined || unit.isImport) return null;
    range = unit;
  }
  const sent = tokens(text, 0);
  const written = tokens(source.text.slice(range.start, range.end), range.start);
  return { source, pairs: pairUp(sent, written), lineStarts: lineStartsOf(text) };
}

interface Token {
  readonly text: string;
  readonly start: number;
}

function tokens(text: string, shift: number): Token[] {
  const { tokenizer } = requirePackage("acorn") as typeof acorn;
  const found: Token[] = [];
  for (const token of tokenizer(text, { ecmaVersion: "latest", sourceType: "module" })) {
    found.push({ text: text.slice(token.start, token.end), start: token.start + shift });
  }
  return found;
}

/** How far the two may run apart: a constant in its place, a separator, a wrapper around. */
const APART_MAX = 200;
const SAME_MIN = 3;

function pairUp(a: readonly Token[], b: readonly Token[]): [number, number][] {
  const pairs: [number, number][] = [];
  let i = 0;
  let j = 0;
  const same = (k: number, l: number, count: number): boolean => {
    for (let n = 0; n < count && k + n < a.length && l + n < b.length; n++) {
      if (a[k + n]!.text !== b[l + n]!.text) return false;
    }
    return k < a.length && l < b.length;
  };
  while (i < a.length && j < b.length) {
    if (same(i, j, 1)) {
      pairs.push([a[i++]!.start, b[j++]!.start]);
      continue;
    }
    let skip = 1;
    let match = -1;
    for (; skip <= APART_MAX && match < 0; skip++) {
      for (let k = 0; k <= skip && match < 0; k++) if (same(i + k, j + skip - k, SAME_MIN)) match = k;
    }
    if (match < 0) break;
    i += match;
    j += skip - 1 - match;
  }
  return pairs;
}
