/**
 * Goal: lineage lives as long as something could need it and is bounded; a plan names what must run, in order, or why not.
 * Method: small graphs of tasks written out, then random ones with check() after every step.
 */
import { describe, expect, test } from "bun:test";
import type { ObjectId } from "../../../runtime/common/ids.ts";
import { Prng } from "../../../runtime/common/prng.ts";
import { type KeptTask, Lineage } from "../../../runtime/core/worker/lineage.ts";

const resultOf = (sequence: number, index = 0): ObjectId => `o-1-${sequence}.${index}` as ObjectId;
const PUT = "o-1-p1" as ObjectId;

/** A task with one stored result that had these results as arguments. */
function task(sequence: number, needs: readonly number[] = [], more: Partial<KeptTask<string>> = {}) {
  const stored = needs.map((needed) => ({ id: resultOf(needed), task: needed, owned: true }));
  return { sequence, bytes: 100, stored, results: [0], retriesLeft: 3, what: `task ${sequence}`, ...more };
}

/** 1 <- 2 <- 3 and so on. */
function chain(length: number, bytesMax: number = 1 << 30): Lineage<string> {
  const machine = new Lineage<string>(bytesMax);
  for (let sequence = 1; sequence <= length; sequence++) {
    machine.keep(task(sequence, sequence === 1 ? [] : [sequence - 1]));
  }
  machine.check();
  return machine;
}

const all = () => true;
const none = () => false;

describe("how long it is kept", () => {
  test("until no result is referenced, and no kept task needs it", () => {
    const machine = chain(3);
    machine.released(1, 0);
    machine.released(2, 0);
    machine.released(2, 0);
    machine.check();
    expect(machine.size).toBe(3);
    machine.released(3, 0);
    machine.check();
    expect([machine.size, machine.bytes]).toEqual([0, 0]);
  });

  test("one of several results is enough; a result that is released twice counts once", () => {
    const machine = new Lineage<string>(1 << 20);
    machine.keep(task(1, [], { results: [0, 2] }));
    machine.released(1, 0);
    machine.released(1, 0);
    machine.released(1, 1);
    expect(machine.size).toBe(1);
    machine.released(1, 2);
    expect(machine.size).toBe(0);
  });

  test("a task none of whose results is stored takes nothing", () => {
    const machine = new Lineage<string>(1 << 20);
    machine.keep(task(1, [], { results: [] }));
    expect([machine.size, machine.bytes]).toEqual([0, 0]);
  });

  test("above the limit the oldest half goes, and the refusal says so", () => {
    const machine = new Lineage<string>(10_000);
    for (let sequence = 1; sequence <= 20; sequence++) {
      machine.keep(task(sequence));
      machine.check();
    }
    expect(machine.bytes).toBeLessThanOrEqual(10_000);
    expect(machine.plan(1, all)).toMatchObject({
      type: "refused",
      code: "ObjectReconstructionFailedError",
      reason: expect.stringContaining("lineage evicted"),
    });
    expect(machine.plan(20, all).type).toBe("rebuild");
  });

  test("a limit of 0 keeps nothing", () => {
    expect(chain(3, 0).size).toBe(0);
  });
});

