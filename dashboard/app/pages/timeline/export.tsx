/**
 * Export: all of a job's bars as one file of Chrome trace events, which Perfetto opens. The server writes it while it is saved,
 * whatever its size; a report has what it needs in itself.
 * @module
 */
import { askBytes, question } from "../../models/query.ts";

const TITLE = "Chrome trace JSON: open it in Perfetto";

export function ExportButton({ jobId }: { jobId: string }) {
  const asked = question("timeline/export", { job: jobId });
  if (location.protocol !== "file:") {
    return <a class="button" href={`./api/v1/${asked}`} download title={TITLE}>Export</a>;
  }
  const save = async (): Promise<void> => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([await askBytes(asked)], { type: "application/json" }));
    link.download = `mobula-${jobId}.trace.json`;
    link.click();
    // The browser has taken hold of it by then.
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };
  return <button type="button" title={TITLE} onClick={() => void save()}>Export</button>;
}
