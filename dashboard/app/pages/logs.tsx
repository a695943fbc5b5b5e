/**
 * What workers wrote.
 * @module
 */
import { Panel } from "../components/panel.tsx";
import { Empty } from "../components/states.tsx";

export function LogsPage() {
  return (
    <Panel id="logs" title="Logs">
      <Empty>No lines yet.</Empty>
    </Panel>
  );
}
