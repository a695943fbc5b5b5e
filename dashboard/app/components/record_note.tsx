/**
 * Says when what is shown of a job is its record: it is over, and this is what was kept; or when it is not, because the page
 * knows only the cluster as it is now.
 * @module
 */
import type { RecordAboutDto } from "../../api/history.ts";
import { links } from "../models/links.ts";
import { question, useQuery } from "../models/query.ts";
import { reported } from "../models/report.ts";
import { route } from "../models/route.ts";

/** Pages that no record answers. */
const PRESENT_PAGES: ReadonlySet<string> = new Set([
  "objects",
  "actors",
  "nodes",
  "workers",
  "groups",
  "logs",
]);

export function RecordNote() {
  const { page, id, params } = route.value;
  const filter = params.getAll("filter").find((text) => text.startsWith("jobId="));
  const jobId = page === "jobs" ? id : params.get("job") ?? filter?.slice("jobId=".length) ?? null;
  if (reported.value !== null) {
    return (
      <p class="record-note" role="note">
        A report of one job, as it was on{" "}
        {new Date(reported.value.madeMs).toLocaleString("sv-SE")}. It is a file: nothing in it changes.
      </p>
    );
  }
  return jobId === null ? null : <OfJob key={jobId} jobId={jobId} isPresent={PRESENT_PAGES.has(page)} />;
}

function OfJob({ jobId, isPresent }: { jobId: string; isPresent: boolean }) {
  const about = useQuery<RecordAboutDto>(question("record/about", { job: jobId }));
  if (about.value.data?.source !== "record") return null;
  if (isPresent) {
    return (
      <p class="record-note" role="note">
        The cluster as it is now, not as it was for this job: it is over, and here only what still exists is
        shown. <a href={links.job(jobId)}>What was kept of the job</a>
      </p>
    );
  }
  return (
    <p class="record-note" role="note">
      From the record of a job that is over: counts are exact, single tasks a part of them.{" "}
      <a href={links.history()}>History</a>
    </p>
  );
}
