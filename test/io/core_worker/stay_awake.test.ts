/** Whether to stay awake for an answer: as long as answers come in time, and tried again now and then when they do not. */
import { expect, test } from "bun:test";
import { AwakeJudge } from "../../../runtime/io/core_worker/stay_awake.ts";

/** Sends `count` things whose answers take so long; how often it stayed awake. */
function calls(judge: AwakeJudge, count: number, answerMs: number): number {
  let awake = 0;
  for (let call = 0; call < count; call++) {
    const sentMs = call * 1_000;
    if (judge.sent(sentMs)) awake++;
    judge.heard(sentMs + answerMs);
  }
  return awake;
}

test("answers in time are waited for awake, all of them", () => {
  expect(calls(new AwakeJudge(), 1_000, 0.012)).toBe(1_000);
});

test("a few late answers change nothing, many do", () => {
  const judge = new AwakeJudge();
  for (let round = 0; round < 100; round++) {
    expect(calls(judge, 3, 0.1)).toBe(3);
    expect(calls(judge, 1, 0.012)).toBe(1);
  }
  expect(calls(judge, 320, 0.1)).toBeWithin(8, 25);
});

test("it comes back as soon as a try shows that it is of use again", () => {
  const judge = new AwakeJudge();
  calls(judge, 1_000, 5);
  // At most 32 without, then one answer in time.
  expect(calls(judge, 1_000, 0.012)).toBeGreaterThan(960);
});

test("what was never answered does not count", () => {
  const judge = new AwakeJudge();
  for (let call = 0; call < 1_000; call++) expect(judge.sent(call)).toBeTrue();
  judge.heard(1_000_000);
  judge.heard(1_000_001);
  expect(judge.sent(1_000_002)).toBeTrue();
});
