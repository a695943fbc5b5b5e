/**
 * One job.
 * @module
 */
import { RowPanel } from "../components/row_panel.tsx";

export function JobPage({ id }: { id: string }) {
  return <RowPanel kind="jobs" column="jobId" id={id} title="Job" />;
}
