/**
 * Says when what is shown of a job is its record: it is over, and this is what was kept.
 * @module
 */
import type { RecordAboutDto } from "../../api/history.ts";
import { links } from "../models/links.ts";
import { question, useQuery } from "../models/query.ts";
import { reported } from "../models/report.ts";
import { route } from "../models/route.ts";

export function RecordNote() {
  const { page, id, params } = route.value;
  const jobId = page === "jobs" ? id : params.get("job");
  if (reported.value !== null) {
    return (
      <p class="record-note" role="note">
        A report of one job, as it was on{" "}
        {new Date(reported.value.madeMs).toLocaleString("sv-SE")}. It is a file: nothing in it changes.
      </p>
    );
  }
  return jobId === null ? null : <OfJob key={jobId} jobId={jobId} />;
}

function OfJob({ jobId }: { jobId: string }) {
  const about = useQuery<RecordAboutDto>(question("record/about", { job: jobId }));
  if (about.value.data?.source !== "record") return null;
  return (
    <p class="record-note" role="note">
      From the record of a job that is over: counts are exact, single tasks a part of them.{" "}
      <a href={links.history()}>History</a>
    </p>
  );
}
