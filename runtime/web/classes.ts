/**
 * registerClass in a page.
 * @module
 */
import * as acorn from "acorn";
import { registerClass as register } from "../api/classes.ts";
import { useParser } from "../io/function_exporter.ts";

/**
 * Let instances of a class travel inside values, as in "mobula". A page reads only instances of classes that are registered in
 * it: it runs no code that came from elsewhere.
 * @throws {TypeError} when the class or its codec uses variables from outside.
 */
export function registerClass<T extends object, D>(
  // deno-lint-ignore no-explicit-any -- a class with any constructor
  cls: new (...args: any[]) => T,
  codec: { encode(value: T): D; decode(data: D): T },
): void {
  useParser(() => acorn);
  register(cls, codec);
}
