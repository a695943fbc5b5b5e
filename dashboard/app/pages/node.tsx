/**
 * One node.
 * @module
 */
import { RowPanel } from "../components/row_panel.tsx";

export function NodePage({ id }: { id: string }) {
  return <RowPanel kind="nodes" column="nodeId" id={id} title="Node" />;
}
