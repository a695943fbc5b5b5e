/**
 * Finished jobs.
 * @module
 */
import { Panel } from "../components/panel.tsx";
import { Empty } from "../components/states.tsx";

export function HistoryPage() {
  return (
    <Panel id="history" title="History">
      <Empty>No finished job.</Empty>
    </Panel>
  );
}
