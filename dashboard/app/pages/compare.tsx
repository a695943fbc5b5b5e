/**
 * Two finished jobs, side by side.
 * @module
 */
import { Panel } from "../components/panel.tsx";
import { Empty } from "../components/states.tsx";

export function ComparePage() {
  return (
    <Panel id="compare" title="Compare jobs">
      <Empty>Choose two finished jobs.</Empty>
    </Panel>
  );
}
