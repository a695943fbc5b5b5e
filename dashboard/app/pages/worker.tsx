/**
 * One worker process (or driver): what it is, what it does, what it ran, what it wrote.
 * @module
 */
import type { WorkerDto } from "../../api/entities.ts";
import type { ListAnswer } from "../../api/state.ts";
import type { TaskRowDto } from "../../api/tasks.ts";
import type { JobDto } from "../../api_types.ts";
import { DataTable } from "../components/data_table.tsx";
import { Id } from "../components/id.tsx";
import { LogTail } from "../components/log_tail.tsx";
import { Panel } from "../components/panel.tsx";
import { State } from "../components/state.tsx";
import { Answer, Empty, Loading } from "../components/states.tsx";
import { jobs } from "../models/cluster.ts";
import { bytes, clock, program } from "../models/format.ts";
import { links } from "../models/links.ts";
import { question, useQuery } from "../models/query.ts";
import { useTopics } from "../models/subscriptions.ts";
import { TASK_COLUMNS } from "./task/task_columns.tsx";

/** Attempts that are shown. */
const ROWS = 100;

export function WorkerPage({ id }: { id: string }) {
  return id.startsWith("d-") ? <Driver id={id} /> : <Worker id={id} />;
}

function Worker({ id }: { id: string }) {
  const about = useQuery<WorkerDto>(question("workers/one", { id }));
  const tasks = useQuery<ListAnswer>(question("tasks", { filter: `workerId=${id}`, limit: ROWS }));
  return (
    <>
      {about.value.error?.code === "NOT_FOUND" && about.value.data === null
        ? (
          <Panel id="head" title="Worker" note={<span class="mono">{id}</span>}>
            <Empty>
              This worker is over and was forgotten, or never was. What is known of its attempts stands below.
            </Empty>
          </Panel>
        )
        : <Answer of={about}>{(worker) => <WorkerHead worker={worker} />}</Answer>}
      <Panel
        id="tasks"
        title="What it ran"
        note="newest first"
        actions={<a href={links.tasks({ filter: `workerId=${id}` })}>All attempts</a>}
      >
        <Answer of={tasks}>
          {({ rows, total, dropped }) => (
            <DataTable
              label="Attempts on this worker"
              one="attempt"
              many="attempts"
              rows={rows as unknown as readonly TaskRowDto[]}
              total={total}
              dropped={dropped}
              rowKey={(row) => `${row.taskId} ${row.attempt}`}
              columns={TASK_COLUMNS.filter((column) => column.id !== "worker" && column.id !== "node")}
              empty="Nothing yet."
            />
          )}
        </Answer>
      </Panel>
      <LogTail title="What it wrote" where={{ source: id }} />
    </>
  );
}

function WorkerHead({ worker }: { worker: WorkerDto }) {
  return (
    <section class="panel page-head" id="head" aria-label="Worker">
      <div class="page-title">
        <h2>{worker.work ?? "Worker"}</h2>
        <State state={worker.state} />
        <nav class="page-links" aria-label="Of this worker">
          <a href={links.node(worker.nodeId)}>Node</a>
          <a href={links.logs({ source: worker.workerId })}>Logs</a>
        </nav>
      </div>
      {worker.exitDetail !== null && <p class="page-message">{worker.exitDetail}</p>}
      <dl class="facts-line">
        <div>
          <dt>Worker</dt>
          <dd class="mono">{worker.workerId}</dd>
        </div>
        <div>
          <dt>Node</dt>
          <dd>
            <Id id={worker.nodeId} />
          </dd>
        </div>
        <div>
          <dt>Process</dt>
          <dd>
            {worker.runtime}
            {worker.pid !== null && `, pid ${worker.pid}`}
          </dd>
        </div>
        <div>
          <dt>Job</dt>
          <dd>
            <Id id={worker.jobId} />
          </dd>
        </div>
        <div>
          <dt>Actor</dt>
          <dd>
            <Id id={worker.actorId} />
          </dd>
        </div>
        {worker.placementGroupId !== null && (
          <div>
            <dt>Bundle</dt>
            <dd>
              {worker.bundleIndex} of <Id id={worker.placementGroupId} />
            </dd>
          </div>
        )}
        <div>
          <dt>CPU</dt>
          <dd>{worker.cpuPercent === null ? "–" : `${Math.round(worker.cpuPercent)} %`}</dd>
        </div>
        <div>
          <dt>Memory</dt>
          <dd>{worker.rssBytes === null ? "–" : bytes(worker.rssBytes)}</dd>
        </div>
        <div>
          <dt>Started</dt>
          <dd>{clock(worker.startedMs)}</dd>
        </div>
        {worker.endedMs !== null && (
          <div>
            <dt>Ended</dt>
            <dd>{clock(worker.endedMs)}</dd>
          </div>
        )}
      </dl>
    </section>
  );
}

/** A driver is the process of a job. */
function Driver({ id }: { id: string }) {
  useTopics("jobs");
  const table = jobs.value;
  if (table === null) return <Loading />;
  const job: JobDto | undefined = table.rows.find((row) => row.driverId === id);
  return (
    <Panel id="head" title="Driver" note={<span class="mono">{id}</span>}>
      {job === undefined ? <Empty>The job of this driver is not known (any more).</Empty> : (
        <p class="empty">
          The program of the job <Id id={job.jobId} text={program(job.entrypoint)} /> on{" "}
          <Id id={job.nodeId} />, {job.runtime}, pid {job.pid ?? "–"}.
        </p>
      )}
    </Panel>
  );
}
