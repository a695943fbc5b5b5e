/**
 * The graph's models, without a browser: what becomes a node and an arrow, that none lie over each other and that they keep
 * their places, how an opened group lies, what is under the pointer, rates, the critical path's marks.
 */
import { describe, expect, test } from "bun:test";
import type { GraphGroup } from "../../dashboard/api/graph.ts";
import { fitCamera, lookAt, toGraph, zoomCamera } from "../../dashboard/app/models/camera.ts";
import { makeCloud } from "../../dashboard/app/pages/graph/cloud.ts";
import { apart, type Layout, layOut, type LayoutRequest } from "../../dashboard/app/pages/graph/layout.ts";
import { hitAt, type Picture, wayOf } from "../../dashboard/app/pages/graph/picture.ts";
import { GroupRates } from "../../dashboard/app/pages/graph/rates.ts";
import {
  findNodes,
  groupScene,
  neighbours,
  taskScene,
  totalOf,
} from "../../dashboard/app/pages/graph/scene.ts";
import { GeneratedJob } from "./generated_job.ts";

const SIZE = { width: 200, height: 80 };

function request(
  keys: readonly string[],
  arrows: readonly (readonly [string, string])[],
  some: Partial<LayoutRequest> = {},
): LayoutRequest {
  const edges = arrows.map(([from, to]) => ({ from, to }));
  return {
    nodes: keys.map((key) => ({ key, ...SIZE })),
    edges,
    isDown: false,
    order: [],
    aspect: 1.8,
    ...some,
  };
}

function overlaps(layout: Layout, sizes: LayoutRequest["nodes"]): string[] {
  const found: string[] = [];
  sizes.forEach((a, i) => {
    for (const b of sizes.slice(i + 1)) {
      const [p, q] = [layout.at[a.key]!, layout.at[b.key]!];
      const isApart = p.x + a.width <= q.x || q.x + b.width <= p.x || p.y + a.height <= q.y ||
        q.y + b.height <= p.y;
      if (!isApart) found.push(`${a.key} ${b.key}`);
    }
  });
  return found;
}

describe("the layout", () => {
  const keys = ["a", "b", "c", "x", "alone"];
  const arrows = [["a", "b"], ["b", "c"], ["a", "c"], ["x", "c"]] as const;

  test("goes with the arrows, sources just before their takers, long arrows around what is between", () => {
    const layout = layOut(request(keys, arrows));
    const x = (key: string): number => layout.at[key]!.x;
    expect(x("a")).toBeLessThan(x("b"));
    expect(x("b")).toBeLessThan(x("c"));
    expect(x("x")).toBe(x("b"));
    expect(layout.bends.map((bends) => bends.length)).toEqual([0, 0, 1, 0]);
    const bend = layout.bends[2]![0]!, b = layout.at["b"]!;
    expect(bend.y < b.y || bend.y > b.y + SIZE.height).toBe(true);
    expect(layout.at["alone"]!.y).toBeGreaterThan(layout.at["c"]!.y);
  });

  test("goes down where it is told, or where that fills the view better", () => {
    const layout = layOut(request(keys, arrows, { isDown: true }));
    expect(layout.at["a"]!.y).toBeLessThan(layout.at["b"]!.y);
    const chain = Array.from({ length: 8 }, (_, i) => `k${i}`);
    const links = chain.slice(1).map((to, i) => [chain[i]!, to] as const);
    expect(layOut(request(chain, links, { isDown: null, aspect: 1.4 })).isDown).toBe(true);
    expect(layOut(request(chain.slice(0, 3), links.slice(0, 2), { isDown: null, aspect: 1.8 })).isDown).toBe(
      false,
    );
  });

  test("keeps the order of before when something is added", () => {
    const many = Array.from({ length: 6 }, (_, i) => `m${i}`);
    const star = many.map((to) => ["root", to] as const);
    const first = layOut(request(["root", ...many], star));
    const second = layOut(
      request(["root", "m9", ...many], [["root", "m9"], ...star], { order: first.order }),
    );
    const order = (layout: Layout): string[] => many.toSorted((a, b) => layout.at[a]!.y - layout.at[b]!.y);
    expect(order(second)).toEqual(order(first));
  });

  test("stands circles, recursion and arrows to nowhere", () => {
    const layout = layOut(
      request(["a", "b", "c"], [["a", "b"], ["b", "c"], ["c", "a"], ["b", "b"], ["a", "gone"]]),
    );
    expect(Object.keys(layout.at).length).toBe(3);
    expect(overlaps(layout, request(["a", "b", "c"], []).nodes)).toEqual([]);
  });

  test("of random graphs places every node once and apart, whatever their sizes", () => {
    const seed = Date.now() % 100_000;
    let state = seed;
    const random = (n: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % n;
    };
    for (let run = 0; run < 60; run++) {
      const nodes = Array.from({ length: 1 + random(40) }, (_, i) => ({
        key: `k${i}`,
        width: 40 + random(300),
        height: 20 + random(200),
      }));
      const edges = Array.from({ length: random(80) }, () => ({
        from: `k${random(nodes.length)}`,
        to: `k${random(nodes.length)}`,
      }));
      const layout = layOut({ nodes, edges, isDown: run % 2 === 0, order: [], aspect: 1.5 });
      expect(Object.keys(layout.at).length, `seed ${seed}`).toBe(nodes.length);
      expect(overlaps(layout, nodes), `seed ${seed}`).toEqual([]);
      for (const { key, width, height } of nodes) {
        expect(layout.at[key]!.x + width).toBeLessThanOrEqual(layout.width + 1e-6);
        expect(layout.at[key]!.y + height).toBeLessThanOrEqual(layout.height + 1e-6);
      }
    }
  });

  test("refuses more nodes than are ever laid out", () => {
    const keys = Array.from({ length: 2_001 }, (_, i) => `k${i}`);
    expect(() => layOut(request(keys, []))).toThrow("at most 2000");
  });

  test("moves what is too close as little as can be, in order", () => {
    expect(apart([0, 1, 2], [0, 0, 100], () => 4)).toEqual([-15, 15, 100]);
  });
});

