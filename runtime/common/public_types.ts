/**
 * The types of the public API: what users see of refs, handles, options and remote functions. Types only; the values
 * behind them are in io/core_worker and api.
 * @module
 */

/**
 * Handle to a value that exists or will exist. Not a promise: use `get`. Each place that a ref arrives at has a handle of
 * its own; compare by id. Using a released one is RefReleasedError.
 */
export interface ObjectRef<T> {
  readonly id: string;
  /** Drop this reference now; idempotent. Finalizers do the same, late. */
  release(): void;
  [Symbol.dispose](): void;
  readonly __value?: T; // phantom
}

/**
 * The items of a generator call, in order, each as a ref as soon as it exists. Leaving the loop early stops the producer (its
 * `finally` runs, at its next `yield`); so do release(), forgetting the stream, and the end of the task that made the call.
 * Unlike Ray, where it runs on. What the generator throws is the last item's value, then it ends. Not serializable: only this process can read it.
 */
export interface ObjectRefStream<T> extends AsyncIterableIterator<ObjectRef<T>, undefined, void> {
  /** The items themselves; what comes from a store is fetched one ahead. Refs and values are taken from one stream: either. */
  values(): AsyncIterableIterator<T, undefined, void>;
  /** Resolves when the task has ended, rejects as it did. Items need not be read for that. */
  completed(): ObjectRef<void>;
  /** Stop the producer and free what was not read; idempotent. */
  release(): void;
  [Symbol.dispose](): void;
}

/** A value, or a ref to one: accepted wherever a remote call takes an argument. */
export type RefOr<T> = T | ObjectRef<T>;
type Args<A extends readonly unknown[]> = { [K in keyof A]: RefOr<A[K]> };
// deno-lint-ignore no-explicit-any -- any function: the widest callable type that still infers its parts
export type AnyFunction = (...args: any[]) => any;
// deno-lint-ignore no-explicit-any -- any constructor
export type AnyClass = new (...args: any[]) => any;
// deno-lint-ignore no-explicit-any -- any error class, abstract ones included
export type ErrorClass = abstract new (...args: any[]) => Error;

/** Where work may run. Default: local first, then the node with the least expected wait. */
export type SchedulingStrategy =
  | "DEFAULT"
  | "SPREAD"
  /** Inside a group: in this bundle, or in any of them (-1, the default). With captureChildTasks (default false), what it
   *  submits itself goes there too, unless that has a strategy of its own; "DEFAULT" is one. */
  | { placementGroup: PlacementGroup; bundleIndex?: number; captureChildTasks?: boolean }
  | { nodeId: string; soft?: boolean };

/** Bundles of resources that are reserved together. A value that may travel. */
export interface PlacementGroup {
  readonly id: string;
  /** Resolves to the group when all bundles are reserved; fails with PlacementGroupRemovedError. */
  ready(): ObjectRef<PlacementGroup>;
  /** Whether all bundles are reserved within this time; rejects with PlacementGroupRemovedError. */
  wait(timeoutMs: number): Promise<boolean>;
}

/** Options of `placementGroup`. */
export interface PlacementGroupOptions {
  /** PACK (default) and SPREAD are wishes: few nodes, many nodes. The STRICT ones wait: one node, distinct nodes. */
  strategy?: "PACK" | "SPREAD" | "STRICT_PACK" | "STRICT_SPREAD";
  /** Unique among live groups of the namespace. */
  name?: string;
  /** It outlives its creator and its job. */
  lifetime?: "detached";
}

/** What a worker needs beside the code. */
export interface RuntimeEnv {
  /** A folder that workers have as their working directory: packed when it is first needed in this process, sent to the
   *  cluster once, unpacked once per node. `.gitignore` files in it count; `.git` and `node_modules` stay behind. */
  workingDir?: string;
  /** What else stays behind, in .gitignore's syntax; the last word: `["*.log", "!node_modules"]`. */
  excludes?: string[];
  /** Environment variables of the worker, merged key by key with the job's. */
  env?: Record<string, string>;
  /** The runtime of the worker; default: the node's (`--runtime`). */
  runtime?: "bun" | "deno" | "node";
  /** Restricted workers, on Deno, by Deno's names: `{ net: false, read: ["./data"] }`. What is not named is denied. `run` and
   *  `ffi` let code out of the sandbox. Replaces the job's; a restricted worker's own tasks may have no wider ones. */
  permissions?: {
    [name in "env" | "ffi" | "import" | "net" | "read" | "run" | "sys" | "write"]?: boolean | string[];
  };
}

