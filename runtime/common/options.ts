/**
 * Checks of the options that users give: unknown names and wrong types are TypeErrors, values out of range RangeErrors;
 * each names the option and says what is expected. Pure, so that the call fails before anything is sent.
 * @module
 */
import { OBJECT_STORE_BYTES_MIN } from "./config.ts";
import { groupInfoOf } from "./placement_group.ts";
import { checkAmount, toUnits } from "./resources.ts";
import type {
  ActorOptions,
  CancelOptions,
  InitOptions,
  MethodOptions,
  PlacedOptions,
  TaskOptions,
} from "./public_types.ts";
import type { NodeId } from "./ids.ts";
import { checkRuntimeEnv } from "./runtime_env.ts";
import type { Strategy } from "./task_spec.ts";

/** Refs that one call may give: each is an object of its own. */
const RETURNS_MAX = 1_000_000;

type Check = (value: unknown, name: string) => void;

function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  return value === null || typeof value !== "object"
    ? String(value)
    : `an ${Array.isArray(value) ? "array" : "object"}`;
}

function wrongType(name: string, expected: string, value: unknown): never {
  throw new TypeError(`Option ${name} must be ${expected}, is ${describe(value)}`);
}

function number(minimum: number, kind: "number" | "integer" = "integer", maximum?: number): Check {
  const most = maximum ?? (kind === "integer" ? Number.MAX_SAFE_INTEGER : Infinity);
  return (value, name) => {
    const expected = kind === "integer" ? "an integer" : "a number";
    if (typeof value !== "number" || Number.isNaN(value)) wrongType(name, expected, value);
    if (kind === "integer" && Number.isFinite(value) && !Number.isInteger(value)) {
      wrongType(name, expected, value);
    }
    if (value < minimum || value === Infinity) {
      throw new RangeError(`Option ${name} must be a finite number of at least ${minimum}, is ${value}`);
    }
    if (value > most) throw new RangeError(`Option ${name} must be at most ${most}, is ${value}`);
  };
}

/** Of a resource, as people write it. */
function amount(resource: string): Check {
  return (value, name) => {
    number(0, "number")(value, name);
    checkAmount(resource, value as number, `Option ${name}`);
  };
}

const boolean: Check = (value, name) => {
  if (typeof value !== "boolean") wrongType(name, "a boolean", value);
};

const text: Check = (value, name) => {
  if (typeof value !== "string") wrongType(name, "a string", value);
  if (value.trim() === "") throw new RangeError(`Option ${name} must not be empty`);
};

function record(name: string, value: unknown): asserts value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    wrongType(name, "an object", value);
  }
}

const gpus: Check = (value, name) => {
  amount("GPU")(value, name);
  if ((value as number) > 1 && !Number.isInteger(value)) {
    throw new RangeError(`Option ${name} above 1 must be a whole number, is ${value}`);
  }
};

const resources: Check = (value, name) => {
  record(name, value);
  for (const key of Object.keys(value)) {
    if (key === "CPU" || key === "GPU" || key === "memory") {
      const option = key === "CPU" ? "numCpus" : key === "GPU" ? "numGpus" : "memory";
      throw new RangeError(`Option ${name} must not hold ${key}: use ${option}`);
    }
    if (key === "") throw new RangeError(`Option ${name} has a resource without a name`);
    amount(key)(value[key], `${name}.${key}`);
  }
};

