/** Runtime environments as data: checks, merging (JOB-11, JOB-13), and which one is narrower. */
import { describe, expect, test } from "bun:test";
import { checkInitOptions, checkTaskOptions } from "../../runtime/common/options.ts";
import {
  packedFolder,
  runtimeEnvOf,
  whyNotNarrower,
  withWorkingDir,
} from "../../runtime/common/runtime_env.ts";

describe("checks", () => {
  const BAD: [unknown, typeof TypeError | typeof RangeError, string][] = [
    [[], TypeError, "Option runtimeEnv must be an object, is an array"],
    ["x", TypeError, 'Option runtimeEnv must be an object, is "x"'],
    [
      { pip: [] },
      TypeError,
      "Unknown option runtimeEnv.pip; known: workingDir, excludes, env, runtime, permissions",
    ],
    [{ workingDir: 10 }, TypeError, "Option runtimeEnv.workingDir must be a string, is 10"],
    [{ workingDir: " " }, RangeError, 'Option runtimeEnv.workingDir must be the path of a folder, is " "'],
    [
      { workingDir: ".", excludes: "x" },
      TypeError,
      'Option runtimeEnv.excludes must be an array of strings, is "x"',
    ],
    [{ workingDir: ".", excludes: [1] }, TypeError, "Option runtimeEnv.excludes[0] must be a string, is 1"],
    [{ excludes: ["x"] }, TypeError, "Option runtimeEnv.excludes needs runtimeEnv.workingDir"],
    [{ env: { A: 1 } }, TypeError, "Option runtimeEnv.env.A must be a string, is 1"],
    [
      { env: { "A=B": "" } },
      RangeError,
      "Option runtimeEnv.env.A=B is not a variable that a process can have",
    ],
    [
      { runtime: "python" },
      RangeError,
      'Option runtimeEnv.runtime must be "bun", "deno" or "node", is "python"',
    ],
    [{ permissions: true }, TypeError, "Option runtimeEnv.permissions must be an object, is true"],
    [
      { permissions: { hrtime: true } },
      TypeError,
      "Unknown option runtimeEnv.permissions.hrtime; known: env, ffi, import, net, read, run, sys, write",
    ],
    [
      { permissions: { net: "all" } },
      TypeError,
      'Option runtimeEnv.permissions.net must be a boolean or an array of strings, is "all"',
    ],
    [
      { permissions: { read: [""] } },
      RangeError,
      'Option runtimeEnv.permissions.read[0] must be one line and not empty, is ""',
    ],
    [
      { runtime: "bun", permissions: {} },
      TypeError,
      'Option runtimeEnv.permissions needs runtime "deno", is with "bun"',
    ],
  ];

  test("unknown keys and wrong types are refused at the call, the message names them", () => {
    for (const [runtimeEnv, kind, message] of BAD) {
      for (const check of [checkTaskOptions, checkInitOptions]) {
        expect(() => check({ runtimeEnv })).toThrow(new kind(message));
      }
    }
  });

  test("what is right passes", () => {
    const good = [
      {},
      { workingDir: ".", excludes: ["*.log", "!x"], env: { A: "" }, runtime: "node" },
      { permissions: { net: false, read: ["./data"], write: [], env: true } },
      { runtime: "deno", permissions: {} },
    ];
    for (const runtimeEnv of good) checkTaskOptions({ runtimeEnv });
  });
});

describe("merging", () => {
  test("variables merge key by key, every other field is replaced", () => {
    const parent = runtimeEnvOf(undefined, { runtime: "node", workingDir: "/p", env: { A: "a", B: "b" } });
    const { hash, ...child } = runtimeEnvOf(parent, {
      runtime: "deno",
      workingDir: "/c",
      env: { B: "b2", C: "c" },
    });
    expect(child).toEqual({
      runtime: "deno",
      env: { A: "a", B: "b2", C: "c" },
      folder: { path: "/c", excludes: [] },
    });
    expect(runtimeEnvOf(parent, {})).toEqual(parent);
    expect(runtimeEnvOf(parent, undefined)).toBe(parent);
    expect(hash).not.toBe(parent.hash);
  });

  test("equal environments have equal hashes, in whatever order they were written", () => {
    const one = runtimeEnvOf(undefined, {
      env: { A: "1", B: "2" },
      permissions: { net: false, read: ["b", "a", "a"] },
    });
    const two = runtimeEnvOf(undefined, {
      runtime: "deno",
      env: { B: "2", A: "1" },
      permissions: { read: ["a", "b"] },
    });
    expect(one).toEqual(two);
    expect(runtimeEnvOf(undefined, {})).toEqual({ hash: "" });
    expect(runtimeEnvOf(undefined, { permissions: {} }).hash).not.toBe("");
  });

  test("permissions choose Deno, and another runtime cannot inherit them", () => {
    expect(runtimeEnvOf({ hash: "x", runtime: "bun" }, { permissions: {} }).runtime).toBe("deno");
    const job = runtimeEnvOf(undefined, { permissions: { net: true } });
    expect(() => runtimeEnvOf(job, { runtime: "bun" })).toThrow("only Deno can");
    expect(runtimeEnvOf(job, { permissions: {} }).permissions).toEqual({});
  });

  test("a packed folder is known by its hash", () => {
    const hash = "ab".repeat(32);
    const packed = withWorkingDir(runtimeEnvOf(undefined, { workingDir: "/x", env: { A: "1" } }), hash);
    expect(packed).toEqual(runtimeEnvOf(undefined, { workingDir: packedFolder(hash), env: { A: "1" } }));
    expect(packed.workingDir).toBe(hash);
  });
});

test("a restricted worker's tasks may do what it may, or less", () => {
  const parent = runtimeEnvOf(undefined, {
    workingDir: packedFolder("ab".repeat(32)),
    env: { A: "1" },
    permissions: { net: ["a.org", "b.org"], read: ["./data", "/abs"], env: true },
  });
  const of = (permissions: object, more: object = {}) =>
    whyNotNarrower({ ...parent, permissions: permissions as never, ...more }, parent);
  for (
    const child of [{}, { net: ["b.org"] }, { read: ["./data/x", "/abs"] }, { env: ["HOME"] }, { net: false }]
  ) {
    expect(of(child)).toBeNull();
  }
  const wider: object[] = [
    { net: true },
    { net: ["c.org"] },
    { read: ["./"] },
    { read: ["./database"] },
    { read: ["./data/../x"] },
    { write: ["./data"] },
    { run: true },
    { ffi: ["x"] },
    { net: "a.org" },
    { read: { length: 0 } },
    { other: true },
  ];
  for (const child of wider) expect(of(child)).toContain("permission");
  expect(of({}, { runtime: "bun" })).toContain("no permissions");
  expect(of({}, { permissions: undefined })).toContain("no permissions");
  expect(of({}, { env: { LD_PRELOAD: "/x.so" } })).toContain("LD_PRELOAD");
  expect(of({}, { env: { A: "2" } })).toContain("A");
  expect(of({}, { env: {}, workingDir: undefined })).toBeNull();
  expect(of({}, { workingDir: "cd".repeat(32) })).toContain("workingDir");
  expect(whyNotNarrower({ hash: "" }, { hash: "" })).toBeNull();
});
