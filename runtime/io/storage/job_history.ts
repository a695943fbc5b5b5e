/**
 * Reads the records of jobs: their list, and what one answers. Runs in the reader process; the few records that were asked
 * last stay parsed, for a page asks many things of one.
 * @module
 */
import { gunzipSync } from "node:zlib";
import type { HistoryDto, HistoryRowDto } from "../../../dashboard/api/history.ts";
import type { JobRecord } from "../../../dashboard/api/job_record.ts";
import { answerFromRecord, recordParams } from "../../../dashboard/api/record_answers.ts";
import type { HistoryQuestion, RecordQuestion } from "./reader_wire.ts";
import type { SqlValue } from "./write_plan.ts";

type Row = Readonly<Record<string, unknown>>;
/** Runs one query of ours. */
export type Rows = (sql: string, args: SqlValue[]) => Promise<Row[]>;

const PARSED_MAX = 3;
const COLUMNS =
  "job_id AS jobId, name, namespace, state, message, started_ms AS startedMs, ended_ms AS endedMs, " +
  "made_ms AS madeMs, finished, failed, unfinished, bytes";
const decoder = new TextDecoder();

/** What the head writes: what the telemetry process made, and what it knows itself. */
export interface StoredRecord extends Pick<JobRecord, "actors" | "objects" | "pages"> {
  readonly base: JobRecord;
}

export class JobHistory {
  readonly #rows: Rows;
  readonly #parsed = new Map<string, { readonly madeMs: number; readonly record: JobRecord }>();

  constructor(rows: Rows) {
    this.#rows = rows;
  }

  /** @throws RangeError for a cursor that is none. */
  async list({ text, state, fromMs, toMs, limit, after }: HistoryQuestion): Promise<HistoryDto> {
    const conditions: string[] = [];
    const args: SqlValue[] = [];
    const add = (condition: string, ...values: SqlValue[]): void => {
      conditions.push(condition);
      args.push(...values);
    };
    if (text !== null) add("instr(lower(name || ' ' || job_id), lower(?)) > 0", text);
    if (state !== null) add("state = ?", state);
    if (fromMs !== null) add("started_ms >= ?", fromMs);
    if (toMs !== null) add("started_ms <= ?", toMs);
    const where = (all: readonly string[]): string => all.length === 0 ? "" : ` WHERE ${all.join(" AND ")}`;
    const [found] = await this.#rows(`SELECT count(*) AS total FROM job_records${where(conditions)}`, [
      ...args,
    ]);
    const [kept] = await this.#rows(
      "SELECT count(*) AS kept, coalesce(sum(bytes), 0) AS bytes, " +
        "(SELECT value FROM meta WHERE key = 'job_records_dropped') AS dropped FROM job_records",
      [],
    );
    if (after !== null) add("(started_ms, job_id) < (?, ?)", ...cursorOf(after));
    const rows = await this.#rows(
      `SELECT ${COLUMNS} FROM job_records${where(conditions)} ORDER BY started_ms DESC, job_id DESC LIMIT ?`,
      [...args, limit + 1],
    ) as unknown as HistoryRowDto[];
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return {
      rows: page.map((row) => ({ ...row })),
      total: Number(found!.total),
      kept: Number(kept!.kept),
      keptBytes: Number(kept!.bytes),
      dropped: Number(kept!.dropped ?? 0),
      next: rows.length > limit && last !== undefined ? `${last.startedMs}.${last.jobId}` : null,
    };
  }

  async recorded(): Promise<[jobId: string, isOver: boolean][]> {
    const rows = await this.#rows("SELECT job_id AS jobId, state FROM job_records", []);
    return rows.map((row) => [String(row.jobId), row.state !== "RUNNING"]);
  }

  /** @throws RangeError for parameters that make no sense, or a job of which nothing is kept. */
  async answer({ jobId, name, query }: RecordQuestion): Promise<unknown> {
    const record = await this.#record(jobId);
    if (record === null) {
      throw new RangeError(`nothing is kept of the job ${JSON.stringify(jobId.slice(0, 80))}`);
    }
    return answerFromRecord(record, name, recordParams(query));
  }

  async bytes(jobId: string): Promise<{ gzip: string } | null> {
    const [row] = await this.#rows("SELECT record FROM job_records WHERE job_id = ?", [jobId]);
    return row === undefined ? null : { gzip: Buffer.from(row.record as Uint8Array).toString("base64") };
  }

  async #record(jobId: string): Promise<JobRecord | null> {
    const [newest] = await this.#rows("SELECT made_ms AS madeMs FROM job_records WHERE job_id = ?", [jobId]);
    if (newest === undefined) return null;
    const known = this.#parsed.get(jobId);
    this.#parsed.delete(jobId);
    if (known !== undefined && known.madeMs === Number(newest.madeMs)) {
      this.#parsed.set(jobId, known);
      return known.record;
    }
    const [row] = await this.#rows(`SELECT record, ${COLUMNS} FROM job_records WHERE job_id = ?`, [jobId]);
    if (row === undefined) return null;
    const record = withEnd(
      parseRecord(new Uint8Array(row.record as ArrayBuffer)),
      row as unknown as HistoryRowDto,
    );
    this.#parsed.set(jobId, { madeMs: Number(row.madeMs), record });
    if (this.#parsed.size > PARSED_MAX) this.#parsed.delete(this.#parsed.keys().next().value!);
    return record;
  }
}

/** A record as it lies in the store. */
function parseRecord(gzip: Uint8Array): JobRecord {
  const { base, ...own } = JSON.parse(decoder.decode(gunzipSync(gzip))) as StoredRecord;
  return { ...base, ...own };
}

/** A record that was made on the way, of a job that ended with its head: how it ended is in the row alone. */
function withEnd(record: JobRecord, { state, message, endedMs }: HistoryRowDto): JobRecord {
  const job = { ...record.job, state: state as JobRecord["job"]["state"], message, endedMs };
  return { ...record, job, profile: { ...record.profile, job } };
}

function cursorOf(text: string): [number, string] {
  const at = text.indexOf(".");
  const startedMs = Number(text.slice(0, at));
  if (at > 0 && Number.isFinite(startedMs)) return [startedMs, text.slice(at + 1)];
  throw new RangeError(`${JSON.stringify(text.slice(0, 80))} is no cursor: take next of the answer before`);
}
