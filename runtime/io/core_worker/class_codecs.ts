/**
 * Classes that this process registered, with their exported codecs: every cluster that it joins gets them.
 * @module
 */
import { exportCodec, type ExportedCodec } from "../function_exporter.ts";
import { type AnyClass, type ClassCodec, registerClass } from "../../protocol/serialization/mod.ts";

const codecs = new Map<string, ExportedCodec>();

/** Register a class here. Throws TypeError for a class or codec whose code cannot travel. */
export function addClass(cls: AnyClass, codec: ClassCodec): ExportedCodec {
  const exported = exportCodec(cls, codec);
  registerClass(cls, codec, exported.hash, exported.name);
  codecs.set(exported.hash, exported);
  return exported;
}

export function registeredCodecs(): Iterable<ExportedCodec> {
  return codecs.values();
}
