/** Checks of users' options: each refusal names the option and says what is expected. */
import { expect, test } from "bun:test";
import {
  checkActorOptions,
  checkInitOptions,
  checkKnownOptions,
  checkMethodOptions,
  checkTaskOptions,
} from "../../runtime/common/options.ts";

function refusal(check: (options: unknown) => void, options: unknown): string {
  try {
    check(options);
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
  return "accepted";
}

test("a wrong type is a TypeError, a value out of range a RangeError; both name the option", () => {
  const cases: [(options: unknown) => void, unknown, string][] = [
    [checkTaskOptions, { numCpus: "1" }, 'TypeError: Option numCpus must be a number, is "1"'],
    [checkTaskOptions, { maxRetries: "a" }, 'TypeError: Option maxRetries must be an integer, is "a"'],
    [checkTaskOptions, { maxRetries: 1.5 }, "TypeError: Option maxRetries must be an integer, is 1.5"],
    [
      checkTaskOptions,
      { maxRetries: Infinity },
      "RangeError: Option maxRetries must be a finite number of at least -1, is Infinity",
    ],
    [
      checkTaskOptions,
      { numGpus: 1.5 },
      "RangeError: Option numGpus above 1 must be a whole number, is 1.5",
    ],
    [
      checkTaskOptions,
      { memory: 2 ** 54 },
      "RangeError: Option memory must be at most 9007199254740992 bytes (8 PiB), is 18014398509481984",
    ],
    [
      checkInitOptions,
      { resources: { disk: 1e12 } },
      "RangeError: Option resources.disk must be at most 900719925474, is 1000000000000: count it in a larger unit",
    ],
    [
      checkActorOptions,
      { maxConcurrency: 0 },
      "RangeError: Option maxConcurrency must be a finite number of at least 1, is 0",
    ],
    [
      checkActorOptions,
      { concurrencyGroups: { io: 0 } },
      "RangeError: Option concurrencyGroups.io must be a finite number of at least 1, is 0",
    ],
    [checkMethodOptions, { concurrencyGroup: "" }, "RangeError: Option concurrencyGroup must not be empty"],
    [checkInitOptions, { dashboard: 1 }, "TypeError: Option dashboard must be a boolean, is 1"],
    [
      checkTaskOptions,
      { fallbackStrategy: { labelSelector: {} } },
      "TypeError: Option fallbackStrategy must be an array of { labelSelector }, is an object",
    ],
    [
      checkActorOptions,
      { fallbackStrategy: [{ labelSelector: { zone: 1 } }] },
      "TypeError: Option fallbackStrategy[0].labelSelector.zone must be a string, is 1",
    ],
    [checkTaskOptions, { fallbackStrategy: [{ labelSelector: { zone: "eu" } }] }, "accepted"],
    [
      checkTaskOptions,
      { labelSelector: { zone: "!in(eu" } },
      'RangeError: Option labelSelector.zone must be a value, "!value", "in(a,b)" or "!in(a,b)", is "!in(eu"',
    ],
    [checkTaskOptions, { labelSelector: { zone: "!in(eu,us)", kind: "" } }, "accepted"],
    [
      checkTaskOptions,
      { numReturns: 1e9 },
      "RangeError: Option numReturns must be at most 1000000, is 1000000000",
    ],
    [
      checkInitOptions,
      { objectStoreBytes: 1e18 },
      "RangeError: Option objectStoreBytes must be at most 9007199254740991, is 1000000000000000000",
    ],
    [checkTaskOptions, [], "TypeError: Options must be an object, is an array"],
    [checkTaskOptions, {}, "accepted"],
    [checkTaskOptions, { maxRetries: undefined }, "accepted"],
  ];
  for (const [check, options, says] of cases) expect(refusal(check, options)).toBe(says);
});

test("an unknown option is refused with the known ones, at any depth", () => {
  expect(refusal(checkTaskOptions, { maxRetry: 1 })).toStartWith(
    "TypeError: Unknown option maxRetry; known: name, numCpus",
  );
  expect(refusal(checkActorOptions, { methods: { read: { maxRetries: 1 } } })).toStartWith(
    "TypeError: Unknown option methods.read.maxRetries; known: numReturns",
  );
  expect(refusal((options) => checkKnownOptions(options, ["namespace"]), { ns: "a" })).toBe(
    "TypeError: Unknown option ns; known: namespace",
  );
  expect(refusal((options) => checkKnownOptions(options, ["namespace"]), "a")).toBe(
    'TypeError: Options must be an object, is "a"',
  );
});

test("checkpointEvery is a number of calls, of an actor that takes one at a time", () => {
  expect(refusal(checkActorOptions, { checkpointEvery: 0 })).toStartWith(
    "RangeError: Option checkpointEvery",
  );
  expect(refusal(checkActorOptions, { checkpointEvery: "1" })).toStartWith(
    "TypeError: Option checkpointEvery",
  );
  for (const options of [{ maxConcurrency: 2 }, { concurrencyGroups: { io: 1 } }]) {
    expect(refusal(checkActorOptions, { checkpointEvery: 3, ...options })).toStartWith(
      "RangeError: Option checkpointEvery needs one call at a time",
    );
  }
  checkActorOptions({ checkpointEvery: 3, maxConcurrency: 1, isolation: "shared" });
});

test("isolation is one of two words, and a light actor has no GPUs", () => {
  checkActorOptions({ isolation: "shared", numCpus: 0 });
  checkActorOptions({ isolation: "process", numGpus: 1 });
  expect(refusal(checkActorOptions, { isolation: "thread" })).toBe(
    'RangeError: Option isolation must be "process" or "shared", is "thread"',
  );
  expect(refusal(checkActorOptions, { isolation: "shared", numGpus: 1 })).toContain(
    "RangeError: Option numGpus is for actors with a process of their own",
  );
});
