/**
 * One task: its attempts, what happened step by step, why it is where it is, what it took and made, what it wrote.
 * @module
 */
import type { TaskRowDto } from "../../api/tasks.ts";
import { DataTable } from "../components/data_table.tsx";
import { LogTail } from "../components/log_tail.tsx";
import { Panel } from "../components/panel.tsx";
import { Answer, Empty } from "../components/states.tsx";
import { question, useQuery } from "../models/query.ts";
import { DataOfTask } from "./task/data_of_task.tsx";
import { Steps } from "./task/steps.tsx";
import { TASK_COLUMNS } from "./task/task_columns.tsx";
import { TaskHead } from "./task/task_head.tsx";

export function TaskPage({ id }: { id: string }) {
  const answer = useQuery<{ rows: readonly TaskRowDto[] }>(question("state", { id }));
  const { error } = answer.value;
  if (error?.code === "NOT_FOUND" && answer.value.data === null) {
    return (
      <Panel id="head" title={id}>
        <Empty>
          Nothing is known of this task: the newest attempts are kept, and it is older, or it never was.
        </Empty>
        <Steps id={id} />
      </Panel>
    );
  }
  return (
    <Answer of={answer}>
      {({ rows }) => {
        const attempts = [...rows].sort((a, b) => a.attempt - b.attempt);
        return (
          <>
            <TaskHead id={id} attempts={attempts} />
            <Panel id="attempts" title="Attempts">
              <DataTable
                label="Attempts of this task"
                one="attempt"
                many="attempts"
                rows={attempts}
                rowKey={(row) => String(row.attempt)}
                columns={TASK_COLUMNS}
                empty="It was not tried yet."
              />
            </Panel>
            <div class="split even">
              <Panel id="steps" title="Steps">
                <Steps id={id} />
              </Panel>
              <DataOfTask id={id} task={attempts.at(-1)!} />
            </div>
            <LogTail title="What it wrote" where={{ task: id }} />
          </>
        );
      }}
    </Answer>
  );
}
