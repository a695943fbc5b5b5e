/**
 * One worker process: what it does now, what it uses, and what it printed.
 * @module
 */
import type { ListAnswer } from "../../api_types.ts";
import type { WorkerDto } from "../../api/entities.ts";
import { Age } from "../components/age.tsx";
import { type Column, DataTable } from "../components/data_table.tsx";
import { FactList, Figures } from "../components/facts.tsx";
import { Id } from "../components/id.tsx";
import { LogTail } from "../components/log_tail.tsx";
import { NodeName } from "../components/node_name.tsx";
import { Panel } from "../components/panel.tsx";
import { RowPanel } from "../components/row_panel.tsx";
import { Answer } from "../components/states.tsx";
import { State } from "../components/state.tsx";
import { bytes } from "../models/format.ts";
import { links } from "../models/links.ts";
import { question, useQuery } from "../models/query.ts";
import { useTopics } from "../models/subscriptions.ts";
import { Work } from "./nodes/worker_table.tsx";

export function WorkerPage({ id }: { id: string }) {
  return id.startsWith("d-") ? <DriverPage id={id} /> : <Worker id={id} />;
}

/** A driver is known by its job. */
function DriverPage({ id }: { id: string }) {
  return (
    <>
      <RowPanel kind="jobs" column="driverId" id={id} title="Driver" />
      <LogTail title="What it printed" about={{ source: id }} />
    </>
  );
}

function Worker({ id }: { id: string }) {
  useTopics("nodes");
  const answer = useQuery<WorkerDto>(question("workers/one", { id }));
  return (
    <>
      <Answer of={answer}>{(worker) => <Head worker={worker} />}</Answer>
      <RunningTasks id={id} />
      <LogTail title="What it printed" about={{ source: id }} />
    </>
  );
}

function Head({ worker }: { worker: WorkerDto }) {
  const { rssBytes, cpuPercent, exitDetail } = worker;
  return (
    <Panel id="worker" title="Worker" note={<span class="mono">{worker.workerId}</span>}>
      <Figures
        figures={[
          { name: "State", value: <State state={worker.state} /> },
          { name: "Does", value: <Work worker={worker} /> },
          {
            name: "Memory",
            value: rssBytes === null ? "–" : bytes(rssBytes),
            help: "Its own, without the object store",
          },
          {
            name: "CPU",
            value: cpuPercent === null ? "–" : `${Math.round(cpuPercent)} %`,
            help: "Of one processor",
          },
        ]}
      />
      {exitDetail !== null && <p class="broken">{exitDetail}</p>}
      <FactList
        facts={[
          { name: "Node", value: <NodeName id={worker.nodeId} /> },
          { name: "Pid", value: worker.pid ?? "–" },
          { name: "Runtime", value: worker.runtime },
          { name: "Job", value: <Id id={worker.jobId} whole /> },
          worker.actorId === null ? null : { name: "Actor", value: <Id id={worker.actorId} whole /> },
          worker.placementGroupId === null ? null : {
            name: "Placement group",
            value: (
              <>
                <Id id={worker.placementGroupId} whole />, bundle {worker.bundleIndex}
              </>
            ),
          },
          { name: "Lived", value: <Age sinceMs={worker.startedMs} untilMs={worker.endedMs} /> },
        ]}
      />
    </Panel>
  );
}

interface TaskRow {
  readonly taskId: string;
  readonly attempt: number;
  readonly name: string;
  readonly state: string;
  readonly startMs: number | null;
}

function RunningTasks({ id }: { id: string }) {
  const answer = useQuery<ListAnswer>(
    question("tasks", { filter: [`workerId=${id}`], limit: 100 }),
  );
  return (
    <Panel
      id="tasks"
      title="Its tasks"
      note="the newest first"
      actions={<a href={links.tasks({ filter: `workerId=${id}` })}>all of them</a>}
    >
      <Answer of={answer}>
        {({ rows, total }) => (
          <DataTable
            label="Tasks of the worker"
            rows={rows as unknown as readonly TaskRow[]}
            rowKey={(row) => `${row.taskId} ${row.attempt}`}
            columns={TASK_COLUMNS}
            total={total}
            one="task"
            many="tasks"
            empty="No task that it ran is remembered."
          />
        )}
      </Answer>
    </Panel>
  );
}

const TASK_COLUMNS: readonly Column<TaskRow>[] = [
  {
    id: "task",
    title: "Task",
    cell: (row) => <a href={links.task(row.taskId)} title={row.taskId}>{row.name}</a>,
    value: (row) => row.name,
  },
  { id: "state", title: "State", cell: (row) => <State state={row.state} />, value: (row) => row.state },
  {
    id: "start",
    title: "Began",
    align: "num",
    cell: (row) => <Age sinceMs={row.startMs} />,
    value: (row) => row.startMs,
  },
];
