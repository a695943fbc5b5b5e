/** Whether to stay awake for an answer: while it saves more than it costs, and tried again now and then where it does not. */
import { expect, test } from "bun:test";
import { AwakeJudge } from "../../../runtime/io/core_worker/stay_awake.ts";

/** Sends something every `everyMs` for a second from `startMs` on, whose answers take so long; how often it stayed awake. */
function awakeIn(judge: AwakeJudge, startMs: number, everyMs: number, answerMs: number): number {
  let awake = 0;
  const count = Math.round(1_000 / everyMs);
  for (let call = 0; call < count; call++) {
    const sentMs = startMs + call * everyMs;
    if (judge.sent(sentMs)) awake++;
    judge.heard(sentMs + answerMs);
  }
  return awake;
}

test("answers in time are waited for awake, all of them", () => {
  expect(awakeIn(new AwakeJudge(), 0, 0.02, 0.012)).toBe(50_000);
});

test("pauses now and then change nothing", () => {
  const judge = new AwakeJudge();
  for (let second = 0; second < 10; second++) {
    expect(awakeIn(judge, second * 2_000, 0.02, 0.012)).toBe(50_000);
    expect(judge.sent(second * 2_000 + 1_500)).toBeTrue();
    judge.heard(second * 2_000 + 1_505);
  }
});

test("where answers never come in time, a fiftieth of the time is spent on trying", () => {
  const judge = new AwakeJudge();
  awakeIn(judge, 0, 0.2, 0.1);
  // 100 us each: one in 5 ms.
  expect(awakeIn(judge, 1_000, 0.2, 0.1)).toBeWithin(150, 201);
});

test("where giving way costs milliseconds, it sleeps, although most answers come in time", () => {
  const judge = new AwakeJudge();
  let awake = 0;
  let nowMs = 0;
  for (let call = 0; call < 10_000; call++) {
    const isAwake = judge.sent(nowMs);
    if (isAwake) awake++;
    nowMs += isAwake && awake % 100 === 0 ? 6 : 0.012;
    judge.heard(nowMs);
    nowMs += 0.01;
  }
  expect(awake).toBeLessThan(2_000);
});

test("it comes back as soon as a try shows that it is of use again", () => {
  const judge = new AwakeJudge();
  awakeIn(judge, 0, 10, 5);
  // The last try cost 5 ms: it rests for 250 at most, then one answer in time.
  expect(awakeIn(judge, 1_000, 0.02, 0.012)).toBeGreaterThan(37_000);
});

test("turning in vain has its price, whatever comes later", () => {
  const judge = new AwakeJudge();
  let awake = 0;
  for (let call = 0; call < 1_000; call++) {
    if (judge.sent(call)) awake++;
    judge.gaveUp(call + 0.05);
    judge.heard(call + 0.9);
  }
  // Eight at first, then a try every 2.5 ms.
  expect(awake).toBeWithin(300, 350);
});