/** Options of everything that is placed on a node. Quantities in maps use Ray's names: CPU, GPU, memory, your own. */
export interface PlacedOptions {
  /** A task's display name; an actor's registered name, unique in its namespace. */
  name?: string;
  /** CPUs held while it runs. Default: a task 1; an actor needs 1 to be placed and then holds 0. */
  numCpus?: number;
  /** GPUs held; above 1 a whole number. Default 0. */
  numGpus?: number;
  /** Bytes of memory reserved (a logical reservation). Default none. */
  memory?: number;
  /** Custom resources held, by name. */
  resources?: Record<string, number>;
  /** Default "DEFAULT". */
  schedulingStrategy?: SchedulingStrategy;
  /** Node labels that must hold: a value, `!value`, `in(a,b)` or `!in(a,b)` by label. */
  labelSelector?: Record<string, string>;
  /** Tried in order when no live node that could run it meets `labelSelector`. Default none: it waits for such a node. */
  fallbackStrategy?: { labelSelector: Record<string, string> }[];
  /** Merged with the job's, variable by variable. */
  runtimeEnv?: RuntimeEnv;
}

/** Options of every call. */
export interface CallOptions {
  /** How many refs the call gives, at most 1,000,000: the function then returns that many values in an array, or yields them. Default 1; a
   *  generator then streams. */
  numReturns?: number;
  /** Retry when the function throws: any error, or instances of these classes. Default false. */
  retryExceptions?: boolean | readonly ErrorClass[];
  /** How many items a generator may be ahead of its reader; then it waits at its `yield`. At least 1. Default: no limit, but
   *  for 8 MiB of unread small items, beyond which it waits for a second and then uses the object store. */
  generatorBackpressure?: number;
  /** Aborting it cancels the call, with what that has submitted; a call that is made afterwards is cancelled at once. */
  signal?: AbortSignal;
}

/** Options of a remote function. */
export interface TaskOptions extends PlacedOptions, CallOptions {
  /** Retries after a worker or node died (and after exceptions, with retryExceptions). Default 3; -1 without end. */
  maxRetries?: number;
  /** Runs of the function after which its worker process ends, once it owns nothing that others use. Part of the function:
   *  not for options(). Default 0, no limit; 1 when it has GPUs, whose memory only a process's end gives back for certain. */
  maxCalls?: number;
  /** Values that the function uses from an enclosing function's scope, serialized once with the function. */
  captures?: Record<string, unknown>;
}

/** Options of an actor's method. */
export interface MethodOptions extends CallOptions {
  /** Retries of a call whose actor died. Default 0: at most once. -1 without end. */
  maxTaskRetries?: number;
  /** One of the class's concurrencyGroups. Default: the group of the calls that name none. */
  concurrencyGroup?: string;
}

