/**
 * Jobs: the drivers' programs.
 * @module
 */
import type { JobDto } from "../../api_types.ts";
import { clockOffsetMs, cluster, jobs } from "../models/cluster.ts";
import { clock, duration, shortId } from "../models/format.ts";
import { useTopics } from "../models/subscriptions.ts";
import { State } from "./state.tsx";
import { Panel, Scroll, Showing } from "./panel.tsx";
import { Empty, Loading } from "./states.tsx";

export function Jobs() {
  useTopics("jobs");
  const table = jobs.value;
  const rows = [...table?.rows ?? []].sort((a, b) => b.startedMs - a.startedMs);
  return (
    <Panel id="jobs" title="Jobs" note={<Showing table={table} one="job" many="jobs" />}>
      {table === null ? <Loading /> : rows.length === 0
        ? (
          <Empty>
            No job yet. Each program that calls <code>init()</code> is one.
          </Empty>
        )
        : (
          <Scroll label="Jobs">
            <table>
              <thead>
                <tr>
                  <th scope="col">Job</th>
                  <th scope="col">State</th>
                  <th scope="col" class="num">Started</th>
                  <th scope="col" class="num">Took</th>
                </tr>
              </thead>
              <tbody>{rows.map((row) => <JobRow key={row.jobId} job={row} />)}</tbody>
            </table>
          </Scroll>
        )}
    </Panel>
  );
}

function JobRow({ job }: { job: JobDto }) {
  // Rendered again with the cluster's summary, so that the time of a running job goes on.
  cluster.value;
  const endMs = job.endedMs ?? Date.now() + clockOffsetMs.value;
  return (
    <tr data-key={job.jobId} class={job.state === "RUNNING" ? "" : "gone"}>
      <th scope="row" class="name">
        <span class="clip" title={job.entrypoint}>{job.entrypoint || "(interactive)"}</span>
        <div class="sub">
          <span class="mono" title={job.jobId}>{shortId(job.jobId)}</span> · {job.runtime}
          {job.pid === null ? "" : ` · pid ${job.pid}`}
        </div>
      </th>
      <td>
        <State state={job.state} />
        {job.message !== "" && <div class="sub wrap">{job.message}</div>}
      </td>
      <td class="num">{clock(job.startedMs)}</td>
      <td class="num">{duration(Math.max(0, endMs - job.startedMs))}</td>
    </tr>
  );
}