describe("the scene", () => {
  const job = new GeneratedJob({ tasks: 3_000 });
  const graph = job.graph();

  test("has a node for each group and an arrow for each flow, with their numbers", () => {
    const scene = groupScene(graph, null);
    expect(scene.nodes.map((node) => node.key)).toEqual(graph.groups.map((group) => group.id));
    expect(scene.edges.length).toBe(graph.edges.length);
    expect(graph.groups.reduce((sum, group) => sum + totalOf(group), 0)).toBe(job.count);
    expect(neighbours(scene, "g2", "down")).toEqual(["g3", "g4"]);
    expect(findNodes(scene, "SCORE").map((node) => node.name)).toEqual(["score", "mergeScores"]);
  });

  test("of an opened group holds its tasks, and says how many of how many", () => {
    const scene = groupScene(graph, job.group("g1", 500));
    const cloud = scene.nodes.find((node) => node.kind === "cloud")!;
    expect([cloud.shown, cloud.total, cloud.cloud.dots.length]).toEqual([500, 1_020, 500]);
    const places = new Set(cloud.cloud.dots.map((dot) => `${dot.x} ${dot.y}`));
    expect(places.size).toBe(500);
    expect(cloud.width).toBeGreaterThan(cloud.cloud.width);
  });

  test("of one task has tasks and the objects between them", () => {
    const root = 1_990;
    const answer = job.around(job.taskId(root), 2);
    const scene = taskScene(answer);
    expect(scene.nodes.length).toBe(answer.tasks.length + answer.objects.length);
    const sources = job.inputsOf(root).map((task) => job.taskId(task));
    const objects = neighbours(scene, job.taskId(root), "up");
    expect(objects.flatMap((key) => neighbours(scene, key, "up")).sort()).toEqual(sources.sort());
  });
});

