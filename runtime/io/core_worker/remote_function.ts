/**
 * RemoteFunction and RemoteClass: code that can be called elsewhere. They are values themselves: they may be passed to
 * tasks, where they work as here.
 * @module
 */
import { checkActorOptions, checkTaskOptions } from "../../common/options.ts";
import type { ActorOptions, TaskOptions } from "../../common/public_types.ts";

import type { ActorHandle } from "./actor_handle.ts";
import { refsOf } from "./actor_handle.ts";
import type { CoreWorker } from "./core_worker.ts";
import { requireCoreWorker } from "./current.ts";
import type { FunctionRecord } from "./functions.ts";
import type { AssignedGroup } from "../../common/placement_group.ts";
import type { MethodInfo } from "./own_call.ts";
import type { CallShape } from "./own_task.ts";

/** Where a definition comes from: made here, or known by hash until it is first used. */
export interface Definition {
  readonly hash: string;
  readonly name: string;
  /** A generator function: its calls give items, not a result. */
  readonly streams: boolean;
  /** Public methods of a class, with their defaults. */
  readonly methods: Readonly<Record<string, MethodInfo>>;
  /** Values captured with it; encoded when first used, for one cluster. */
  readonly captures: Readonly<Record<string, unknown>> | null;
  /** Null: it arrived as a value and its source is in the function table. */
  readonly source: string | null;
}

/** What every form of the same definition shares. */
export class RemoteCode {
  readonly definition: Definition;
  readonly kind: "function" | "class";
  /** Of the cluster that it was last used in. */
  #record: { core: CoreWorker; record: FunctionRecord } | null = null;

  constructor(kind: "function" | "class", definition: Definition) {
    this.kind = kind;
    this.definition = definition;
  }

  /** The record in this cluster; exported when first asked for. */
  recordIn(core: CoreWorker): FunctionRecord {
    if (this.#record?.core !== core) this.#record = { core, record: core.defineCode(this) };
    return this.#record.record;
  }
}

/** See the module's header. */
export class RemoteFunction {
  readonly code: RemoteCode;
  readonly givenOptions: TaskOptions;
  /** For the last core and the last group that captured it. */
  #shape: { core: CoreWorker; inherited: AssignedGroup | null; call: CallShape } | null = null;

  constructor(code: RemoteCode, options: TaskOptions) {
    const { name, streams } = code.definition;
    if (options.generatorBackpressure !== undefined && !streams) {
      throw new TypeError(`Option generatorBackpressure is for generator functions; ${name} is none`);
    }
    this.code = code;
    this.givenOptions = options;
  }

  remote(...args: unknown[]): unknown {
    const core = requireCoreWorker();
    const inherited = core.inheritedGroup;
    if (this.#shape?.core !== core || this.#shape.inherited !== inherited) {
      this.#shape = { core, inherited, call: core.callShape(this, inherited) };
    }
    const { call } = this.#shape;
    return refsOf(core.tasks.submit(call, args), call.numReturns);
  }

  /** The function itself, loaded in this process: for library actors, which run what they are given. */
  loadHere(): Promise<(...args: unknown[]) => unknown> {
    return requireCoreWorker().loadHere(this.code);
  }

  options(options: TaskOptions): RemoteFunction {
    checkTaskOptions(options);
    if (options.captures !== undefined) {
      throw new TypeError(
        "Option captures belongs to remote(fn, { captures }): they are part of the function",
      );
    }
    if (options.maxCalls !== undefined) {
      throw new TypeError("Option maxCalls belongs to remote(fn, { maxCalls }): it is part of the function");
    }
    return new RemoteFunction(this.code, { ...this.givenOptions, ...options });
  }
}

/** See the module's header. */
export class RemoteClass {
  readonly code: RemoteCode;
  readonly givenOptions: ActorOptions;

  constructor(code: RemoteCode, options: ActorOptions) {
    this.code = code;
    this.givenOptions = options;
  }

  remote(...args: unknown[]): ActorHandle {
    return requireCoreWorker().actors.create(this, args);
  }

  options(options: ActorOptions): RemoteClass {
    checkActorOptions(options);
    if (options.captures !== undefined) {
      throw new TypeError(
        "Option captures belongs to remote(Class, { captures }): they are part of the class",
      );
    }
    if (options.concurrencyGroups !== undefined) {
      throw new TypeError(
        "Option concurrencyGroups belongs to remote(Class, { concurrencyGroups }): they are part of the class",
      );
    }
    return new RemoteClass(this.code, { ...this.givenOptions, ...options });
  }
}
