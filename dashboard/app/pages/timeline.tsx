/**
 * What ran where and when.
 * @module
 */
import { Panel } from "../components/panel.tsx";
import { Empty } from "../components/states.tsx";

export function TimelinePage() {
  return (
    <Panel id="timeline" title="Timeline">
      <Empty>Nothing has run yet.</Empty>
    </Panel>
  );
}
