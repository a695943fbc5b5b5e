/** Settings by environment variables: defaults, values, and what cannot be meant. */
import { afterEach, expect, test } from "bun:test";
import {
  checkEnvironment,
  gcsRequestTimeoutMs,
  isLogged,
  maxPendingTasks,
  taskMaxRetries,
  textSetting,
} from "../../runtime/io/environment.ts";

const NAMES = [
  "MOBULA_TASK_MAX_RETRIES",
  "MOBULA_MAX_PENDING_TASKS",
  "MOBULA_GCS_REQUEST_TIMEOUT_MS",
  "MOBULA_LOG_LEVEL",
  "MOBULA_NAMESPACE",
] as const;
const before = NAMES.map((name) => process.env[name]);

afterEach(() => {
  for (const [index, name] of NAMES.entries()) {
    if (before[index] === undefined) delete process.env[name];
    else process.env[name] = before[index];
  }
});

test("absent and empty variables leave the defaults", () => {
  for (const value of [undefined, ""]) {
    for (const name of NAMES) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    checkEnvironment();
    expect(taskMaxRetries()).toBe(3);
    expect(maxPendingTasks()).toBe(5_000_000);
    expect(gcsRequestTimeoutMs()).toBe(60_000);
    expect(textSetting("MOBULA_NAMESPACE")).toBeNull();
    expect(isLogged("info")).toBe(true);
    expect(isLogged("debug")).toBe(false);
  }
});

test("values replace the defaults, zero and -1 retries included", () => {
  for (const retries of [-1, 0, 7]) {
    process.env.MOBULA_TASK_MAX_RETRIES = String(retries);
    expect(taskMaxRetries()).toBe(retries);
  }
  process.env.MOBULA_MAX_PENDING_TASKS = "12";
  expect(maxPendingTasks()).toBe(12);
  process.env.MOBULA_GCS_REQUEST_TIMEOUT_MS = "250";
  expect(gcsRequestTimeoutMs()).toBe(250);
  process.env.MOBULA_LOG_LEVEL = "error";
  expect(isLogged("warning")).toBe(false);
  expect(isLogged("error")).toBe(true);
});

test("a value that cannot be meant is a RangeError that names the variable and what it takes", () => {
  for (
    const [name, value, says] of [
      ["MOBULA_TASK_MAX_RETRIES", "many", "an integer of at least -1"],
      ["MOBULA_TASK_MAX_RETRIES", "-2", "an integer of at least -1"],
      ["MOBULA_MAX_PENDING_TASKS", "0", "an integer of at least 1"],
      ["MOBULA_MAX_PENDING_TASKS", "1.5", "an integer of at least 1"],
      ["MOBULA_GCS_REQUEST_TIMEOUT_MS", "60s", "an integer of at least 1"],
      ["MOBULA_LOG_LEVEL", "loud", "debug, info, warning, error"],
    ] as const
  ) {
    process.env[name] = value;
    expect(checkEnvironment).toThrow(new RangeError(`${name} must be ${says}, is ${JSON.stringify(value)}`));
    delete process.env[name];
  }
});
