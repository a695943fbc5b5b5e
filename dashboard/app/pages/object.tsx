/**
 * One stored object.
 * @module
 */
import { RowPanel } from "../components/row_panel.tsx";

export function ObjectPage({ id }: { id: string }) {
  return <RowPanel kind="objects" column="objectId" id={id} title="Object" />;
}
