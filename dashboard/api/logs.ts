/**
 * What the queries about logs answer. Types only.
 * @module
 */
export type { LogAnswer, LogFileRow, LogLine, LogPart } from "../../runtime/common/log_query.ts";
