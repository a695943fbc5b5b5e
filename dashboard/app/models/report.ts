/**
 * A report is this same page in one file, with the record of a job in it in place of a head: `mobula report`. All questions
 * are answered from the record, and nothing is asked of a network.
 * @module
 */
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { JobRecord } from "../../api/job_record.ts";

/** Answers from a record: report_answers.ts, which a report brings along. Null where it does not know. */
export type ReportAnswers = (record: JobRecord, name: string, query: string) => unknown;

const record: Signal<JobRecord | null> = signal(null);

/** The report's record; null on a page that has a head. */
export const reported: ReadonlySignal<JobRecord | null> = record;

/** Pages that a report has. */
export const REPORT_PAGES: readonly string[] = [
  "jobs",
  "tasks",
  "graph",
  "timeline",
  "objects",
  "actors",
  "errors",
];

/** Unpack the record that stands in the document, if there is one. @throws when it is damaged. */
export async function loadReport(): Promise<JobRecord | null> {
  const element = document.getElementById("record");
  if (element === null) return null;
  const gzip = Uint8Array.from(atob(element.textContent!.trim()), (char) => char.charCodeAt(0));
  const text = await new Response(new Blob([gzip]).stream().pipeThrough(new DecompressionStream("gzip")))
    .text();
  const { base, ...own } = JSON.parse(text) as { base: JobRecord } & Partial<JobRecord>;
  record.value = { ...base, ...own };
  return record.value;
}

/** The record's answer to `name?a=b`. @throws RangeError when it has none, with a sentence. */
export function answerOfReport(key: string): unknown {
  const at = key.indexOf("?");
  const name = at < 0 ? key : key.slice(0, at);
  const query = at < 0 ? "" : key.slice(at + 1);
  const answer = (globalThis as { mobulaReport?: ReportAnswers }).mobulaReport!(record.peek()!, name, query);
  if (answer !== null) return answer;
  throw new RangeError(
    "A report does not have this; the dashboard of a cluster that runs does.",
  );
}
