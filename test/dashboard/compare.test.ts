/**
 * What is said of two runs: a difference is called one only when it is more than chance.
 */
import { expect, test } from "bun:test";
import type { FunctionProfileDto, ProfileDto, Spread } from "../../dashboard/api/tasks.ts";
import { compareErrors, compareFunctions, verdictOf } from "../../dashboard/app/models/compare.ts";

function spread(p50: number, count = 1_000, wide = 0.2): Spread {
  const at = (part: number): number => p50 * (1 + part * wide);
  return {
    count,
    mean: p50,
    min: at(-1),
    p25: at(-0.5),
    p50,
    p75: at(0.5),
    p95: at(1.2),
    p99: at(1.6),
    max: at(3),
  };
}

test("what is clear is called so, what may be chance is not, and few runs say nothing", () => {
  const verdict = (a: Spread, b: Spread) => verdictOf(a, b, b.mean / a.mean - 1);
  expect(verdict(spread(10), spread(13))).toBe("slower");
  expect(verdict(spread(13), spread(10))).toBe("faster");
  expect(verdict(spread(10), spread(10.2))).toBe("same");
  expect(verdict(spread(10, 20, 1), spread(11, 20, 1))).toBe("same");
  expect(verdict(spread(10, 20, 0.1), spread(11, 20, 0.1))).toBe("slower");
  expect(verdict(spread(10, 20, 0.2), spread(11, 20, 0.2))).toBe("perhaps slower");
  expect(verdict(spread(10, 4), spread(20, 1_000))).toBe("few");
  // One stray task moves the mean, not the middle.
  expect(verdict(spread(10), { ...spread(10), mean: 15 })).toBe("same");
});

function profile(
  functions: Partial<FunctionProfileDto>[],
  errors: Partial<ProfileDto["errors"][number]>[] = [],
): ProfileDto {
  return { functions, errors } as unknown as ProfileDto;
}

test("functions are matched by name and type; those of one run alone say so; failures by what they look like", () => {
  const one = profile([{ name: "add", type: "NORMAL_TASK", runMs: 100, run: spread(10) }, {
    name: "gone",
    type: "NORMAL_TASK",
    runMs: 5,
    run: null,
  }], [{ fingerprint: "x", functionName: "add", errorType: "E", message: "m", count: 2 }]);
  const two = profile([{ name: "add", type: "NORMAL_TASK", runMs: 900, run: spread(20) }, {
    name: "add",
    type: "ACTOR_TASK",
    runMs: 1,
    run: null,
  }], [{ fingerprint: "x", functionName: "add", errorType: "E", message: "m", count: 1 }, {
    fingerprint: "y",
    functionName: "add",
    errorType: "F",
    message: "n",
    count: 9,
  }]);
  expect(compareFunctions(one, two).map(({ key, verdict, change }) => [key, verdict, change])).toEqual([
    ["NORMAL_TASK add", "slower", 1],
    ["NORMAL_TASK gone", "only a", null],
    ["ACTOR_TASK add", "only b", null],
  ]);
  expect(compareErrors(one, two).map(({ key, a, b }) => [key, a, b])).toEqual([["y", 0, 9], ["x", 2, 1]]);
});
