/** The scheduler's view of the nodes: what a heartbeat costs it. */
import { expect, test } from "bun:test";
import type { NodeId } from "../../../runtime/common/ids.ts";
import { toUnits } from "../../../runtime/common/resources.ts";
import { ASSIGNMENT_SETTLES_MS, ClusterNodes } from "../../../runtime/core/scheduler/cluster_nodes.ts";
import { heartbeat } from "../gcs/fixtures.ts";

const CPUS = toUnits({ CPU: 8 });
const ONE = toUnits({ CPU: 1 });
const NODE = "n-1" as NodeId;

/** How many changes indexes have to look at because of `work`. */
function changesOf(nodes: ClusterNodes, work: () => void): number {
  const before = nodes.nextChange;
  work();
  nodes.check();
  return nodes.nextChange - before;
}

test("a heartbeat that says what the one before said is no change, however many nodes say so", () => {
  const nodes = new ClusterNodes();
  const ids = Array.from({ length: 1_000 }, (_, index) => `n-${index}` as NodeId);
  for (const nodeId of ids) nodes.join(nodeId, CPUS, {});
  const views = ids.map((nodeId) => nodes.get(nodeId)!.view);
  const changes = changesOf(nodes, () => {
    for (let round = 1; round <= 3; round++) {
      for (const nodeId of ids) nodes.heartbeat(round * 1_000, heartbeat({ nodeId, available: { ...CPUS } }));
    }
  });
  expect(changes).toBe(0);
  expect(ids.every((nodeId, index) => nodes.get(nodeId)!.view === views[index])).toBe(true);
});

test("whatever a score depends on is a change, once; bandwidth is taken over without one", () => {
  const nodes = new ClusterNodes();
  nodes.join(NODE, CPUS, {});
  const said = (fields: Parameters<typeof heartbeat>[0]): number =>
    changesOf(nodes, () => nodes.heartbeat(1_000, heartbeat({ nodeId: NODE, ...fields })));
  const busy = toUnits({ CPU: 3 });
  expect([said({ available: busy }), said({ available: busy })]).toEqual([1, 0]);
  const queue = { available: busy, queueLength: 4, queueWaitMs: 70 };
  expect([said(queue), said(queue)]).toEqual([1, 0]);
  expect(said({ ...queue, bandwidth: { "n-2": 5e8 } as never })).toBe(0);
  expect(nodes.get(NODE)!.view).toMatchObject({ ...queue, bandwidth: { "n-2": 5e8 } });
  // A resource that is all in use is no longer named.
  expect([said({ ...queue, available: {} }), nodes.get(NODE)!.view.available]).toEqual([1, {}]);
});

test("what was assigned is seen in the heartbeats that follow until it has settled", () => {
  const nodes = new ClusterNodes();
  const node = nodes.join(NODE, CPUS, {});
  nodes.heartbeat(0, heartbeat({ nodeId: NODE, available: CPUS }));
  nodes.assign(0, node, ONE);
  const same = heartbeat({ nodeId: NODE, available: CPUS });
  nodes.heartbeat(ASSIGNMENT_SETTLES_MS - 1, same);
  expect(node.view.available).toEqual(toUnits({ CPU: 7 }));
  expect(changesOf(nodes, () => nodes.heartbeat(ASSIGNMENT_SETTLES_MS, same))).toBe(1);
  expect(node.view.available).toEqual(CPUS);
  expect(changesOf(nodes, () => nodes.heartbeat(ASSIGNMENT_SETTLES_MS + 1, same))).toBe(0);
});
