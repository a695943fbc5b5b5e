/**
 * Export: all of a job's bars as one file of Chrome trace events, which Perfetto opens. The server gives it in pages; the file is
 * put together here, and the button says how far it is.
 * @module
 */
import { useEffect, useRef, useState } from "preact/hooks";
import type { TraceEvent } from "../../../api/timeline.ts";
import { count } from "../../models/format.ts";
import { ask, question } from "../../models/query.ts";

interface TracePage {
  readonly traceEvents: readonly TraceEvent[];
  readonly next: string | null;
}

export function ExportButton({ jobId, bars }: { jobId: string; bars: number }) {
  const [progress, setProgress] = useState<number | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const abort = useRef<AbortController | null>(null);
  useEffect(() => () => abort.current?.abort(), []);
  const run = async (): Promise<void> => {
    const { signal } = abort.current = new AbortController();
    setFailure(null);
    setProgress(0);
    try {
      save(await gather(jobId, signal, setProgress), `timeline-${jobId}.json`);
    } catch (error) {
      if (!signal.aborted) setFailure((error as Error).message);
    }
    setProgress(null);
  };
  return (
    <>
      {failure !== null && <span class="failed-text" role="alert">{failure}</span>}
      <button
        type="button"
        disabled={progress !== null}
        title="Chrome trace JSON: open it in Perfetto"
        onClick={() => void run()}
      >
        {progress === null ? "Export" : `Export: ${count(Math.min(progress, bars))} of ${count(bars)}`}
      </button>
    </>
  );
}

/** All pages as the parts of one file; never one text, which a large job's would be too long for. */
async function gather(jobId: string, signal: AbortSignal, onRuns: (runs: number) => void): Promise<Blob> {
  const parts: BlobPart[] = ['{"traceEvents":['];
  let after: string | null = null, runs = 0;
  do {
    const page: TracePage = await ask<TracePage>(
      question("timeline/export", { job: jobId, after }),
      signal,
    );
    if (page.traceEvents.length > 0) {
      parts.push(`${parts.length > 1 ? "," : ""}${JSON.stringify(page.traceEvents).slice(1, -1)}`);
    }
    runs += page.traceEvents.filter((event) => event.ph === "X").length;
    onRuns(runs);
    after = page.next;
  } while (after !== null);
  parts.push("]}\n");
  return new Blob(parts, { type: "application/json" });
}

function save(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  // The browser has taken hold of it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
