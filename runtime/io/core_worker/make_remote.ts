/**
 * remote(), but for how code is read: the checks, and the RemoteFunction or RemoteClass. The same in a process and in a page.
 * @module
 */
import { checkActorOptions, checkTaskOptions } from "../../common/options.ts";
import type { ActorOptions, TaskOptions } from "../../common/public_types.ts";
import type { AnyCallable, ExportedFunction } from "../function_exporter.ts";
import { RemoteClass, RemoteCode, RemoteFunction } from "./remote_function.ts";

/** Throws as remote() does. `read` exports the code, and names it. */
export function makeRemote(
  code: unknown,
  options: TaskOptions | ActorOptions,
  read: (code: AnyCallable) => { readonly name: string; readonly exported: ExportedFunction },
): RemoteFunction | RemoteClass {
  if (typeof code !== "function") {
    throw new TypeError(`remote() takes a function or a class, not ${code === null ? "null" : typeof code}`);
  }
  const isClass = /^class\b/.test(Function.prototype.toString.call(code));
  if (isClass) checkActorOptions(options);
  else checkTaskOptions(options);
  const { name, exported } = read(code as AnyCallable);
  const { hash, source, kind, captures } = exported;
  const methods = Object.fromEntries(
    (exported.methods ?? []).map((method) => [method.name, method.isGenerator ? { streams: true } : {}]),
  );
  const streams = exported.isGenerator;
  const remoteCode = new RemoteCode(kind, { hash, source, name, streams, methods, captures });
  return kind === "class"
    ? new RemoteClass(remoteCode, options)
    : new RemoteFunction(remoteCode, options as TaskOptions);
}
