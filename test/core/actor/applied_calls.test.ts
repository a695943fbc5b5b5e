/** Goal: no call's effects are in a durable actor's state twice, whatever was repeated, lost or restored. */
import { describe, expect, test } from "bun:test";
import type { ProcessId } from "../../../runtime/common/ids.ts";
import { Prng } from "../../../runtime/common/prng.ts";
import {
  AppliedCalls,
  CALLERS_MAX,
  FAILED_MAX,
  REPLIES_MAX,
  REPLY_BYTES_MAX,
} from "../../../runtime/core/actor/applied_calls.ts";

const A = "d-a" as ProcessId;
const B = "d-b" as ProcessId;
const reply = (byte: number, length = 1): Uint8Array => new Uint8Array(length).fill(byte);

describe("when a checkpoint is due", () => {
  test("after so many calls, failed ones too; the count begins anew, whether it was saved or not", () => {
    const calls = new AppliedCalls(3);
    calls.returned(A, 1, null);
    calls.failed(B, 1);
    expect(calls.isDue).toBe(false);
    calls.returned(A, 2, null);
    expect(calls.isDue).toBe(true);
    expect(calls.saved()).toEqual([[A, 2]]);
    expect(calls.isDue).toBe(false);
    for (const sequence of [3, 4, 5]) calls.returned(A, sequence, null);
    calls.notSaved();
    expect(calls.isDue).toBe(false);
    for (const sequence of [6, 7, 8]) calls.returned(A, sequence, null);
    expect([calls.isDue, calls.saved()]).toEqual([true, [[A, 8]]]);
  });

  test("when it is asked for, and without a number only then", () => {
    const calls = new AppliedCalls(null);
    for (let sequence = 1; sequence < 100; sequence++) calls.returned(A, sequence, null);
    expect(calls.isDue).toBe(false);
    calls.request();
    expect([calls.isDue, calls.isRequested]).toEqual([true, true]);
    expect(calls.saved()).toEqual([[A, 99]]);
    expect([calls.isDue, calls.isRequested]).toEqual([false, false]);
  });
});

describe("what is applied", () => {
  test("is found by caller and number, with its answer; what failed below it is not", () => {
    const calls = new AppliedCalls(10);
    calls.returned(A, 5, reply(5));
    calls.failed(A, 7);
    calls.returned(A, 9, null);
    expect(calls.find(A, 5)).toEqual({ reply: reply(5) });
    expect(calls.find(A, 9)).toEqual({ reply: null });
    expect([calls.find(A, 7), calls.find(A, 10), calls.find(B, 5)]).toEqual([null, null, null]);
    calls.returned(A, 7, reply(7));
    expect(calls.find(A, 7)).toEqual({ reply: reply(7) });
  });

  test("is the same after a restore from its record", () => {
    const calls = new AppliedCalls(10);
    calls.returned(A, 5, reply(5));
    calls.failed(A, 3);
    calls.returned(B, 2, reply(2));
    const restored = new AppliedCalls(10, structuredClone(calls.record()));
    restored.check();
    expect(restored.record()).toEqual(calls.record());
    expect(restored.find(A, 5)).toEqual({ reply: reply(5) });
    expect([restored.find(A, 3), restored.find(A, 6)]).toEqual([null, null]);
    // They are covered already.
    expect(restored.saved()).toEqual([]);
  });

  test("the newest answers are kept, bounded in number and bytes", () => {
    const calls = new AppliedCalls(1);
    for (let sequence = 1; sequence <= REPLIES_MAX + 1; sequence++) {
      calls.returned(A, sequence, reply(sequence));
      calls.saved();
    }
    expect([calls.find(A, 1), calls.find(A, 2)]).toEqual([{ reply: null }, { reply: reply(2) }]);
    calls.check();
    calls.returned(A, 100, reply(3, REPLY_BYTES_MAX));
    expect(calls.find(A, REPLIES_MAX)).toEqual({ reply: null });
    expect(calls.find(A, 100)?.reply?.length).toBe(REPLY_BYTES_MAX);
    calls.returned(A, 101, reply(4, REPLY_BYTES_MAX + 1));
    expect(calls.find(A, 101)).toEqual({ reply: null });
    calls.check();
  });

  test("callers and failures are bounded, the oldest first", () => {
    const calls = new AppliedCalls(null);
    for (let caller = 0; caller <= CALLERS_MAX; caller++) calls.returned(`d-${caller}` as ProcessId, 1, null);
    expect([calls.find("d-0" as ProcessId, 1), calls.find("d-1" as ProcessId, 1)]).toEqual([null, {
      reply: null,
    }]);
    for (let sequence = 1; sequence <= FAILED_MAX + 1; sequence++) calls.failed(A, sequence);
    calls.returned(A, FAILED_MAX + 2, null);
    expect([calls.find(A, 1), calls.find(A, 2)]).toEqual([{ reply: null }, null]);
    calls.check();
  });
});

test("crashes at random: callers that repeat what they have no covered answer for see each call's effect once", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const prng = new Prng(seed);
    const every = 1 + prng.below(5);
    let calls = new AppliedCalls(every);
    let state: string[] = [];
    let checkpoint = { state: [] as string[], record: calls.record() };
    const callers = [A, B].map((id) => ({ id, next: 1, open: [] as number[], kept: [] as number[] }));
    const run = (id: ProcessId, sequence: number): void => {
      if (calls.find(id, sequence) !== null) return;
      state.push(`${id} ${sequence}`);
      calls.returned(id, sequence, null);
      if (!calls.isDue) return;
      checkpoint = { state: [...state], record: structuredClone(calls.record()) };
      const covered = new Map(calls.saved());
      for (const one of callers) one.kept = one.kept.filter((kept) => kept > (covered.get(one.id) ?? 0));
    };
    for (let step = 0; step < 200; step++) {
      const caller = callers[prng.below(2)]!;
      if (prng.below(12) === 0) {
        // A crash: the answered ones that are kept go first, then those without an answer.
        state = [...checkpoint.state];
        calls = new AppliedCalls(every, structuredClone(checkpoint.record));
        for (const one of callers) one.open.unshift(...one.kept.splice(0));
        continue;
      }
      if (caller.open.length === 0 || prng.below(3) === 0) caller.open.push(caller.next++);
      const sequence = caller.open[0]!;
      run(caller.id, sequence);
      if (prng.below(3) === 0) continue; // Its answer is not there yet.
      caller.open.shift();
      caller.kept.push(sequence);
      calls.check();
    }
    for (const { id, open, next } of callers) {
      for (const sequence of open) run(id, sequence);
      const own = state.filter((item) => item.startsWith(id)).map((item) => Number(item.split(" ")[1]));
      expect(own, `seed ${seed}`).toEqual(Array.from({ length: next - 1 }, (_, i) => i + 1));
    }
  }
});
