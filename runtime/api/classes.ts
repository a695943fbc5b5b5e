/**
 * registerClass: classes whose instances may travel.
 * @module
 */
import { addClass } from "../io/core_worker/class_codecs.ts";
import { currentCoreWorker } from "../io/core_worker/current.ts";
import { exportCodec } from "../io/function_exporter.ts";

/**
 * Let instances of a class travel inside values. `encode` turns one into data, `decode` makes one of it; class and codec are
 * exported to the function table, so that receivers need not know them.
 * @throws {TypeError} when the class or its codec uses variables from outside.
 */
export function registerClass<T extends object, D>(
  // deno-lint-ignore no-explicit-any -- a class with any constructor
  cls: new (...args: any[]) => T,
  codec: { encode(value: T): D; decode(data: D): T },
): void {
  if (typeof cls !== "function") throw new TypeError("registerClass() takes a class");
  if (typeof codec?.encode !== "function" || typeof codec.decode !== "function") {
    throw new TypeError("registerClass(): the codec needs the functions encode and decode");
  }
  const exported = exportCodec(cls, codec);
  addClass(cls, codec, exported);
  currentCoreWorker()?.exportCodec(exported);
}
