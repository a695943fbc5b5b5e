/**
 * One colour per node of the cluster, the same in every panel: by the order in which the nodes began.
 * @module
 */
import { computed } from "@preact/signals";
import { nodes } from "./cluster.ts";
import { NODE_COLOURS } from "./theme.ts";

/** The number of each node's colour (`--node-<n>`). */
export const nodeColourIndex = computed((): ReadonlyMap<string, number> => {
  const rows = [...nodes.value?.rows ?? []];
  rows.sort((a, b) => a.startedMs - b.startedMs || (a.nodeId < b.nodeId ? -1 : 1));
  return new Map(rows.map((row, i) => [row.nodeId, i % NODE_COLOURS]));
});