describe("an opened group", () => {
  const task = (taskId: string, startMs: number, actorId: string | null = null) => ({
    taskId,
    attempt: 0,
    name: "f",
    type: "NORMAL_TASK" as const,
    state: "FINISHED" as const,
    nodeId: null,
    actorId,
    startMs,
    endMs: startMs + 1,
  });

  test("lies by depth where its tasks take from each other", () => {
    const cloud = makeCloud(
      [task("a", 3), task("b", 2), task("c", 1)],
      [{ from: "c", to: "b", count: 1 }, { from: "b", to: "a", count: 1 }],
      false,
    );
    const x = (taskId: string): number => cloud.dots.find((dot) => dot.task.taskId === taskId)!.x;
    expect(x("c")).toBeLessThan(x("b"));
    expect(x("b")).toBeLessThan(x("a"));
    expect(cloud.edges).toEqual([[2, 1], [1, 0]]);
  });

  test("of calls has a lane for each actor, in the order of the calls", () => {
    const cloud = makeCloud([task("1", 5, "a-1"), task("2", 1, "a-2"), task("3", 2, "a-1")], [], true);
    expect(cloud.lanes.map((lane) => lane.actorId)).toEqual(["a-2", "a-1"]);
    const [one, , three] = cloud.dots;
    expect(one!.y).toBe(three!.y);
    expect(three!.x).toBeLessThan(one!.x);
  });

  test("of a chain of thousands stays a field", () => {
    const tasks = Array.from({ length: 1_800 }, (_, i) => task(`t${i}`, i));
    const edges = tasks.slice(1).map((to, i) => ({ from: `t${i}`, to: to.taskId, count: 1 }));
    const cloud = makeCloud(tasks, edges, false);
    expect(cloud.width / cloud.height).toBeLessThan(4);
    expect(cloud.dots.every((dot) => dot !== undefined)).toBe(true);
  });
});

describe("the picture", () => {
  const job = new GeneratedJob({ tasks: 600 });
  const scene = groupScene(job.graph(), job.group("g0", 2_000));
  const layout = layOut({
    nodes: scene.nodes,
    edges: scene.edges,
    isDown: false,
    order: [],
    aspect: 1.8,
  });
  const picture: Picture = {
    scene,
    layout,
    at: (key) => layout.at[key],
    camera: fitCamera(layout, { width: 900, height: 500 }, 20),
    view: { width: 900, height: 500 },
    isDown: false,
    hovered: null,
    selected: null,
    selectedTask: null,
    hoveredTask: null,
    critical: null,
    rateOf: () => 0,
    nodeColour: () => "#000",
    nodeName: (id) => id,
  };
  const onScreen = (x: number, y: number): [number, number] => [
    x * picture.camera.scale + picture.camera.x,
    y * picture.camera.scale + picture.camera.y,
  ];

  test("knows the node and the task under the pointer", () => {
    for (const node of scene.nodes) {
      const at = layout.at[node.key]!;
      expect(hitAt(picture, ...onScreen(at.x + 3, at.y + 3))?.node.key).toBe(node.key);
      if (node.kind !== "cloud") continue;
      for (const dot of node.cloud.dots.slice(0, 40)) {
        const hit = hitAt(picture, ...onScreen(at.x + 14 + dot.x, at.y + 40 + dot.y));
        expect(hit?.dot?.task.taskId).toBe(dot.task.taskId);
      }
    }
    expect(hitAt(picture, -50, -50)).toBeNull();
  });

  test("leads arrows from side to side, and those to itself around a corner", () => {
    const byKey = new Map(scene.nodes.map((node) => [node.key, node]));
    scene.edges.forEach((edge, i) => {
      const way = wayOf(edge, byKey.get(edge.from)!, byKey.get(edge.to)!, layout.bends[i]!, picture)!;
      expect(way.kind).toBe(edge.from === edge.to ? "self" : "on");
      expect(way.points.length).toBeGreaterThanOrEqual(2);
    });
  });

  test("zooms at the pointer and looks where it is told", () => {
    const camera = zoomCamera(picture.camera, 1.7, 300, 200);
    const [before, after] = [toGraph(picture.camera, 300, 200), toGraph(camera, 300, 200)];
    expect(after.x).toBeCloseTo(before.x, 6);
    expect(after.y).toBeCloseTo(before.y, 6);
    const looking = lookAt({ x: 10, y: 20, width: 100, height: 50 }, picture.view, 2);
    expect(toGraph(looking, 450, 250)).toEqual({ x: 60, y: 45 });
  });
});

test("rates come out of exact counts and die down when nothing ends", () => {
  const rates = new GroupRates();
  const group = (finished: number): GraphGroup => ({
    id: "g",
    name: "f",
    type: "task",
    pendingArgs: 0,
    pendingNode: 0,
    submitted: 0,
    running: 0,
    finished,
    failed: 0,
    runMs: 0,
    nodes: {},
  });
  for (let second = 0; second <= 20; second++) rates.update([group(second * 50)], second * 1000);
  expect(rates.of("g")).toBeCloseTo(50, 0);
  for (let second = 21; second <= 60; second++) rates.update([group(1_000)], second * 1000);
  expect(rates.of("g")).toBeLessThan(0.01);
  expect(rates.of("unknown")).toBe(0);
});
