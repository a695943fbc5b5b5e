/**
 * One placement group.
 * @module
 */
import { Panel } from "../components/panel.tsx";
import { Empty } from "../components/states.tsx";

export function GroupPage({ id }: { id: string }) {
  return (
    <Panel id="group" title="Placement group">
      <Empty>The placement group {id} is not known.</Empty>
    </Panel>
  );
}
