/**
 * Classes that this process registered, with their exported codecs: every cluster that it joins gets them.
 * @module
 */
import type { ExportedCodec } from "../function_exporter.ts";
import { type AnyClass, type ClassCodec, registerClass } from "../../protocol/serialization/mod.ts";

const codecs = new Map<string, ExportedCodec>();

/** Register a class here, as it was exported. */
export function addClass(cls: AnyClass, codec: ClassCodec, exported: ExportedCodec): void {
  registerClass(cls, codec, exported.hash, exported.name);
  codecs.set(exported.hash, exported);
}

export function registeredCodecs(): Iterable<ExportedCodec> {
  return codecs.values();
}
