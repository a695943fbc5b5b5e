/**
 * remote() in a page: as everywhere, of functions and classes that use only their parameters, globals and `import()`. Their
 * modules cannot be read here, so nothing else can come along but `captures`.
 * @module
 */
import * as acorn from "acorn";
import type {
  ActorOptions,
  AnyClass,
  AnyFunction,
  RemoteClass,
  RemoteFunction,
  TaskOptions,
} from "../common/public_types.ts";
import { makeRemote } from "../io/core_worker/make_remote.ts";
import { exportFunction, useParser } from "../io/function_exporter.ts";

const ANONYMOUS = "anonymous";

/**
 * Make a function or class remote. A function gets a task's options, a class an actor's. A function without a name of its own
 * is "anonymous" unless the option `name` says otherwise.
 * @throws {TypeError} for what is neither a function nor a class, for captured variables, and for bad options.
 */
export function remote<C extends AnyClass>(cls: C, options?: ActorOptions): RemoteClass<C>;
export function remote<F extends AnyFunction>(fn: F): RemoteFunction<F>;
export function remote<F extends AnyFunction, const O extends TaskOptions>(
  fn: F,
  options: O,
): RemoteFunction<F, O>;
export function remote(code: unknown, options: TaskOptions | ActorOptions = {}): unknown {
  useParser(() => acorn);
  return makeRemote(code, options, (callable) => {
    const name = callable.name || ANONYMOUS;
    return { name, exported: exportFunction(callable, { captures: options.captures, name }) };
  });
}
