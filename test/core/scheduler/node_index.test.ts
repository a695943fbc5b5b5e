/** The index of nodes: it must name the very nodes that a look at all of them would. */
import { expect, test } from "bun:test";
import type { NodeId } from "../../../runtime/common/ids.ts";
import { Prng } from "../../../runtime/common/prng.ts";
import { fits, toUnits } from "../../../runtime/common/resources.ts";
import { type ClusterNode, ClusterNodes } from "../../../runtime/core/scheduler/cluster_nodes.ts";
import { NodeIndex } from "../../../runtime/core/scheduler/node_index.ts";
import { NO_ROOM, scoreOf } from "../../../runtime/core/scheduler/scheduling_policy.ts";
import { heartbeat } from "../gcs/fixtures.ts";

const RESOURCES = toUnits({ CPU: 2, GPU: 1 });

function nodeName(index: number): NodeId {
  return `n-${index}` as NodeId;
}

/** Those that a look at all nodes finds, the best first. */
function bruteForce(nodes: ClusterNodes, exclude: readonly NodeId[]): ClusterNode[] {
  const usable = [...nodes.all()].filter(({ nodeId, state, draining, view }) =>
    state === "ALIVE" && !draining && fits(view.total, RESOURCES) && view.labels.zone === "eu" &&
    !exclude.includes(nodeId)
  );
  return usable.sort((a, b) => scoreOf(a.view, RESOURCES) - scoreOf(b.view, RESOURCES) || a.order - b.order);
}

function change(nodes: ClusterNodes, nowMs: number, prng: Prng): void {
  const nodeId = nodeName(prng.below(40));
  const kind = prng.below(12);
  const cpus = prng.below(9);
  if (kind === 0) {
    nodes.join(nodeId, toUnits({ CPU: 8, GPU: prng.below(3) }), { zone: prng.pick(["eu", "us"]) });
  } else if (kind === 1) nodes.remove(nodeId);
  else if (kind === 2) nodes.changeState(nodeId, prng.chance(70) ? "ALIVE" : "SUSPECT");
  else if (kind === 3 && prng.chance(20)) nodes.drain(nodeId);
  else if (kind < 8) {
    const available = toUnits({ CPU: cpus, GPU: prng.below(3) });
    nodes.heartbeat(nowMs, heartbeat({ nodeId, available, queueWaitMs: prng.below(99) }));
  } else {
    const node = nodes.get(nodeId);
    if (node !== undefined) nodes.assign(nowMs, node, toUnits({ CPU: prng.below(3) }));
  }
}

test("random clusters: the best nodes, with and without exclusions, are those that a look at all finds", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const prng = new Prng(seed);
  const nodes = new ClusterNodes();
  const index = new NodeIndex(nodes, RESOURCES, { zone: "eu" });
  let nowMs = 0;
  let found = 0;
  try {
    for (let round = 0; round < 5_000; round++) {
      for (let changes = prng.below(8); changes > 0; changes--) change(nodes, nowMs += 10, prng);
      const exclude = prng.chance(30) ? [nodeName(prng.below(40)), nodeName(prng.below(40))] : [];
      const best = index.best(4, exclude);
      expect(best).toEqual(bruteForce(nodes, exclude).slice(0, 4));
      found += best.length;
      nodes.check();
      index.check();
    }
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error });
  }
  expect(found).toBeGreaterThan(5_000);
});

test("round robin visits every node with room once before it comes back, whatever else is taken meanwhile", () => {
  const nodes = new ClusterNodes();
  for (let i = 0; i < 100; i++) nodes.join(nodeName(i), toUnits({ CPU: 8, GPU: 1 }), {});
  const index = new NodeIndex(nodes, RESOURCES, undefined);
  const full = nodes.get(nodeName(50))!;
  nodes.assign(0, full, toUnits({ CPU: 8 }));
  expect(index.score(full.nodeId)).toBeGreaterThanOrEqual(NO_ROOM);
  const turns = Array.from({ length: 198 }, () => {
    const node = index.nextInTurn([])!;
    index.tookTurn(node);
    return node.order;
  });
  const once = Array.from({ length: 100 }, (_, i) => i + 1).filter((order) => order !== full.order);
  expect(turns).toEqual([...once, ...once]);
});

test("one that is far behind looks at all nodes, and is right", () => {
  const nodes = new ClusterNodes();
  for (let i = 0; i < 3; i++) nodes.join(nodeName(i), toUnits({ CPU: 8, GPU: 1 }), {});
  const index = new NodeIndex(nodes, RESOURCES, undefined);
  expect(index.best(1, [])[0]!.nodeId).toBe(nodeName(0));
  const busy = { available: toUnits({ CPU: 1, GPU: 1 }) };
  for (let i = 0; i < 25_000; i++) nodes.heartbeat(i, heartbeat({ nodeId: nodeName(i % 2), ...busy }));
  expect(index.best(1, [])[0]!.nodeId).toBe(nodeName(2));
  index.check();
});
