/**
 * A function or class with all that it uses of its module, as a source that can run elsewhere.
 * @module
 */
import type { CallSite } from "../function_exporter_names.ts";
import { bundleSlice } from "./bundler.ts";
import { writeBundle } from "./bundle_text.ts";
import { findDefinition, type Shape } from "./definition.ts";
import { sliceModule } from "./module_slice.ts";

export interface ExportedBundle {
  readonly source: string;
  readonly hash: string;
  /** Of the captures that were given, those that it uses. */
  readonly captures: Readonly<Record<string, unknown>> | null;
}

const CACHE_MAX = 200;
/** Of this process: a module's call of remote() in a function may run often. */
const exportedSlices = new Map<string, { source: string; hash: string }>();

/**
 * The bundle, or undefined when the definition cannot be found in a module (code made by eval, a file that is gone).
 * With `mayBeAlone`, also when it uses nothing of the module: its own text is enough.
 * TypeError for uses that cannot travel, SyntaxError for what cannot be parsed or bundled, RangeError for too much.
 */
export function exportFromModule(
  callers: Iterable<CallSite>,
  shape: Shape,
  subject: string,
  captures: Readonly<Record<string, unknown>>,
  mayBeAlone: boolean,
): ExportedBundle | undefined {
  const definition = findDefinition(callers, shape);
  if (definition === undefined) return undefined;
  const slice = sliceModule(definition, subject, captures);
  if (slice === undefined || (mayBeAlone && slice.isAlone)) return undefined;
  const key = `${shape.kind}\n${definition.source.path}\n${slice.captured.join()}\n${slice.text}`;
  let made = exportedSlices.get(key);
  if (made === undefined) {
    made = writeBundle(bundleSlice(definition.source, slice, subject), shape.kind);
    if (exportedSlices.size >= CACHE_MAX) exportedSlices.delete(exportedSlices.keys().next().value!);
    exportedSlices.set(key, made);
  }
  const used = Object.fromEntries(slice.captured.map((name) => [name, captures[name]]));
  return { ...made, captures: slice.captured.length === 0 ? null : used };
}