describe("plans", () => {
  test("an argument that is held is left to whoever pulls it", () => {
    expect(chain(3).plan(3, all)).toEqual({
      type: "rebuild",
      first: [],
      last: { sequence: 3, retriesLeft: 2, what: "task 3" },
    });
  });

  test("freed arguments are made first, each after what it needs, a shared one once", () => {
    const machine = new Lineage<string>(1 << 20);
    machine.keep(task(1));
    machine.keep(task(2, [1]));
    machine.keep(task(3, [1, 2]));
    machine.keep(task(4, [2, 3, 1]));
    const plan = machine.plan(4, none);
    expect(plan.type === "rebuild" && plan.first.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    machine.check();
  });

  test("a chain of 100,000 is no problem", () => {
    const plan = chain(100_000).plan(100_000, none);
    expect(plan.type === "rebuild" && plan.first.length).toBe(99_999);
  }, 60_000);

  test("every run uses a retry of its task; without any left it is refused, and nothing is used up", () => {
    const machine = new Lineage<string>(1 << 20);
    machine.keep(task(1, [], { retriesLeft: 1 }));
    machine.keep(task(2, [1], { retriesLeft: -1 }));
    expect(machine.plan(2, none)).toMatchObject({ type: "rebuild", last: { retriesLeft: -1 } });
    expect(machine.plan(2, none)).toMatchObject({
      type: "refused",
      code: "ObjectReconstructionFailedError",
      reason: expect.stringMatching(/argument o-1-1\.0 was freed.*max attempts/),
    });
    expect(machine.plan(2, all).type).toBe("rebuild");
  });

  test("what was run again is counted, and has the retries that its run has left", () => {
    const machine = new Lineage<string>(1 << 20);
    machine.keep(task(1, [], { results: [0, 1] }));
    machine.released(1, 1);
    machine.plan(1, all);
    expect(machine.remade(1, [0], 0)).toBe(true);
    expect(machine.made(1)).toBe(1);
    expect(machine.plan(1, all).type).toBe("refused");
    expect(machine.remade(7, [0], 3)).toBe(false);
  });

  test("a freed put value is named; what others own is left to them", () => {
    const machine = new Lineage<string>(1 << 20);
    machine.keep(task(1, [], { stored: [{ id: PUT, task: null, owned: true }] }));
    machine.keep(task(2, [], { stored: [{ id: "o-2-5.0" as ObjectId, task: null, owned: false }] }));
    expect(machine.plan(1, none)).toMatchObject({ reason: expect.stringContaining(PUT) });
    expect(machine.plan(1, all).type).toBe("rebuild");
    expect(machine.plan(2, none).type).toBe("rebuild");
  });

  test("what was never kept is no lineage that was evicted", () => {
    expect(new Lineage<string>(1 << 20).plan(1, all)).toMatchObject({
      type: "refused",
      code: "ObjectLostError",
      reason: expect.stringContaining("maxRetries: 0"),
    });
  });
});

describe("families", () => {
  test("a task goes with all that it needs, each after what it needs itself, without what is told already", () => {
    const machine = new Lineage<string>(1 << 20);
    machine.keep(task(1));
    machine.keep(task(2, [1]));
    machine.keep(task(3, [1, 2]));
    machine.released(1, 0);
    const family = machine.family(3, () => false);
    expect(family.map(({ sequence, results }) => [sequence, results])).toEqual([[1, []], [2, [0]], [3, [0]]]);
    expect(machine.family(3, (one) => one < 3).map(({ sequence }) => sequence)).toEqual([3]);
    expect(machine.family(9, () => false)).toEqual([]);
  });

  test("what is kept together stays as long as one of them is needed, under other names too", () => {
    const source = chain(3);
    source.released(1, 0);
    const named = source.family(3, () => false).map(({ sequence, stored, ...rest }) => {
      const ids = stored.map(({ id, owned, task }) => ({ id, owned, task: `t-${task}` }));
      return { ...rest, sequence: `t-${sequence}`, stored: ids };
    });
    const machine = new Lineage<string, string>(1 << 20);
    machine.keepTogether(named);
    machine.check();
    expect(machine.size).toBe(3);
    machine.keepTogether(named); // Told twice.
    machine.released("t-2", 0);
    machine.check();
    const plan = machine.plan("t-3", none);
    expect(plan.type === "rebuild" && plan.first.map(({ sequence }) => sequence)).toEqual(["t-1", "t-2"]);
    machine.released("t-3", 0);
    expect([machine.size, machine.bytes]).toEqual([0, 0]);
    // Nobody refers to any of it.
    machine.keepTogether(named.map((one) => ({ ...one, results: [] })));
    expect(machine.size).toBe(0);
  });
});

describe("generators", () => {
  test("items that come after the record was made belong to it, and a run that ends uses up what it has used", () => {
    const machine = new Lineage<string>(1 << 20);
    expect(machine.more(1, [1], 3)).toBe(false);
    machine.keep(task(1, [], { results: [1, 2] }));
    expect(machine.plan(1, all)).toMatchObject({ last: { retriesLeft: 2 } });
    machine.remaking(1);
    expect(machine.made(1)).toBe(1);
    expect(machine.more(1, [2, 3], 1)).toBe(true);
    machine.check();
    expect([...machine.live(1)]).toEqual([1, 2, 3]);
    expect(machine.whatOf(1)).toBe("task 1");
    expect(machine.plan(1, all)).toMatchObject({ last: { retriesLeft: 0 } });
    expect(machine.more(1, [], 3)).toBe(true);
    expect(machine.plan(1, all).type).toBe("refused");
    for (const index of [1, 2, 3]) machine.released(1, index);
    expect([machine.size, machine.live(1).size, machine.whatOf(1)]).toEqual([0, 0, null]);
  });

  test("one whose items were all released before it ended is forgotten with its end", () => {
    const machine = new Lineage<string>(1 << 20);
    machine.keep(task(1, [], { results: [1], retriesLeft: -1 }));
    machine.released(1, 1);
    expect(machine.more(1, [], -1)).toBe(false);
    expect(machine.size).toBe(0);
  });
});

test("random graphs: nothing needed goes, nothing else stays, and the bytes add up", () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = new Prng(seed);
    const machine = new Lineage<string>(1 << 30);
    const live = new Set<number>();
    const needs = new Map<number, number[]>();
    for (let sequence = 1; sequence <= 200; sequence++) {
      const from = [...live].filter(() => random.below(4) === 0).slice(0, 3);
      machine.keep(task(sequence, from));
      needs.set(sequence, from);
      live.add(sequence);
      for (const one of [...live]) {
        if (random.below(8) !== 0) continue;
        live.delete(one);
        machine.released(one, 0);
      }
      machine.check();
      const wanted = new Set<number>();
      const stack = [...live];
      for (let one = stack.pop(); one !== undefined; one = stack.pop()) {
        if (wanted.has(one)) continue;
        wanted.add(one);
        stack.push(...needs.get(one)!);
      }
      expect(machine.size).toBe(wanted.size);
    }
    for (const one of live) machine.released(one, 0);
    expect([machine.size, machine.bytes]).toEqual([0, 0]);
  }
});
