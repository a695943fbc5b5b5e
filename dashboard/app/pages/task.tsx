/**
 * One task.
 * @module
 */
import { RowPanel } from "../components/row_panel.tsx";

export function TaskPage({ id }: { id: string }) {
  return <RowPanel kind="tasks" column="taskId" id={id} title="Task" />;
}
