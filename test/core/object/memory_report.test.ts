/** What nodes say of their objects, put together: one row an object, sums, and one object's state. */
import { describe, expect, test } from "bun:test";
import type { NodeId, ObjectId, ProcessId } from "../../../runtime/common/ids.ts";
import type {
  CopyState,
  NodeObject,
  NodeObjects,
  ObjectHolder,
  ReferenceKind,
} from "../../../runtime/common/memory_facts.ts";
import { memoryReportOf, type NodeAnswer } from "../../../runtime/core/object/memory_report.ts";
import { objectState } from "../../../runtime/core/object/object_state.ts";

const NOW = 10_000;
const [A, B] = ["n-a" as NodeId, "n-b" as NodeId];
const driver = "d-1" as ProcessId;
const nobody = (): null => null;

const held = (holder: string, kind: ReferenceKind = "LOCAL_REFERENCE", nodeId = A): ObjectHolder => ({
  holder,
  nodeId,
  kind,
});
function copy(state: CopyState, bytes = 100, more: Partial<NodeObject["copy"]> = {}): NodeObject["copy"] {
  return { state, bytes, primary: false, sealedMs: NOW - 1_000, producer: "make", ...more };
}
function object(id: string, more: Partial<NodeObject> = {}): NodeObject {
  return { id: id as ObjectId, copy: null, owner: driver, home: A, callSite: null, holders: [], ...more };
}
function answer(objects: readonly NodeObject[], more: Partial<NodeObjects> = {}): NodeObjects {
  return { objects, left: 0, silent: [], capacity: 1_000, used: 500, ...more };
}
const report = (...nodes: NodeAnswer[]) => memoryReportOf(nodes, NOW, nobody);

describe("rows", () => {
  test("what two nodes know of one object is one row: copies, holders and the call site of either", () => {
    const { rows } = report(
      { nodeId: A, answer: answer([object("o-1", { holders: [held("d-1")], callSite: "a.ts:1:2" })]) },
      {
        nodeId: B,
        answer: answer([
          object("o-1", {
            copy: copy("IN_MEMORY", 100, { primary: true }),
            holders: [held("w-1", undefined, B)],
          }),
        ]),
      },
    );
    expect(rows).toEqual([{
      objectId: "o-1",
      bytes: 100,
      state: "IN_MEMORY",
      nodes: [{ nodeId: B, state: "IN_MEMORY", primary: true }],
      producer: "make",
      owner: driver,
      home: A,
      callSite: "a.ts:1:2",
      ageMs: 1_000,
      holders: [held("d-1"), held("w-1", "LOCAL_REFERENCE", B)],
    }]);
  });

  test("the best copy gives the state: in memory, inline, spilled, on its way", () => {
    const states: CopyState[] = ["IN_FLIGHT", "SPILLED", "INLINE", "IN_MEMORY"];
    states.forEach((best, i) => {
      const nodes = states.slice(0, i + 1).map((state, n) => ({
        nodeId: `n-${n}` as NodeId,
        answer: answer([object("o-1", { copy: copy(state) })]),
      }));
      expect(report(...nodes).rows[0]!.state).toBe(best);
    });
  });

  test("an object without a copy is pending, an actor an actor, and neither has an age", () => {
    const { rows, totals } = report({ nodeId: A, answer: answer([object("o-1"), object("a-1")]) });
    expect(rows.map(({ state, ageMs, bytes }) => [state, ageMs, bytes])).toEqual([
      ["PENDING", null, 0],
      ["ACTOR", null, 0],
    ]);
    // Actors take no part in the sums.
    expect(totals.owner).toMatchObject([{ key: driver, objects: 1, copies: 0 }]);
    expect(totals.node).toEqual([]);
  });

  test("its home knows the owner better than another node", () => {
    const [at, elsewhere] = [
      { nodeId: A, answer: answer([object("o-1", { owner: "d-2" as ProcessId })]) },
      { nodeId: B, answer: answer([object("o-1", { owner: "d-1" as ProcessId })]) },
    ];
    for (const order of [[at, elsewhere], [elsewhere, at]]) {
      expect(report(...order).rows[0]!.owner).toBe("d-2");
    }
  });

  test("the oldest copy gives the age, a clock that is behind no negative one", () => {
    const at = (sealedMs: number | null) =>
      answer([object("o-1", { copy: copy("IN_MEMORY", 1, { sealedMs }) })]);
    expect(report({ nodeId: A, answer: at(9_000) }, { nodeId: B, answer: at(4_000) }).rows[0]!.ageMs).toBe(
      6_000,
    );
    expect(report({ nodeId: A, answer: at(NOW + 50) }).rows[0]!.ageMs).toBe(0);
    expect(report({ nodeId: A, answer: at(null) }).rows[0]!.ageMs).toBe(null);
  });

  test("who made it is asked elsewhere when no copy says it", () => {
    const nodes = [{ nodeId: A, answer: answer([object("o-1"), object("o-2")]) }];
    const { rows } = memoryReportOf(nodes, NOW, (id) => id === "o-1" ? "make" : null);
    expect(rows.map(({ producer }) => producer)).toEqual(["make", ""]);
  });
});

