/**
 * The task graph's model and layout, without a browser: what becomes a box and an arrow, and that boxes keep their places.
 */
import { describe, expect, test } from "bun:test";
import type { ActorDto, EdgeDto, FunctionDto, ObjectGroupDto } from "../../dashboard/api_types.ts";
import { BOX_HEIGHT, BOX_WIDTH, GraphLayout, type Layout } from "../../dashboard/app/models/graph_layout.ts";
import { makeGraph } from "../../dashboard/app/models/graph_model.ts";

function functionRow(name: string, some: Partial<FunctionDto> = {}): FunctionDto {
  return {
    key: name,
    name,
    type: "NORMAL_TASK",
    pendingArgs: 0,
    pendingNode: 0,
    submitted: 0,
    running: 0,
    finished: 1,
    failed: 0,
    meanRunMs: 1,
    ...some,
  };
}

function edge(from: string, to: string, bytes = 10): EdgeDto {
  return { key: `${from} ${to}`, from, to, count: 1, bytes };
}

function actor(className: string, state: ActorDto["state"] = "ALIVE"): ActorDto {
  return { className, state, numRestarts: 1 } as ActorDto;
}

function group(producer: string, bytes = 100): ObjectGroupDto {
  const here = { objects: 1, bytes, spilledBytes: 0, inFlight: 0, inFlightBytes: 0 };
  return { producer, objects: 1, bytes, nodes: { "n-1": here } };
}

describe("the graph", () => {
  test("leads from a function over its objects to who takes them", () => {
    const graph = makeGraph({
      functions: [functionRow("map"), functionRow("reduce")],
      edges: [edge("map", "reduce"), edge("put", "map"), edge("borrowed", "map")],
      actors: [],
      objects: [group("map")],
    });
    expect(graph.boxes.map((box) => box.key)).toEqual(["f:map", "f:reduce", "o:map", "o:put"]);
    expect(graph.arrows.map((arrow) => arrow.key)).toEqual(["f:map>o:map", "o:map>f:reduce", "o:put>f:map"]);
  });

  test("leads straight to the taker when nothing is stored", () => {
    const graph = makeGraph({
      functions: [functionRow("map"), functionRow("reduce")],
      edges: [edge("map", "reduce")],
      actors: [],
      objects: [],
    });
    expect(graph.arrows.map((arrow) => arrow.key)).toEqual(["f:map>f:reduce"]);
  });

  test("sums the actors of a class and ties its methods to it; a constructor is no box", () => {
    const graph = makeGraph({
      functions: [
        functionRow("Counter.add", { type: "ACTOR_TASK" }),
        functionRow("Counter", { type: "ACTOR_CREATION_TASK" }),
      ],
      edges: [],
      actors: [actor("Counter"), actor("Counter", "RESTARTING"), actor("Counter", "DEAD")],
      objects: [],
    });
    expect(graph.boxes).toMatchObject([
      { key: "f:Counter.add", kind: "method" },
      { key: "a:Counter", kind: "actor", alive: 1, starting: 1, dead: 1, restarts: 3, total: 3 },
    ]);
    expect(graph.arrows).toMatchObject([{ from: "a:Counter", to: "f:Counter.add", bytes: null }]);
  });

  test("shows what is under way rather than what is over, when there is too much", () => {
    const done = Array.from({ length: 300 }, (_, i) => functionRow(`done${i}`, { finished: 1e6 }));
    const graph = makeGraph({
      functions: [...done, functionRow("active", { running: 1 })],
      edges: [edge("done299", "active")],
      actors: [],
      objects: [],
    });
    expect(graph.boxesTotal).toBe(301);
    expect(graph.boxes.length).toBe(200);
    expect(graph.boxes[0]!.key).toBe("f:active");
    const keys = new Set(graph.boxes.map((box) => box.key));
    expect(graph.arrows.every((arrow) => keys.has(arrow.from) && keys.has(arrow.to))).toBe(true);
  });
});

describe("the layout", () => {
  const arrows = [
    { from: "a", to: "b" },
    { from: "b", to: "c" },
    { from: "a", to: "c" },
    { from: "x", to: "c" },
  ];
  const keys = ["a", "b", "c", "x", "alone"];

  test("goes from left to right, sources just before their takers", () => {
    const { at } = new GraphLayout().update(keys, arrows, false);
    const x = (key: string): number => at.get(key)!.x;
    expect(x("a")).toBeLessThan(x("b"));
    expect(x("b")).toBeLessThan(x("c"));
    expect(x("x")).toBe(x("b"));
    expect(noneOverlap({ at, width: 0, height: 0 })).toBe(true);
  });

  test("goes down where it is narrow, two boxes wide at most", () => {
    const many = Array.from({ length: 9 }, (_, i) => `s${i}`);
    const layout = new GraphLayout().update(
      [...keys, ...many],
      [...arrows, ...many.map((from) => ({ from, to: "b" }))],
      true,
    );
    expect(layout.width).toBeLessThanOrEqual(2 * BOX_WIDTH + 40);
    expect(layout.at.get("a")!.y).toBeLessThan(layout.at.get("c")!.y);
    expect(noneOverlap(layout)).toBe(true);
  });

  test("is the same object while the structure is, however it is listed", () => {
    const layout = new GraphLayout();
    const first = layout.update(keys, arrows, false);
    expect(layout.update([...keys].reverse(), [...arrows].reverse(), false)).toBe(first);
    expect(layout.update(keys, arrows.slice(1), false)).not.toBe(first);
  });

  test("stands circles, recursion and arrows to itself", () => {
    const circle = [
      { from: "a", to: "b" },
      { from: "b", to: "c" },
      { from: "c", to: "a" },
      { from: "b", to: "b" },
    ];
    const layout = new GraphLayout().update(["a", "b", "c"], circle, false);
    expect(layout.at.size).toBe(3);
    expect(noneOverlap(layout)).toBe(true);
  });

  test("of random graphs places every box once and apart", () => {
    const seed = Date.now() % 100_000;
    let state = seed;
    const random = (n: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % n;
    };
    for (let run = 0; run < 60; run++) {
      const some = Array.from({ length: 1 + random(40) }, (_, i) => `k${i}`);
      const flow = Array.from({ length: random(80) }, () => ({
        from: some[random(some.length)]!,
        to: some[random(some.length)]!,
      }));
      const layout = new GraphLayout().update(some, flow, run % 2 === 0);
      expect(layout.at.size, `seed ${seed}`).toBe(some.length);
      expect(noneOverlap(layout), `seed ${seed}`).toBe(true);
    }
  });
});

function noneOverlap({ at }: Layout): boolean {
  const points = [...at.values()];
  return points.every((a, i) =>
    points.slice(i + 1).every((b) => Math.abs(a.x - b.x) >= BOX_WIDTH || Math.abs(a.y - b.y) >= BOX_HEIGHT)
  );
}
