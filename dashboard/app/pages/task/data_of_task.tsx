/**
 * What a task took and what it made.
 * @module
 */
import type { ListAnswer } from "../../../api/state.ts";
import type { TaskRowDto } from "../../../api/tasks.ts";
import { Id } from "../../components/id.tsx";
import { Panel } from "../../components/panel.tsx";
import { bytes, count } from "../../models/format.ts";
import { question, useQuery } from "../../models/query.ts";

/** Ids that are listed. */
const SHOWN = 50;

export function DataOfTask({ id, task }: { id: string; task: TaskRowDto }) {
  // Results carry their task's id: o-<owner>-<sequence>.<index>.
  const answer = useQuery<ListAnswer>(
    question("objects", { filter: `objectId~o${id.slice(1)}.`, limit: SHOWN }),
  );
  const results = answer.value.data?.rows.map((row) => String(row["objectId"])).sort() ?? [];
  const total = answer.value.data?.total ?? 0;
  const args = task.args ?? [];
  return (
    <Panel id="data" title="Arguments and results">
      <div class="data-of-task">
        <h3>Refs among its arguments</h3>
        <Ids ids={args} none="None: its arguments are plain values." total={args.length} />
        <h3>Stored results</h3>
        <Ids
          ids={results}
          total={total}
          none={task.resultBytes > 0
            ? `${bytes(task.resultBytes)} of results that stayed with who asked, or were freed.`
            : "None."}
        />
      </div>
    </Panel>
  );
}

function Ids({ ids, total, none }: { ids: readonly string[]; total: number; none: string }) {
  if (ids.length === 0) return <p class="muted">{none}</p>;
  const shown = ids.slice(0, SHOWN);
  return (
    <>
      <ul>
        {shown.map((id) => (
          <li key={id}>
            <Id id={id} whole />
          </li>
        ))}
      </ul>
      {total > shown.length && <p class="muted">showing {shown.length} of {count(total)}</p>}
    </>
  );
}
