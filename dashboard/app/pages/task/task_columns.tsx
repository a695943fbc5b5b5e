/**
 * Columns of attempts, wherever they stand in a table.
 * @module
 */
import type { TaskRowDto } from "../../../api/tasks.ts";
import { Age } from "../../components/age.tsx";
import type { Column } from "../../components/data_table.tsx";
import { Id } from "../../components/id.tsx";
import { State } from "../../components/state.tsx";
import { bytes, clock, duration, shortId } from "../../models/format.ts";
import { links } from "../../models/links.ts";
import { functionColourIndex } from "../../models/theme.ts";

export const TASK_COLUMNS: readonly Column<TaskRowDto>[] = [
  {
    id: "task",
    title: "Task",
    value: (row) => `${row.name} ${row.taskId}`,
    cell: (row) => (
      <>
        <span class={`key fn-${functionColourIndex(row.name)}`} aria-hidden="true" />
        <a class="clip" href={links.task(row.taskId)} title={row.taskId}>{row.name}</a>
        <span class="sub mono beside">
          {shortId(row.taskId)}
          {row.attempt > 0 && ` · attempt ${row.attempt + 1}`}
        </span>
      </>
    ),
  },
  {
    id: "state",
    title: "State",
    value: (row) => row.state,
    cell: (row) => (
      <>
        <State state={row.state} />
        {row.errorType !== null && (
          <div class="sub error-line" title={row.errorMessage ?? ""}>
            <span class="failed-text">{row.errorType}</span> {row.errorMessage}
          </div>
        )}
      </>
    ),
  },
  {
    id: "submitted",
    title: "Submitted",
    align: "num",
    optional: true,
    value: (row) => row.submittedMs,
    cell: (row) => clock(row.submittedMs),
  },
  {
    id: "waited",
    title: "Waited",
    help: "From submission until user code began",
    align: "num",
    optional: true,
    value: waitedMs,
    cell: (row) => time(waitedMs(row)),
  },
  {
    id: "ran",
    title: "Ran",
    align: "num",
    value: (row) => row.durationMs,
    cell: (row) => <Ran task={row} />,
  },
  {
    id: "results",
    title: "Results",
    align: "num",
    optional: true,
    value: (row) => row.resultBytes,
    cell: (row) => row.resultBytes === 0 ? <span class="zero">–</span> : bytes(row.resultBytes),
  },
  {
    id: "node",
    title: "Node",
    optional: true,
    value: (row) => row.nodeId,
    cell: (row) => <Id id={row.nodeId} />,
  },
  {
    id: "worker",
    title: "Worker",
    optional: true,
    value: (row) => row.workerId,
    cell: (row) => <Id id={row.workerId} />,
  },
  {
    id: "job",
    title: "Job",
    optional: true,
    value: (row) => row.jobId,
    cell: (row) => <Id id={row.jobId} />,
  },
];

/** From submission until user code began; null before. */
export function waitedMs(row: TaskRowDto): number | null {
  return row.startMs === null ? null : Math.max(0, row.startMs - row.submittedMs);
}

/** How long it ran, or has run so far. */
export function Ran({ task: { state, startMs, durationMs } }: { task: TaskRowDto }) {
  return durationMs === null && state === "RUNNING" ? <Age sinceMs={startMs} /> : time(durationMs);
}

function time(ms: number | null) {
  return ms === null ? <span class="zero">–</span> : duration(ms);
}