const labels: Check = (value, name) => {
  record(name, value);
  for (const [key, condition] of Object.entries(value)) {
    if (typeof condition !== "string") wrongType(`${name}.${key}`, "a string", condition);
    if (!/^!?in\(/.test(condition) || condition.endsWith(")")) continue;
    throw new RangeError(
      `Option ${name}.${key} must be a value, "!value", "in(a,b)" or "!in(a,b)", is ${describe(condition)}`,
    );
  }
};

const fallbacks: Check = (value, name) => {
  if (!Array.isArray(value)) wrongType(name, "an array of { labelSelector }", value);
  for (const [index, item] of value.entries()) {
    record(`${name}[${index}]`, item);
    known(item, `${name}[${index}]`, ["labelSelector"]);
    labels(item.labelSelector, `${name}[${index}].labelSelector`);
  }
};

function groupStrategy(value: Record<string, unknown>, name: string): void {
  known(value, name, ["placementGroup", "bundleIndex", "captureChildTasks"]);
  const { placementGroup, bundleIndex = -1, captureChildTasks = false } = value;
  const info = groupInfoOf(placementGroup);
  if (info === null) wrongType(`${name}.placementGroup`, "a PlacementGroup", placementGroup);
  boolean(captureChildTasks, `${name}.captureChildTasks`);
  if (!Number.isInteger(bundleIndex)) wrongType(`${name}.bundleIndex`, "an integer", bundleIndex);
  if ((bundleIndex as number) < -1 || (bundleIndex as number) >= info.bundles.length) {
    throw new RangeError(
      `Option ${name}.bundleIndex must be -1 (any bundle) or 0 to ${
        info.bundles.length - 1
      }, is ${bundleIndex}`,
    );
  }
}

const strategy: Check = (value, name) => {
  if (typeof value === "string") {
    if (value !== "DEFAULT" && value !== "SPREAD") {
      throw new RangeError(
        `Option ${name} must be "DEFAULT", "SPREAD", { nodeId } or { placementGroup }, is ${describe(value)}`,
      );
    }
    return;
  }
  record(name, value);
  if ("placementGroup" in value || "bundleIndex" in value || "captureChildTasks" in value) {
    return groupStrategy(value, name);
  }
  known(value, name, ["nodeId", "soft"]);
  text(value.nodeId, `${name}.nodeId`);
  if (value.soft !== undefined) boolean(value.soft, `${name}.soft`);
};

const runtimeEnv: Check = checkRuntimeEnv;

const retryExceptions: Check = (value, name) => {
  if (typeof value === "boolean") return;
  if (!Array.isArray(value)) wrongType(name, "a boolean or an array of error classes", value);
  for (const [index, item] of value.entries()) {
    if (typeof item !== "function" || !(item === Error || item.prototype instanceof Error)) {
      wrongType(`${name}[${index}]`, "an error class", item);
    }
  }
};

const captures: Check = (value, name) => record(name, value);

const PLACED: Record<string, Check> = {
  name: text,
  numCpus: amount("CPU"),
  numGpus: gpus,
  memory: amount("memory"),
  resources,
  schedulingStrategy: strategy,
  labelSelector: labels,
  fallbackStrategy: fallbacks,
  runtimeEnv,
};

const signal: Check = (value, name) => {
  if (!(value instanceof AbortSignal)) wrongType(name, "an AbortSignal", value);
};

const CALL: Record<string, Check> = {
  numReturns: number(0, "integer", RETURNS_MAX),
  retryExceptions,
  generatorBackpressure: number(1),
};
const TASK: Record<string, Check> = {
  ...PLACED,
  ...CALL,
  signal,
  maxRetries: number(-1),
  maxCalls: number(0),
  captures,
};
const METHOD: Record<string, Check> = { ...CALL, maxTaskRetries: number(-1), concurrencyGroup: text };

const concurrencyGroups: Check = (value, name) => {
  record(name, value);
  for (const key of Object.keys(value)) {
    text(key, `${name}'s group`);
    number(1)(value[key], `${name}.${key}`);
  }
};

const ACTOR: Record<string, Check> = {
  ...PLACED,
  namespace: text,
  getIfExists: boolean,
  lifetime: (value, name) => {
    if (value !== "detached" && value !== "non_detached") {
      throw new RangeError(`Option ${name} must be "detached" or "non_detached", is ${describe(value)}`);
    }
  },
  maxRestarts: number(-1),
  maxTaskRetries: number(-1),
  maxConcurrency: number(1),
  maxPendingCalls: number(-1),
  checkpointEvery: number(1),
  isolation: (value, name) => {
    if (value !== "process" && value !== "shared") {
      throw new RangeError(`Option ${name} must be "process" or "shared", is ${describe(value)}`);
    }
  },
  concurrencyGroups,
  methods: (value, name) => {
    record(name, value);
    for (const key of Object.keys(value)) checkAll(value[key], `${name}.${key}`, METHOD);
    // Defaults travel with the handle, and a signal is one process's: it belongs to handle.method.options().
  },
  captures,
};
const CANCEL: Record<string, Check> = { force: boolean, recursive: boolean, graceMs: number(0, "number") };
const INIT: Record<string, Check> = {
  address: text,
  numCpus: amount("CPU"),
  numGpus: gpus,
  resources,
  objectStoreBytes: number(OBJECT_STORE_BYTES_MIN),
  numNodes: number(1),
  namespace: text,
  runtimeEnv,
  token: text,
  dashboard: boolean,
  logToDriver: boolean,
};

function known(value: Record<string, unknown>, name: string, keys: readonly string[]): void {
  for (const key of Object.keys(value)) {
    if (keys.includes(key)) continue;
    const path = name === "" ? key : `${name}.${key}`;
    throw new TypeError(`Unknown option ${path}; known: ${keys.join(", ")}`);
  }
}

/** Throw unless `options` is an object that holds nothing but these. Their values are the caller's to check. */
export function checkKnownOptions(options: unknown, keys: readonly string[]): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(`Options must be an object, is ${describe(options)}`);
  }
  known(options as Record<string, unknown>, "", keys);
}

