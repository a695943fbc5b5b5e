/**
 * What a node learns from two lists of the cluster's nodes, one after the other.
 * @module
 */
import type { NodeId } from "../../common/ids.ts";
import type { NodeRow } from "../../protocol/messages.ts";

type Row = Pick<NodeRow, "nodeId" | "state" | "epoch">;

/** The living nodes of a list. */
export function livingOf(rows: Iterable<Row>): NodeId[] {
  return [...rows].filter((row) => row.state !== "DEAD").map((row) => row.nodeId);
}

/**
 * Nodes that died between the two lists. One that is there again died too: what its last incarnation held is gone, and no
 * list in between needs to have said so.
 */
export function diedBetween(before: Iterable<Row>, after: Iterable<Row>): NodeId[] {
  const now = new Map([...after].map((row) => [row.nodeId, row]));
  const died: NodeId[] = [];
  for (const { nodeId, state, epoch } of before) {
    if (state === "DEAD") continue;
    const row = now.get(nodeId);
    if (row === undefined || row.state === "DEAD" || row.epoch !== epoch) died.push(nodeId);
  }
  return died;
}
