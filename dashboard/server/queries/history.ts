/**
 * Jobs that are kept: their list, and where a job's answers come from.
 * @module
 */
import { NotFound, type Query, type QueryServices, type StoreAsker } from "./query.ts";

const LIMIT = 50;
const LIMIT_MAX = 1_000;

export const HISTORY_QUERIES: readonly Query[] = [
  {
    name: "history",
    everyMs: 3_000,
    run: (params, services) =>
      readerOf(services).ask("history", {
        text: params.get("q"),
        state: params.get("state"),
        fromMs: timeOf(params.get("from"), "from"),
        toMs: timeOf(params.get("to"), "to"),
        limit: Math.trunc(params.number("limit", LIMIT, 1, LIMIT_MAX)),
        after: params.get("after"),
      }),
  },
  {
    name: "record/about",
    everyMs: 5_000,
    run(params, { records }): unknown {
      const jobId = params.required("job");
      return records?.about(jobId) ?? { jobId, source: "live", state: null };
    },
  },
];

function readerOf({ history }: QueryServices): StoreAsker {
  if (history === undefined) throw new NotFound("this head keeps no history");
  return history;
}

function timeOf(text: string | null, name: string): number | null {
  if (text === null) return null;
  const value = Number(text);
  if (Number.isFinite(value)) return value;
  throw new RangeError(
    `${name} is a time in milliseconds since the epoch, not ${JSON.stringify(text.slice(0, 40))}`,
  );
}
