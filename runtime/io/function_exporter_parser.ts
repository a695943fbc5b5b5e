/**
 * The function exporter's parser in a process. Loaded when the first function is exported: most workers never do, and it is a
 * tenth of their start.
 * @module
 */
import { createRequire } from "node:module";
import type * as acorn from "acorn";
import { useParser } from "./function_exporter.ts";

/** Call it before the first export. */
export function useParserOfProcess(): void {
  useParser(() => createRequire(import.meta.url)("acorn") as typeof acorn);
}