/** Options of a remote class. */
export interface ActorOptions extends PlacedOptions {
  /** Where the name is looked up. Default: the job's namespace. */
  namespace?: string;
  /** With a name: take the live actor of that name, if there is one. Default false. */
  getIfExists?: boolean;
  /** "detached": it outlives its creator and its job. */
  lifetime?: "detached" | "non_detached";
  /** Restarts after its process or node died. Default 0; -1 without end. */
  maxRestarts?: number;
  /** Default of the methods' maxTaskRetries. */
  maxTaskRetries?: number;
  /**
   * Default 1: one call at a time, in order, an async method included until its promise settles. Above 1, calls interleave
   * at their awaits. Unlike Ray, where `async` alone means 1,000.
   */
  maxConcurrency?: number;
  /** Unanswered calls that one process may have; above it PendingCallsLimitExceededError. Default -1: no limit. */
  maxPendingCalls?: number;
  /**
   * Groups of calls, by name: how many of each may be under way at once, beside those of other groups and beside the
   * maxConcurrency of calls without a group. A group of 1 keeps its calls in order. Part of the class: not for options().
   */
  concurrencyGroups?: Record<string, number>;
  /** Of a class with `saveState` and `restoreState`: save after every so many calls. With maxTaskRetries, calls that were answered
   *  since then are repeated after a restart. Default: only when checkpoint() says so. */
  checkpointEvery?: number;
  /** Defaults for single methods: `{ fetch: { concurrencyGroup: "io", maxTaskRetries: 3 } }`. */
  methods?: Record<string, MethodOptions>;
  /**
   * "shared": a light actor, one of many in one worker process: it costs kilobytes instead of a process, has its own order,
   * state and exceptions, and shares the process with the others: its globals, its environment, its memory, and the time of
   * methods that do not await. Default "process": a worker process of its own.
   */
  isolation?: "process" | "shared";
  /** Values that the class uses from an enclosing function's scope, serialized once with the class. */
  captures?: Record<string, unknown>;
}

type Elements<R> = R extends readonly [unknown, ...unknown[]] ? { -readonly [K in keyof R]: ObjectRef<R[K]> }
  : R extends readonly (infer E)[] ? ObjectRef<E>[]
  : ObjectRef<unknown>[];
type Yielded<R> = 0 extends 1 & R ? never // any: nobody knows
  // deno-lint-ignore no-explicit-any -- whatever a generator returns and takes
  : R extends AsyncGenerator<infer Y, any, any> | Generator<infer Y, any, any> ? Y
  : never;
type Result<R> = [Yielded<R>] extends [never] ? ObjectRef<Awaited<R>> : ObjectRefStream<Yielded<R>>;
type Returned<R, O> = O extends { numReturns: infer N } ? (N extends 1 ? Result<R>
    : N extends 0 ? void
    : [Yielded<R>] extends [never] ? Elements<Awaited<R>>
    : Refs<Yielded<R>, N>)
  : Result<R>;
/** N refs: a tuple for a literal N below 17. */
type Refs<T, N> = N extends number
  ? number extends N ? ObjectRef<T>[] : N extends TupleLength ? TupleOf<ObjectRef<T>, N> : ObjectRef<T>[]
  : never;
type TupleLength = 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15 | 16;
type TupleOf<T, N extends number, All extends T[] = []> = All["length"] extends N ? All
  : TupleOf<T, N, [...All, T]>;

/** What `remote(fn)` gives. */
// deno-lint-ignore ban-types -- {}: no options given
export interface RemoteFunction<F extends AnyFunction, O = {}> {
  /** Submit a call; returns at once. Refs among the arguments are replaced by their values before it runs. */
  remote(...args: Args<Parameters<F>>): Returned<ReturnType<F>, O>;
  /** The same function with other options. */
  options<const P extends TaskOptions>(options: P): RemoteFunction<F, Omit<O, keyof P> & P>;
}

/** One method of an actor handle. */
// deno-lint-ignore ban-types -- {}: no options given
export interface ActorMethod<F extends AnyFunction, O = {}> {
  remote(...args: Args<Parameters<F>>): Returned<ReturnType<F>, O>;
  options<const P extends MethodOptions>(options: P): ActorMethod<F, Omit<O, keyof P> & P>;
}

/**
 * T's public methods, each with .remote and .options. Nothing else is callable on it (never a `then`); it ends with
 * release(handle), `using`, or, late, when collected: the last one gone ends an unnamed actor after its submitted calls.
 */
export type ActorHandle<T> =
  & {
    readonly [K in keyof T as K extends "then" | symbol ? never : T[K] extends AnyFunction ? K : never]:
      ActorMethod<Extract<T[K], AnyFunction>>;
  }
  & { [Symbol.dispose](): void };

