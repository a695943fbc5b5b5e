/**
 * ActorHandle: what users hold of an actor. Its methods come from the class that it was made of; one prototype a class, so
 * that a handle is a small object.
 * @module
 */
import { RefReleasedError } from "../../common/errors.ts";
import { checkMethodOptions } from "../../common/options.ts";
import type { ErrorClass, MethodOptions } from "../../common/public_types.ts";
import type { ActorClient } from "./actor_client.ts";
import { checkGroup } from "./concurrency_groups.ts";
import type { ItemCall } from "./item_calls.ts";
import type { MethodInfo } from "./own_call.ts";

let clientIn: (handle: ActorHandle) => ActorClient | null;

/** Who is told that a handle was released. */
export interface HandleOwner {
  handleReleased(client: ActorClient): void;
}

/** Base of all handles; methods are on the prototypes made below. */
export class ActorHandle {
  #client: ActorClient | null;
  readonly #owner: HandleOwner;

  static {
    clientIn = (handle) => handle.#client;
  }

  constructor(client: ActorClient, owner: HandleOwner) {
    client.handles++;
    this.#client = client;
    this.#owner = owner;
  }

  [Symbol.dispose](): void {
    const client = this.#client;
    if (client === null) return;
    this.#client = null;
    if (--client.handles === 0) this.#owner.handleReleased(client);
  }

  get [Symbol.toStringTag](): string {
    return "ActorHandle";
  }
}

export function isActorHandle(value: unknown): value is ActorHandle {
  return value instanceof ActorHandle;
}

/** The client behind a handle. TypeError for anything else, RefReleasedError for a released one. */
export function clientOf(value: unknown, what: string): ActorClient {
  if (!(value instanceof ActorHandle)) {
    throw new TypeError(`${what} must be an actor handle, is ${value === null ? "null" : typeof value}`);
  }
  const client = clientIn(value);
  if (client === null) {
    throw new RefReleasedError("The actor handle was released here and cannot be used any more");
  }
  return client;
}

/** One method of one handle. */
export class ActorMethod {
  readonly #handle: ActorHandle;
  readonly #name: string;
  readonly #info: MethodInfo;
  readonly #signal: AbortSignal | null;

  constructor(handle: ActorHandle, name: string, info: MethodInfo, signal: AbortSignal | null = null) {
    this.#handle = handle;
    this.#name = name;
    this.#info = info;
    this.#signal = signal;
  }

  remote(...args: unknown[]): unknown {
    const given = clientOf(this.#handle, this.#name).call(this.#name, this.#info, args, this.#signal);
    return refsOf(given, this.#info.numReturns);
  }

  options(options: MethodOptions): ActorMethod {
    checkMethodOptions(options);
    checkBackpressure(this.#name, this.#info, options);
    const info = { ...this.#info, ...methodInfo(options) };
    const { className, groups } = clientOf(this.#handle, this.#name).info;
    checkGroup(className, groups, info);
    return new ActorMethod(this.#handle, this.#name, info, options.signal ?? this.#signal);
  }
}

/** Throws for a limit of unread items where there are no items. */
export function checkBackpressure(name: string, info: MethodInfo, options: MethodOptions): void {
  if (options.generatorBackpressure === undefined || info.streams === true) return;
  throw new TypeError(`Option generatorBackpressure is for generator methods; ${name} is none`);
}

/** A stream; or one ref for one return, none for none, an array (typed as a tuple) otherwise. */
export function refsOf(refs: ItemCall["given"], numReturns: number | undefined): unknown {
  if (!Array.isArray(refs)) return refs;
  if (numReturns === undefined || numReturns === 1) return refs[0]!;
  return numReturns === 0 ? undefined : refs;
}

/** Options in the form that travels: error classes become names. */
export function methodInfo(options: MethodOptions): MethodInfo {
  const { numReturns, maxTaskRetries, retryExceptions, generatorBackpressure, concurrencyGroup } = options;
  return {
    ...(numReturns !== undefined && { numReturns }),
    ...(maxTaskRetries !== undefined && { maxTaskRetries }),
    ...(retryExceptions !== undefined && { retryExceptions: exceptionNames(retryExceptions) }),
    ...(generatorBackpressure !== undefined && { generatorBackpressure }),
    ...(concurrencyGroup !== undefined && { concurrencyGroup }),
  };
}

/** Error classes by name. Of a remote function that arrived as a value they are names already. */
export function exceptionNames(
  retry: boolean | readonly (ErrorClass | string)[],
): boolean | readonly string[] {
  return typeof retry === "boolean" ? retry : retry.map((cls) => typeof cls === "string" ? cls : cls.name);
}

const prototypes = new Map<string, object>();
const PROTOTYPES_MAX = 10_000;

/** A handle with exactly these methods (never a `then`: a promise would try to unwrap it). */
export function makeHandle(client: ActorClient, owner: HandleOwner): ActorHandle {
  const { methods } = client.info;
  const key = JSON.stringify(methods);
  let prototype = prototypes.get(key);
  if (prototype === undefined) {
    prototype = Object.create(ActorHandle.prototype) as object;
    for (const [name, info] of Object.entries(methods)) {
      if (name === "then" || name === "constructor") continue;
      Object.defineProperty(prototype, name, {
        get(this: ActorHandle) {
          return new ActorMethod(this, name, info);
        },
        enumerable: true,
      });
    }
    if (prototypes.size >= PROTOTYPES_MAX) prototypes.clear();
    prototypes.set(key, prototype);
  }
  const handle = new ActorHandle(client, owner);
  Object.setPrototypeOf(handle, prototype);
  return handle;
}