describe("sums", () => {
  test("bytes are of copies, by their state, and the largest comes first", () => {
    const { totals } = report(
      {
        nodeId: A,
        answer: answer([
          object("o-1", { copy: copy("IN_MEMORY", 100) }),
          object("o-2", { copy: copy("SPILLED", 40, { producer: "put" }) }),
          object("o-3", { copy: copy("INLINE", 2, { producer: "put" }) }),
        ]),
      },
      { nodeId: B, answer: answer([object("o-1", { copy: copy("IN_FLIGHT", 100) })]) },
    );
    const sums = (objects: number, copies: number, memory: number, spilled: number, flight: number) => ({
      objects,
      copies,
      bytes: memory + spilled + flight,
      inMemoryBytes: memory,
      spilledBytes: spilled,
      inFlightBytes: flight,
    });
    expect(totals.producer).toEqual([
      { key: "make", ...sums(1, 2, 100, 0, 100) },
      { key: "put", ...sums(2, 2, 2, 40, 0) },
    ]);
    expect(totals.node).toEqual([{ key: A, ...sums(3, 3, 102, 40, 0) }, {
      key: B,
      ...sums(1, 1, 0, 0, 100),
    }]);
    expect(totals.owner).toEqual([{ key: driver, ...sums(3, 4, 102, 40, 100) }]);
  });

  test("nodes that do not answer and processes that do not are named, what was left out is counted", () => {
    const silent = ["w-1" as ProcessId];
    const told = report(
      { nodeId: A, answer: answer([], { left: 3, silent, used: 7 }) },
      { nodeId: B, answer: null },
      { nodeId: "n-c" as NodeId, answer: answer([], { left: 2 }) },
    );
    expect(told).toMatchObject({ left: 5, unreachable: [B], silent });
    expect(told.stores).toEqual([
      { nodeId: A, used: 7, capacity: 1_000 },
      { nodeId: "n-c", used: 500, capacity: 1_000 },
    ]);
  });
});

describe("one object's state", () => {
  const stored = { objectId: "o-1", bytes: 100, producer: "make", nodes: [A], primary: A, isError: false };
  const [told] = report({
    nodeId: A,
    answer: answer([object("o-1", {
      copy: copy("SPILLED", 100, { primary: true }),
      holders: [held("d-1")],
      callSite: "a.ts:1:2",
    })]),
  }).rows;

  test("the head's columns, and what the nodes say: copies, call site, age, holders", () => {
    expect(objectState("o-1", stored, told!)).toEqual({
      ...stored,
      state: "SPILLED",
      copies: [{ nodeId: A, state: "SPILLED", primary: true }],
      callSite: "a.ts:1:2",
      ageMs: 1_000,
      holders: [held("d-1")],
    });
  });

  test("one that the head does not know has the same columns", () => {
    expect(objectState("o-1", null, told!)).toMatchObject({
      objectId: "o-1",
      bytes: 100,
      nodes: [A],
      spilled: [A],
      primary: A,
      owner: driver,
      home: A,
      isError: null,
      holders: [held("d-1")],
    });
  });

  test("when no node answers, the head's row stands, with no holders known; nobody's object is none", () => {
    expect(objectState("o-1", stored, null)).toMatchObject({
      ...stored,
      state: null,
      copies: [],
      holders: [],
    });
    expect(objectState("o-1", null, null)).toBe(null);
  });
});