/** What `remote(Class)` gives. */
export interface RemoteClass<C extends AnyClass> {
  /**
   * Create an actor; returns at once. For a named actor, what this process submits later waits until the name is
   * committed; a taken name rejects the first call and ready(handle) with NameTakenError.
   */
  remote(...args: Args<ConstructorParameters<C>>): ActorHandle<InstanceType<C>>;
  options(options: ActorOptions): RemoteClass<C>;
}

/** The handle type of a remote class: HandleOf<typeof Counter>. */
export type HandleOf<R> = R extends RemoteClass<infer C> ? ActorHandle<InstanceType<C>> : never;

/** Options of `init`. */
export interface InitOptions {
  /** "HOST:PORT", "auto" (the cluster running here), or none: MOBULA_ADDRESS, else an embedded cluster. */
  address?: string;
  /** Resources of an embedded cluster's node; refused with an address. Default: the machine's CPUs. */
  numCpus?: number;
  /** Default 0. */
  numGpus?: number;
  /** Custom resources of the node, by name. Default none. */
  resources?: Record<string, number>;
  /** Size of an embedded node's object store in bytes, at least 1 MiB. Default 30 % of memory. */
  objectStoreBytes?: number;
  /** Where names of actors are looked up. Default: a random one, or MOBULA_NAMESPACE. */
  namespace?: string;
  /** How many nodes (agents on this machine) an embedded cluster has, each with these resources. Default 1. */
  numNodes?: number;
  /** For every task and actor of the job. */
  runtimeEnv?: RuntimeEnv;
  /** Default: MOBULA_TOKEN, else the session folder's token file. */
  token?: string;
  /** Whether an embedded cluster serves the dashboard. Default true. */
  dashboard?: boolean;
  /** Whether messages and worker logs of this job are written to stderr. Default true. */
  logToDriver?: boolean;
}

/** A connection to a cluster; an embedded one ends with it. */
export interface Cluster {
  /** HOST:PORT of the head. */
  readonly address: string;
  /** A link that signs one browser in; absent without a dashboard. */
  readonly dashboardUrl?: string;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Options of `get` and `wait`. */
export interface GetOptions {
  /** GetTimeoutError after this long; 0: what is there now. Default: wait without end. */
  timeoutMs?: number;
  /** Aborting rejects with the signal's reason; the task goes on. */
  signal?: AbortSignal;
}

/** Options of `cancel`. */
export interface CancelOptions {
  /** End the worker process with a task that runs. Not for actors' calls. Default false. */
  force?: boolean;
  /** Cancel what the task has submitted too, and so on. Default true. */
  recursive?: boolean;
  /** Force follows after so many milliseconds, unless the task has ended by then. Default: it does not. */
  graceMs?: number;
}

/** What a task or actor knows of where it runs. Null fields: not in a task, not in an actor. */
export interface RuntimeContext {
  readonly jobId: string;
  readonly nodeId: string;
  readonly workerId: string;
  readonly namespace: string;
  readonly taskId: string | null;
  readonly taskName: string | null;
  /** 0 for the first execution of the task. */
  readonly attempt: number;
  readonly actorId: string | null;
  /** "" for an unnamed actor. */
  readonly actorName: string | null;
  readonly assignedResources: Record<string, number>;
  readonly gpuIds: number[];
  /** The group that it runs in; null outside of one, and in a driver. */
  readonly placementGroup: PlacementGroup | null;
  /** Aborted when this task or call is cancelled; its reason is the TaskCancelledError. In a driver it never is. */
  readonly signal: AbortSignal;
  /** Whether this actor was constructed again after a crash. */
  readonly wasReconstructed: boolean;
  /** A handle to this actor; throws outside an actor. */
  actorHandle<T>(): ActorHandle<T>;
}

/** For setLogOptions(). */
export interface LogOptions {
  /** Hold back lines that many workers print alike, for 5 s; then one is shown with their number. */
  readonly dedup?: boolean;
  /** Say before each line which task or actor printed it, and where. */
  readonly prefix?: boolean;
}
