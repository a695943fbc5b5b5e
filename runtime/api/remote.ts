/**
 * remote(): functions and classes that can be called elsewhere.
 * @module
 */
import type {
  ActorOptions,
  AnyClass,
  AnyFunction,
  RemoteClass,
  RemoteFunction,
  TaskOptions,
} from "../common/public_types.ts";
import { ANONYMOUS, nameFromCallSite } from "../io/function_exporter_names.ts";
import { exportFunction } from "../io/function_exporter.ts";
import { makeRemote } from "../io/core_worker/make_remote.ts";

/**
 * Make a function or class remote. A function gets a task's options, a class an actor's. Its code may use its parameters,
 * globals, `import()` and what its module declares at the top level (imports, functions, classes, constants), which travels
 * along; a variable of a function around it, or one that is reassigned, is refused here, by name and place. A task without
 * a name of its own is called after the variable that it is assigned to.
 * @throws {TypeError} for what is neither a function nor a class, for captured variables, and for bad options.
 * @throws {SyntaxError} for a module that cannot be parsed or bundled, {RangeError} for more than 95 MB of code.
 */
export function remote<C extends AnyClass>(cls: C, options?: ActorOptions): RemoteClass<C>;
export function remote<F extends AnyFunction>(fn: F): RemoteFunction<F>;
export function remote<F extends AnyFunction, const O extends TaskOptions>(
  fn: F,
  options: O,
): RemoteFunction<F, O>;
export function remote(code: unknown, options: TaskOptions | ActorOptions = {}): unknown {
  const site = new Error();
  return makeRemote(code, options, (callable) => {
    const name = callable.name || nameFromCallSite(site.stack) || ANONYMOUS;
    return { name, exported: exportFunction(callable, { captures: options.captures, name, site }) };
  });
}
