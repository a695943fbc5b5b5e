/**
 * What the page's frame shows in a report: the one job, and nothing of a cluster.
 * @module
 */
import type { JobRecord } from "../../api/job_record.ts";
import { applyFrames } from "./cluster.ts";
import { links } from "./links.ts";
import { navigate, route } from "./route.ts";
import { connection } from "./stream.ts";

/** Fill the tables with what the record has, and begin with its job. */
export function showReport({ job, actors, objects }: JobRecord): void {
  const table = <Row>(rows: readonly Row[]) => ({ rows, removed: [], total: rows.length });
  applyFrames([
    { seq: 1, topic: "jobs", kind: "snapshot", data: table([job]) },
    { seq: 2, topic: "actors", kind: "snapshot", data: table(actors) },
    { seq: 3, topic: "objects", kind: "snapshot", data: table(objects) },
  ]);
  connection.value = "report";
  if (route.peek().page === "") navigate(links.job(job.jobId));
}
