/**
 * The control state as tables.
 * @module
 */
import { Panel } from "../components/panel.tsx";
import { Empty } from "../components/states.tsx";

export function SqlPage() {
  return (
    <Panel id="sql" title="SQL">
      <Empty>No query yet.</Empty>
    </Panel>
  );
}
