/** Why a placement group waits: the sentence for every kind of facts. */
import { expect, test } from "bun:test";
import type { GroupId, JobId, NodeId, ProcessId } from "../../../runtime/common/ids.ts";
import type { PlacementStrategy } from "../../../runtime/common/placement_group.ts";
import { toUnits } from "../../../runtime/common/resources.ts";
import type { GroupRecord } from "../../../runtime/core/gcs/group_events.ts";
import type { NodeView } from "../../../runtime/core/scheduler/scheduling_policy.ts";
import { groupSentence } from "../../../runtime/core/why/group_sentence.ts";

const NOW = 100_000;
const N1 = "n-1" as NodeId;
const N2 = "n-2" as NodeId;

function group(
  strategy: PlacementStrategy,
  bundles: Record<string, number>[],
  changes: Partial<GroupRecord> = {},
): GroupRecord {
  return {
    spec: {
      groupId: "g-1" as GroupId,
      bundles: bundles.map(toUnits),
      jobId: "j-1" as JobId,
      owner: "d-1" as ProcessId,
      ownerNode: N1,
      name: "",
      namespace: "",
      detached: false,
      byDetachedActor: false,
      strategy,
    },
    endsWithOwner: false,
    state: "PENDING",
    message: "no placement for it now",
    placements: bundles.map(() => null),
    createdMs: NOW - 3_000,
    readyMs: null,
    endedMs: null,
    ...changes,
  };
}

function node(nodeId: NodeId, total: Record<string, number>, available: Record<string, number>): NodeView {
  return {
    nodeId,
    total: toUnits(total),
    available: toUnits(available),
    labels: {},
    queueLength: 0,
    queueWaitMs: 0,
    overflow: 0,
    bandwidth: {},
  };
}

const CLUSTER = [node(N1, { CPU: 4 }, { CPU: 1 }), node(N2, { CPU: 4, GPU: 1 }, { CPU: 3, GPU: 1 })];

test.each<[string, GroupRecord, readonly NodeView[], string | null]>([
  [
    "g-1 has waited 3.0 s for its 1 bundle (PACK): no node has CPU 8; the nearest is n-1: it needs CPU 8 (has 4)",
    group("PACK", [{ CPU: 8 }]),
    CLUSTER,
    null,
  ],
  [
    "g-1 has waited 3.0 s for its 2 bundles (PACK): no node has CPU 4 free; the nearest is n-2: CPU 3 of 4 free",
    group("PACK", [{ CPU: 1 }, { CPU: 4 }]),
    CLUSTER,
    null,
  ],
  [
    "g-1 has waited 3.0 s for its 2 bundles (STRICT_PACK): no node has for all of them CPU 5; the nearest is n-1: it needs CPU 5 (has 4)",
    group("STRICT_PACK", [{ CPU: 2 }, { CPU: 3 }]),
    CLUSTER,
    null,
  ],
  [
    "g-1 has waited 3.0 s for its 3 bundles (STRICT_SPREAD): it needs 3 nodes, and 2 take new work",
    group("STRICT_SPREAD", [{ CPU: 1 }, { CPU: 1 }, { CPU: 1 }]),
    CLUSTER,
    null,
  ],
  [
    "g-1 has waited 3.0 s for its 2 bundles (PACK): each would find room by itself, all together do not find any yet",
    group("PACK", [{ CPU: 3 }, { CPU: 3 }]),
    CLUSTER,
    null,
  ],
  [
    "g-1 has waited 3.0 s for its 1 bundle (SPREAD): n-2 could not reserve its bundles: CPU is short",
    group("SPREAD", [{ CPU: 3 }], { message: "n-2 could not reserve its bundles: CPU is short" }),
    CLUSTER,
    null,
  ],
  [
    "g-1 has waited 3.0 s for its 1 bundle (PACK): the cluster has no further node that takes new work",
    group("PACK", [{ CPU: 1 }]),
    [],
    null,
  ],
  [
    "g-1 has waited 3.0 s for its 1 bundle (PACK): they are reserved, and its nodes are being told that they count",
    group("PACK", [{ CPU: 1 }], { state: "PREPARED", placements: [N1] }),
    CLUSTER,
    null,
  ],
  [
    "g-1 has waited 3.0 s for its 1 bundle (PACK): they are reserved, and the store takes no writes: disk full",
    group("PACK", [{ CPU: 1 }], { state: "PREPARED", placements: [N1] }),
    CLUSTER,
    "disk full",
  ],
  [
    "g-1 has had for 2.0 s its 3 bundles (SPREAD): 0, 2 at n-1; 1 at n-2",
    group("SPREAD", [{ CPU: 1 }, { CPU: 1 }, { CPU: 1 }], {
      state: "CREATED",
      message: "",
      placements: [N1, N2, N1],
      readyMs: NOW - 2_000,
    }),
    CLUSTER,
    null,
  ],
  [
    "g-1 lacks 1 of its 2 bundles (STRICT_SPREAD), the others work on: bundle 1 is lost: node n-3 died: silent; " +
    "no node has CPU 4 free; the nearest is n-2: CPU 3 of 4 free",
    group("STRICT_SPREAD", [{ CPU: 1 }, { CPU: 4 }], {
      state: "RESCHEDULING",
      message: "bundle 1 is lost: node n-3 died: silent",
      placements: [N1, null],
    }),
    CLUSTER,
    null,
  ],
  [
    "g-1 was removed 1.0 s ago: its job ended",
    group("PACK", [{ CPU: 1 }], { state: "REMOVED", message: "its job ended", endedMs: NOW - 1_000 }),
    CLUSTER,
    null,
  ],
])("%s", (sentence, record, nodes, storeWaiting) => {
  expect(groupSentence({ record, nodes, nowMs: NOW, storeWaiting })).toBe(sentence);
});
