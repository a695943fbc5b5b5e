/**
 * Which job this is, and what else there is of it.
 * @module
 */
import type { JobDto } from "../../../api_types.ts";
import { Id } from "../../components/id.tsx";
import { State } from "../../components/state.tsx";
import { cluster, jobs } from "../../models/cluster.ts";
import { clock, duration, program } from "../../models/format.ts";
import { links } from "../../models/links.ts";
import { useTopics } from "../../models/subscriptions.ts";
import { tookMs } from "../jobs.tsx";

export function JobHead({ id, job: known }: { id: string; job: JobDto | null }) {
  useTopics("jobs");
  // Rendered again with the cluster's summary, so that the time of a running job goes on.
  cluster.value;
  const job = jobs.value?.rows.find((row) => row.jobId === id) ?? known;
  return (
    <section class="panel page-head" id="head" aria-label="Job">
      <div class="page-title">
        <h2 title={job?.entrypoint}>{job === null ? id : program(job.entrypoint)}</h2>
        {job !== null && <State state={job.state} />}
        <nav class="page-links" aria-label="Of this job">
          <a href={links.graph({ job: id })}>Graph</a>
          <a href={links.timeline({ job: id })}>Timeline</a>
          <a href={links.tasks({ filter: `jobId=${id}` })}>Tasks</a>
          <a href={links.logs({ job: id })}>Logs</a>
          <a href={links.errors({ job: id })}>Errors</a>
        </nav>
      </div>
      {job !== null && job.message !== "" && <p class="page-message">{job.message}</p>}
      <dl class="facts-line">
        <div>
          <dt>Job</dt>
          <dd class="mono">{id}</dd>
        </div>
        {job !== null && <JobFacts job={job} />}
      </dl>
    </section>
  );
}

function JobFacts({ job }: { job: JobDto }) {
  return (
    <>
      <div>
        <dt>Node</dt>
        <dd>
          <Id id={job.nodeId} />
        </dd>
      </div>
      <div>
        <dt>Driver</dt>
        <dd>
          {job.runtime}
          {job.pid !== null && `, pid ${job.pid}`}
        </dd>
      </div>
      <div>
        <dt>Namespace</dt>
        <dd>{job.namespace}</dd>
      </div>
      <div>
        <dt>Started</dt>
        <dd>{clock(job.startedMs)}</dd>
      </div>
      <div>
        <dt>{job.endedMs === null ? "Running for" : "Took"}</dt>
        <dd id="job-took">{duration(tookMs(job))}</dd>
      </div>
    </>
  );
}
