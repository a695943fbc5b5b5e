/**
 * Run under each runtime by error_matching.test.ts: prints one JSON object of facts about `instanceof` before and after
 * installErrorMatching(). The expected answers are the same everywhere.
 */
import { MobulaError, ObjectLostError, TaskError, taskErrorOf } from "../../runtime/common/errors.ts";
import { installErrorMatching, setClassNames } from "../../runtime/common/error_matching.ts";

class AppError extends Error {}
class ValidationError extends AppError {
  field = "email";
}
class Unrelated extends Error {}
class RangeLike extends RangeError {}
class Picky extends Error {
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value === "picky";
  }
}
class Plain {}

// What arrives when the thrower's class is not loaded here: an Error that carries names only.
function arrived(names: string[]): TaskError {
  const cause = new Error("invalid");
  setClassNames(cause, names);
  return taskErrorOf(cause, { taskName: "f", taskId: "t", nodeId: "n", attempt: 0 });
}

const dom = new DOMException("x", "AbortError");
const strict = new Proxy({}, {
  get() {
    throw new Error("a trap that must not run");
  },
});
const classes = {
  Error,
  TypeError,
  RangeError,
  AggregateError,
  DOMException,
  AppError,
  ValidationError,
  Unrelated,
  RangeLike,
  Picky,
  Plain,
  TaskError,
  MobulaError,
  ObjectLostError,
  Array,
  Map,
};
const values: Record<string, unknown> = {
  validation: arrived(["ValidationError", "AppError", "Error"]),
  range: arrived(["RangeLike", "RangeError", "Error"]),
  lost: arrived(["ObjectLostError", "MobulaError", "Error"]),
  anonymous: arrived(["", "Error"]),
  nested: taskErrorOf(arrived(["ValidationError", "AppError", "Error"]), {
    taskName: "outer",
    taskId: "t",
    nodeId: "n",
    attempt: 0,
  }),
  local: new ValidationError("x"),
  typeError: new TypeError("x"),
  aggregate: new AggregateError([]),
  dom,
  strict,
  plain: new Plain(),
  null: null,
  undefined,
  string: "ValidationError",
  picky: "picky",
  array: [],
  bare: Object.create(null),
};

function table(): Record<string, string> {
  const rows: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) {
    const holds = Object.entries(classes).filter(([, cls]) => value instanceof (cls as new () => object));
    rows[name] = holds.map(([label]) => label).join(" ");
  }
  return rows;
}

const before = table();
const installed = [installErrorMatching(), installErrorMatching()];
const after = table();
const bound = ValidationError.bind(null);
const anonymous = (() => class extends Error {})();
let notCallable = "";
try {
  notCallable = String(values.local instanceof (Object.create(Error) as new () => object));
} catch (error) {
  notCallable = (error as Error).constructor.name;
}
const more = {
  bound: values.local instanceof bound,
  anonymous: values.anonymous instanceof anonymous,
  notCallable,
  isError: Error.isError?.(values.validation) ?? true,
  enumerable: Object.prototype.propertyIsEnumerable.call(Error, Symbol.hasInstance),
};
console.log(JSON.stringify({ before, after, installed, more }));
