/**
 * All queries by name. An area's queries stand in a file of their own beside this one and are added to ALL.
 * @module
 */
import { RECORD_QUESTIONS } from "../../api/record_answers.ts";
import { ENTITY_QUERIES } from "./entities.ts";
import { HISTORY_QUERIES } from "./history.ts";
import { ERROR_QUERIES } from "./errors.ts";
import { LIST_QUERIES } from "./lists.ts";
import { LOG_QUERIES } from "./logs.ts";
import { NOW_QUERIES } from "./now.ts";
import { NotFound, type Query, QueryParams, type QueryServices } from "./query.ts";
import { SQL_QUERIES } from "./sql.ts";
import { TELEMETRY_QUERIES } from "./telemetry.ts";
import { WHY_QUERIES } from "./why.ts";

const ALL: readonly Query[] = [
  ...ENTITY_QUERIES,
  ...HISTORY_QUERIES,
  ...ERROR_QUERIES,
  ...LIST_QUERIES,
  ...LOG_QUERIES,
  ...SQL_QUERIES,
  ...TELEMETRY_QUERIES,
  ...NOW_QUERIES,
  ...WHY_QUERIES,
];

/** Where a query does not say how often its answer is renewed. */
const EVERY_MS = 1_000;
/** Longest question: name and parameters. */
export const QUESTION_LENGTH_MAX = 2_000;

/** Finds and runs queries. */
export class QueryRegistry {
  readonly #queries: ReadonlyMap<string, Query>;
  readonly #services: QueryServices;

  constructor(services: QueryServices, queries: readonly Query[] = ALL) {
    this.#services = services;
    this.#queries = new Map(queries.map((query) => [query.name, query]));
    if (this.#queries.size !== queries.length) throw new TypeError("two queries have one name");
  }

  /** The query of that name, or null. */
  find(name: string): Query | null {
    return this.#queries.get(name) ?? null;
  }
  get names(): readonly string[] {
    return [...this.#queries.keys()];
  }

  /** Shortest time between two evaluations for watchers, as of now. */
  everyMs(name: string): number {
    const everyMs = this.find(name)?.everyMs ?? EVERY_MS;
    return typeof everyMs === "number" ? everyMs : everyMs(this.#services);
  }

  /** @throws what the query throws; NotFound for an unknown name. */
  async run(name: string, params: URLSearchParams): Promise<unknown> {
    const query = this.find(name);
    if (query === null) throw new NotFound(`there is no query ${JSON.stringify(name.slice(0, 80))}`);
    const past = await this.#fromRecord(name, params);
    return past ?? await query.run(new QueryParams(params), this.#services);
  }

  /** Of a job that is over and gone from memory: what its record says. */
  async #fromRecord(name: string, params: URLSearchParams): Promise<unknown> {
    const { records } = this.#services;
    const jobId = jobOf(params);
    if (records === undefined || jobId === null || !RECORD_QUESTIONS.includes(name)) return null;
    return records.isPast(jobId) ? await records.answer(jobId, name, params) : null;
  }
}

/** The one job that is asked about: `job=ID`, or `filter=jobId=ID`. */
function jobOf(params: URLSearchParams): string | null {
  const filter = params.getAll("filter").find((text) => text.startsWith("jobId="));
  return params.get("job") ?? filter?.slice("jobId=".length) ?? null;
}

/** `name?a=b` as its parts. @throws RangeError when it is too long. */
export function parseQuestion(text: string): { name: string; params: URLSearchParams } {
  if (text.length > QUESTION_LENGTH_MAX) {
    throw new RangeError(`a question has at most ${QUESTION_LENGTH_MAX} characters, not ${text.length}`);
  }
  const at = text.indexOf("?");
  if (at < 0) return { name: text, params: new URLSearchParams() };
  return { name: text.slice(0, at), params: new URLSearchParams(text.slice(at + 1)) };
}
