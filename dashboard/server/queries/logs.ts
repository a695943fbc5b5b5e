/**
 * What workers, agents and the head wrote, on all nodes. Files are named by opaque ids.
 *
 *   logs/files                                             all files, those that were written last first
 *   logs/search?q=&i=1&level=&task=&actor=&node=&source=&job=&file=&from=&to=&after=&limit=     lines, newest first
 *   logs/tail?id=&after=&before=&limit=                    lines of one file from an offset on, and some before it
 * @module
 */
import {
  ANY_LINE,
  LIMIT_MAX,
  type LogPlace,
  type LogQuery,
  type LogReader,
} from "../../../runtime/common/log_query.ts";
import type { LineLevel } from "../../../runtime/common/log_lines.ts";
import { NotFound, type Query, type QueryParams, type QueryServices } from "./query.ts";

/** Lines of one answer, unless the question says otherwise. */
const LIMIT = 200;

export const LOG_QUERIES: readonly Query[] = [
  { name: "logs/files", everyMs: 5_000, run: (_params, services) => logsOf(services).files() },
  {
    name: "logs/search",
    everyMs: 2_000,
    async run(params, services): Promise<unknown> {
      const { next, ...answer } = await logsOf(services).search(logQuery(params));
      return { ...answer, next: next === null ? null : placeText(next) };
    },
  },
  {
    name: "logs/tail",
    async run(params, services): Promise<unknown> {
      const id = params.required("id");
      const at = params.number("after", 0, 0);
      const before = params.number("before", 0, 0, LIMIT_MAX);
      const part = await logsOf(services).part(id, at, before, params.number("limit", LIMIT, 1, LIMIT_MAX));
      if (part !== null) return part;
      throw new NotFound(
        `no node has the log ${id.slice(0, 80)}: logs of ended workers are kept up to a bound`,
      );
    },
  },
];

export function logsOf({ logs }: QueryServices): LogReader {
  if (logs === undefined) throw new NotFound("this server has no logs");
  return logs;
}

function logQuery(params: QueryParams): LogQuery {
  const time = (name: string): number | null => params.has(name) ? params.number(name, 0, 0) : null;
  const after = params.get("after");
  return {
    ...ANY_LINE,
    pattern: params.get("q"),
    ignoreCase: params.get("i") === "1",
    level: params.get("level") as LineLevel | null,
    task: params.get("task"),
    actor: params.get("actor"),
    node: params.get("node"),
    source: params.get("source"),
    job: params.get("job"),
    file: params.get("file"),
    fromMs: time("from"),
    toMs: time("to"),
    before: after === null ? null : placeOf(after),
    limit: params.number("limit", LIMIT, 1, LIMIT_MAX),
  };
}

/** A place as a parameter. */
export function placeText({ at, file, offset }: LogPlace): string {
  return `${at}~${file}~${offset}`;
}

function placeOf(text: string): LogPlace {
  const [at, file, offset, ...rest] = text.split("~");
  if (
    file !== undefined && rest.length === 0 && Number.isFinite(Number(at)) && Number.isFinite(Number(offset))
  ) {
    return { at: Number(at), file, offset: Number(offset) };
  }
  throw new RangeError(`after must be the "next" of an answer, not ${JSON.stringify(text.slice(0, 80))}`);
}
