/**
 * One worker process.
 * @module
 */
import { RowPanel } from "../components/row_panel.tsx";

export function WorkerPage({ id }: { id: string }) {
  return <RowPanel kind="workers" column="workerId" id={id} title="Worker" />;
}
