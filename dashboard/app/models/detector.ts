/**
 * A node's state as the failure detector sees it, and how fresh what it says is.
 * @module
 */
import type { NodeDto } from "../../api_types.ts";

export type DetectorState = "ALIVE" | "SUSPECT" | "DRAINING" | "DEAD" | "FENCED";

/** A heartbeat comes twice a second; silent for this long, a node is suspected, after 7 s declared dead. */
export const LATE_MS = 1_500;

export function detectorState({ state, drain, isFenced }: NodeDto): DetectorState {
  if (state === "DEAD") return isFenced ? "FENCED" : "DEAD";
  if (state === "SUSPECT") return "SUSPECT";
  return drain === null ? "ALIVE" : "DRAINING";
}
