/** Concurrency groups at the worker: limits hold, order within a group holds, and nothing is forgotten. */
import { expect, test } from "bun:test";
import { Prng } from "../../../runtime/common/prng.ts";
import { CallLanes } from "../../../runtime/core/worker/call_lanes.ts";

interface Call {
  readonly group: string;
  readonly n: number;
}

test("a full group keeps its calls in order, others and the default one go on", () => {
  const lanes = new CallLanes<Call>(1, { io: 2 });
  const call = (group: string, n: number): Call => ({ group, n });
  const [a, b, c, d] = [call("io", 1), call("io", 2), call("io", 3), call("io", 4)];
  expect([a, b, c, d].map((each) => lanes.add(each))).toEqual([true, true, false, false]);
  const [x, y] = [call("", 5), call("unknown", 6)];
  // A group that there is not is the default one.
  expect([lanes.add(x), lanes.add(y)]).toEqual([true, false]);
  expect(lanes.ended(b)).toBe(c);
  expect(lanes.removeWhere(({ n }) => n === 4)).toEqual([d]);
  expect(lanes.ended(a)).toBe(null);
  expect(lanes.ended(c)).toBe(null);
  expect(lanes.ended(x)).toBe(y);
  lanes.check();
});

test("whatever comes, ends and is withdrawn, limits and order hold", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const prng = new Prng(seed);
    const limits: Record<string, number> = { "": 1 + prng.below(3), a: 1, b: 1 + prng.below(4) };
    const lanes = new CallLanes<Call>(limits[""]!, { a: limits["a"]!, b: limits["b"]! });
    const running: Call[] = [];
    const begun: Record<string, number[]> = { "": [], a: [], b: [] };
    let waiting = 0;
    const begin = (call: Call): void => {
      running.push(call);
      begun[call.group]!.push(call.n);
      const now = running.filter(({ group }) => group === call.group).length;
      expect(now).toBeLessThanOrEqual(limits[call.group]!);
    };
    for (let n = 0; n < 300; n++) {
      const dice = prng.below(10);
      if (dice < 6) {
        const call = { group: ["", "a", "b"][prng.below(3)]!, n };
        if (lanes.add(call)) begin(call);
        else waiting++;
      } else if (dice < 9 && running.length > 0) {
        const next = lanes.ended(running.splice(prng.below(running.length), 1)[0]!);
        if (next !== null) {
          waiting--;
          begin(next);
        }
      } else waiting -= lanes.removeWhere((call) => call.n % 7 === 0).length;
      lanes.check();
    }
    while (running.length > 0) {
      const next = lanes.ended(running.pop()!);
      if (next === null) continue;
      waiting--;
      begin(next);
    }
    expect({ seed, waiting }).toEqual({ seed, waiting: 0 });
    for (const order of Object.values(begun)) expect(order).toEqual(order.toSorted((p, q) => p - q));
  }
});
