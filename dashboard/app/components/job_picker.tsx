/**
 * Which job a page is about: the one that the address names, else the newest one that runs, else the newest.
 * @module
 */
import type { JobDto } from "../../api_types.ts";
import { jobs } from "../models/cluster.ts";
import { clock, shortId } from "../models/format.ts";
import { route, setParams } from "../models/route.ts";
import { useTopics } from "../models/subscriptions.ts";

export interface PickedJob {
  /** Null while no job is known. */
  readonly jobId: string | null;
  /** The jobs have come. */
  readonly isKnown: boolean;
  readonly row: JobDto | null;
}

/** The page's job. Watches the jobs as long as the component is shown. */
export function usePickedJob(): PickedJob {
  useTopics("jobs");
  const rows = sortedJobs();
  const named = route.value.params.get("job");
  const row = named === null ? rows[0] ?? null : rows.find((job) => job.jobId === named) ?? null;
  return { jobId: named ?? row?.jobId ?? null, isKnown: jobs.value !== null, row };
}

/** Running ones first, then the newest. */
function sortedJobs(): readonly JobDto[] {
  const isOver = (job: JobDto): number => job.state === "RUNNING" ? 0 : 1;
  return [...jobs.value?.rows ?? []].sort((a, b) => isOver(a) - isOver(b) || b.startedMs - a.startedMs);
}

/** @param forget parameters of the address that belong to the job that is left. */
export function JobPicker({ picked, forget }: { picked: PickedJob; forget: readonly string[] }) {
  const rows = sortedJobs();
  const { jobId } = picked;
  const change = (id: string): void =>
    setParams({ ...Object.fromEntries(forget.map((name) => [name, null])), job: id }, true);
  return (
    <label class="job-picker">
      <span class="hidden">Job</span>
      <select value={jobId ?? ""} onChange={(event) => change(event.currentTarget.value)}>
        {jobId === null && <option value="">no job yet</option>}
        {jobId !== null && picked.row === null && <option value={jobId}>{shortId(jobId)}</option>}
        {rows.map((job) => (
          <option key={job.jobId} value={job.jobId}>
            {nameOf(job)} · {job.state.toLowerCase()} · {clock(job.startedMs)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** The program's file, else the id. */
function nameOf(job: JobDto): string {
  const file = job.entrypoint.split(/\s+/).findLast((part) => /\.[cm]?[jt]sx?$/.test(part));
  return file?.split("/").at(-1) ?? (job.entrypoint.slice(0, 40) || shortId(job.jobId));
}
