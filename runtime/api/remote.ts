/**
 * remote(): functions and classes that can be called elsewhere.
 * @module
 */
import { checkActorOptions, checkTaskOptions } from "../common/options.ts";
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
import {
  RemoteClass as RemoteClassValue,
  RemoteCode,
  RemoteFunction as RemoteFunctionValue,
} from "../io/core_worker/remote_function.ts";

/**
 * Make a function or class remote. A function gets a task's options, a class an actor's. Its code may use its parameters,
 * globals, `import()` and what its module declares at the top level (imports, functions, classes, constants), which travels
 * along; a variable of a function around it, or one that is reassigned, is refused here, by name and place. A task without a name of its own is
 * called after the variable that it is assigned to.
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
  if (typeof code !== "function") {
    throw new TypeError(`remote() takes a function or a class, not ${code === null ? "null" : typeof code}`);
  }
  const isClass = /^class\b/.test(Function.prototype.toString.call(code));
  if (isClass) checkActorOptions(options);
  else checkTaskOptions(options);
  const site = new Error();
  const name = code.name || nameFromCallSite(site.stack);
  const exported = exportFunction(code as never, { captures: options.captures, name, site });
  if (exported.isGenerator) {
    throw new TypeError(`${name}: generator functions cannot be remote yet; return an array`);
  }
  for (const method of exported.methods ?? []) {
    if (method.isGenerator) {
      throw new TypeError(`${name}.${method.name}: generator methods cannot be remote yet; return an array`);
    }
  }
  const { hash, source, kind, captures } = exported;
  const methods = Object.fromEntries((exported.methods ?? []).map((method) => [method.name, {}]));
  const definition = { hash, source, name: name || ANONYMOUS, methods, captures };
  const remoteCode = new RemoteCode(kind, definition);
  return kind === "class"
    ? new RemoteClassValue(remoteCode, options)
    : new RemoteFunctionValue(remoteCode, options as TaskOptions);
}