function checkAll(options: unknown, name: string, checks: Record<string, Check>): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(
      `${name === "" ? "Options" : `Option ${name}`} must be an object, is ${describe(options)}`,
    );
  }
  known(options as Record<string, unknown>, name, Object.keys(checks));
  for (const [key, value] of Object.entries(options)) {
    // An option that is present but undefined is as good as absent.
    if (value !== undefined) checks[key]!(value, name === "" ? key : `${name}.${key}`);
  }
}

/** Throw unless these are valid options of a task. */
export function checkTaskOptions(options: unknown): asserts options is TaskOptions {
  checkAll(options, "", TASK);
}
/** Throw unless these are valid options of an actor method. */
export function checkMethodOptions(options: unknown): asserts options is MethodOptions {
  checkAll(options, "", { ...METHOD, signal });
}
/** Throw unless these are valid options of an actor class. */
export function checkActorOptions(options: unknown): asserts options is ActorOptions {
  checkAll(options, "", ACTOR);
  const { getIfExists, name, lifetime, isolation, numCpus, numGpus, memory } = options as ActorOptions;
  const { checkpointEvery, maxConcurrency = 1, concurrencyGroups } = options as ActorOptions;
  if (checkpointEvery !== undefined && (maxConcurrency > 1 || concurrencyGroups !== undefined)) {
    throw new RangeError(
      "Option checkpointEvery needs one call at a time: no maxConcurrency above 1 and no concurrencyGroups",
    );
  }
  const own = (options as ActorOptions).resources ?? {};
  if (isolation === "shared" && numGpus) {
    throw new RangeError(
      'Option numGpus is for actors with a process of their own, not for isolation "shared": the environment of the ' +
        "process says which GPUs it may use",
    );
  }
  if (isolation === "shared" && (numCpus || memory || Object.values(own).some((amount) => amount > 0))) {
    throw new RangeError('Option isolation "shared" is for actors that hold no resources');
  }
  if (getIfExists && name === undefined) throw new RangeError("Option getIfExists needs a name");
  if (lifetime === "detached" && name === undefined) {
    throw new RangeError('Option lifetime "detached" needs a name: nobody could find the actor again');
  }
}
/** Throw unless these are valid options of cancel(). */
export function checkCancelOptions(options: unknown): asserts options is CancelOptions {
  checkAll(options, "", CANCEL);
}
/** Throw unless these are valid options of init(). */
export function checkInitOptions(options: unknown): asserts options is InitOptions {
  checkAll(options, "", INIT);
}

/** Resources that placed options ask for, in units. `cpus`: what counts when numCpus is not given. */
export function resourcesOf(options: PlacedOptions, cpus: number): Record<string, number> {
  return toUnits({
    CPU: options.numCpus ?? cpus,
    GPU: options.numGpus ?? 0,
    memory: options.memory ?? 0,
    ...options.resources,
  });
}

/** The scheduler's form of a strategy option, but for placement groups (group_options.ts). */
export function strategyOf(options: PlacedOptions): Strategy {
  const given = options.schedulingStrategy ?? "DEFAULT";
  if (given === "DEFAULT") return { type: "hybrid" };
  if (given === "SPREAD") return { type: "spread" };
  if ("placementGroup" in given) throw new TypeError("a placement group's strategy is read by placementOf()");
  return { type: "nodeAffinity", nodeId: given.nodeId as NodeId, soft: given.soft ?? false };
}
