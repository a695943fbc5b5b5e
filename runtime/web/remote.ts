/**
 * remote() in a page: as everywhere, of functions and classes that use only their parameters, globals and `import()`. Their
 * modules cannot be read here, so nothing else can come along but `captures`.
 * @module
 */
import * as acorn from "acorn";
import { checkActorOptions, checkTaskOptions } from "../common/options.ts";
import type {
  ActorOptions,
  AnyClass,
  AnyFunction,
  RemoteClass,
  RemoteFunction,
  TaskOptions,
} from "../common/public_types.ts";
import {
  RemoteClass as RemoteClassValue,
  RemoteCode,
  RemoteFunction as RemoteFunctionValue,
} from "../io/core_worker/remote_function.ts";
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
  if (typeof code !== "function") {
    throw new TypeError(`remote() takes a function or a class, not ${code === null ? "null" : typeof code}`);
  }
  const isClass = /^class\b/.test(Function.prototype.toString.call(code));
  if (isClass) checkActorOptions(options);
  else checkTaskOptions(options);
  useParser(() => acorn);
  const name = code.name || ANONYMOUS;
  const exported = exportFunction(code as never, { captures: options.captures, name });
  const methods = exported.methods ?? [];
  if (exported.isGenerator || methods.some((method) => method.isGenerator)) {
    throw new TypeError(`${name}: generators cannot be remote yet; return an array`);
  }
  const { hash, source, kind, captures } = exported;
  const remoteCode = new RemoteCode(kind, {
    ...{ hash, source, name, captures },
    methods: Object.fromEntries(methods.map((method) => [method.name, {}])),
  });
  return kind === "class"
    ? new RemoteClassValue(remoteCode, options)
    : new RemoteFunctionValue(remoteCode, options as TaskOptions);
}
