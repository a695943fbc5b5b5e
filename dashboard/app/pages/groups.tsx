/**
 * Placement groups.
 * @module
 */
import { Panel } from "../components/panel.tsx";
import { Empty } from "../components/states.tsx";

export function GroupsPage() {
  return (
    <Panel id="groups" title="Placement groups">
      <Empty>No placement group.</Empty>
    </Panel>
  );
}
