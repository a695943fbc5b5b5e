/**
 * All jobs that are known: those that run first, then the newest.
 * @module
 */
import type { JobDto } from "../../api_types.ts";
import { type Column, DataTable } from "../components/data_table.tsx";
import { Id } from "../components/id.tsx";
import { Panel } from "../components/panel.tsx";
import { State } from "../components/state.tsx";
import { Loading } from "../components/states.tsx";
import { clockOffsetMs, cluster, jobs } from "../models/cluster.ts";
import { clock, duration, program } from "../models/format.ts";
import { links } from "../models/links.ts";
import { useTopics } from "../models/subscriptions.ts";

const COLUMNS: readonly Column<JobDto>[] = [
  {
    id: "job",
    title: "Job",
    value: (job) => `${job.entrypoint} ${job.jobId}`,
    cell: (job) => (
      <>
        <a class="clip" href={links.job(job.jobId)} title={job.entrypoint}>
          {program(job.entrypoint)}
        </a>
        <div class="sub">
          <Id id={job.jobId} /> · {job.runtime}
          {job.pid === null ? "" : ` · pid ${job.pid}`}
        </div>
      </>
    ),
  },
  {
    id: "state",
    title: "State",
    value: (job) => job.state,
    cell: (job) => (
      <>
        <State state={job.state} />
        {job.message !== "" && <div class="sub wrap">{job.message}</div>}
      </>
    ),
  },
  {
    id: "node",
    title: "Node",
    optional: true,
    value: (job) => job.nodeId,
    cell: (job) => <Id id={job.nodeId} />,
  },
  {
    id: "namespace",
    title: "Namespace",
    optional: true,
    value: (job) => job.namespace,
    cell: (job) => job.namespace,
  },
  {
    id: "started",
    title: "Started",
    align: "num",
    value: (job) => job.startedMs,
    cell: (job) => <time dateTime={new Date(job.startedMs).toISOString()}>{clock(job.startedMs)}</time>,
  },
  { id: "took", title: "Took", align: "num", value: tookMs, cell: (job) => duration(tookMs(job)) },
  {
    id: "look",
    title: "Look at",
    optional: true,
    cell: ({ jobId }) => (
      <span class="row-links">
        <a href={links.graph({ job: jobId })}>Graph</a> <a href={links.timeline({ job: jobId })}>Timeline</a>
        {" "}
        <a href={links.logs({ job: jobId })}>Logs</a>
      </span>
    ),
  },
];

export function JobsPage() {
  useTopics("jobs");
  // Rendered again with the cluster's summary, so that the time of a running job goes on.
  cluster.value;
  const table = jobs.value;
  const rows = [...table?.rows ?? []].sort(runningFirst);
  return (
    <Panel id="jobs" title="Jobs">
      {table === null ? <Loading /> : (
        <DataTable
          label="Jobs"
          one="job"
          many="jobs"
          rows={rows}
          total={table.total}
          rowKey={(job) => job.jobId}
          rowClass={(job) => job.state === "RUNNING" ? "" : "gone"}
          columns={COLUMNS}
          empty={
            <>
              No job yet. Each program that calls <code>init()</code> is one.
            </>
          }
        />
      )}
    </Panel>
  );
}

/** How long it took, or has taken until now. */
export function tookMs({ startedMs, endedMs }: JobDto): number {
  return Math.max(0, (endedMs ?? Date.now() + clockOffsetMs.peek()) - startedMs);
}

function runningFirst(a: JobDto, b: JobDto): number {
  const rank = (job: JobDto): number => job.state === "RUNNING" ? 0 : 1;
  return rank(a) - rank(b) || b.startedMs - a.startedMs;
}
