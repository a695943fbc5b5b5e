/**
 * What only a report has beside the page: its record's answers. A bundle of its own, so that no page of a cluster loads it.
 * @module
 */
import { answerFromRecord, recordParams } from "../api/record_answers.ts";
import type { ReportAnswers } from "./models/report.ts";

(globalThis as { mobulaReport?: ReportAnswers }).mobulaReport = (record, name, query) =>
  answerFromRecord(record, name, recordParams(query));
