/**
 * A node's state as the failure detector sees it, with the age of its last heartbeat.
 * @module
 */
import type { NodeDto } from "../../../api_types.ts";
import { ageText } from "../../components/age.tsx";
import { State } from "../../components/state.tsx";
import { detectorState, LATE_MS } from "../../models/detector.ts";
import { headNow } from "../../models/head_clock.ts";

export function Heartbeat({ node }: { node: NodeDto }) {
  const state = detectorState(node);
  return (
    <>
      <State state={state} />
      <div class="sub">
        <LastHeard node={node} />
      </div>
    </>
  );
}

export function LastHeard({ node }: { node: NodeDto }) {
  const ageMs = Math.max(0, headNow.value - node.heardMs);
  if (node.state === "DEAD") return <>heard {ageText(ageMs)} ago</>;
  // The answer itself is up to a second old.
  if (ageMs < LATE_MS + 1_000) return <>heartbeat now</>;
  return <span class="failed-text">no heartbeat for {ageText(ageMs)}</span>;
}
