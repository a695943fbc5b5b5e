/**
 * The state API's table of tasks: its rows are kept, searched and counted by whoever keeps the attempts.
 * @module
 */
import type { TableInfo } from "../../../../dashboard/api/state.ts";
import type { TelemetryReader } from "../../../../dashboard/api/tasks.ts";
import type { AnsweredTable } from "./state_api.ts";
import { checkLimit } from "./state_table.ts";
import { TASK_COLUMNS } from "./task_columns.ts";

const INFO: TableInfo = {
  kind: "tasks",
  about: "An attempt of a task.",
  idColumn: "taskId",
  columns: TASK_COLUMNS,
  ofOne: [],
  by: ["name", "state"],
};

/** What is no list or no number is refused here: it could not travel. */
export function taskTable(telemetry: TelemetryReader): AnsweredTable {
  return {
    info: INFO,
    async list({ filters, limit, after, detail }) {
      return await telemetry.ask("tasks", {
        filters: texts("filters must be a list of texts", filters),
        limit: checkLimit(limit),
        after,
        detail,
      });
    },
    async summarize({ by, filters }) {
      return await telemetry.ask("summary/tasks", {
        by: texts("by must be a list of columns", by),
        filters: texts("filters must be a list of texts", filters),
      });
    },
  };
}

function texts(message: string, value: readonly string[] | undefined): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.some((one) => typeof one !== "string")) throw new RangeError(message);
  return value;
}
