/**
 * `errors?job=`: failed attempts by what they have in common: function, class of the error, and a message in which numbers and
 * ids do not count.
 * @module
 */
import { attemptsOf, type ErrorsDto } from "../../api/errors.ts";
import type { StateRow } from "../../api/state.ts";
import type { ErrorGroupDto, ProfileDto } from "../../api/tasks.ts";
import type { Query, QueryServices } from "./query.ts";

/** Failed attempts that are looked at. */
const ROWS_MAX = 10_000;
const GROUPS_MAX = 200;
/** Of one group. */
const TASKS_MAX = 10;
const NODES_MAX = 10;

export const ERROR_QUERIES: readonly Query[] = [
  {
    name: "errors",
    everyMs: 2_000,
    async run(params, services): Promise<ErrorsDto> {
      const job = params.get("job");
      const { telemetry } = services;
      if (telemetry === undefined) return await fromRows(services, job);
      const profile = await telemetry.ask("profile", job === null ? {} : { job }) as ProfileDto;
      const attempts = attemptsOf(profile.errors);
      const groups = [...profile.errors].sort((a, b) => b.lastMs - a.lastMs);
      const attemptsTotal = Math.max(attempts, profile.totals.failed);
      return { groups, total: profile.errorsTotal, attempts, attemptsTotal };
    },
  },
];

async function fromRows({ state, view }: QueryServices, job: string | null): Promise<ErrorsDto> {
  const filters = ["state=FAILED", ...(job === null ? [] : [`jobId=${job}`])];
  const { rows, total } = await (state ?? view.state).list("tasks", { filters, limit: ROWS_MAX });
  const groups = [...groupsOf(rows).values()].sort((a, b) => b.lastMs - a.lastMs);
  return {
    groups: groups.slice(0, GROUPS_MAX),
    total: groups.length,
    attempts: rows.length,
    attemptsTotal: total,
  };
}

/** Rows are newest first. */
function groupsOf(rows: readonly StateRow[]): Map<string, ErrorGroupDto> {
  const groups = new Map<string, ErrorGroupDto & { taskIds: string[]; nodes: string[]; count: number }>();
  for (const row of rows) {
    const functionName = String(row["name"] ?? "");
    const errorType = String(row["errorType"] ?? "Error");
    const message = String(row["errorMessage"] ?? "");
    const atMs = Number(row["endMs"] ?? row["submittedMs"] ?? 0);
    const fingerprint = fingerprintOf(functionName, errorType, message);
    const known = groups.get(fingerprint);
    const taskId = String(row["taskId"]);
    const nodeId = row["nodeId"];
    if (known === undefined) {
      groups.set(fingerprint, {
        fingerprint,
        functionName,
        errorType,
        message,
        count: 1,
        firstMs: atMs,
        lastMs: atMs,
        taskIds: [taskId],
        nodes: typeof nodeId === "string" ? [nodeId] : [],
      });
      continue;
    }
    const next = { ...known, count: known.count + 1, firstMs: Math.min(known.firstMs, atMs) };
    groups.set(fingerprint, { ...next, lastMs: Math.max(known.lastMs, atMs) });
    if (known.taskIds.length < TASKS_MAX && !known.taskIds.includes(taskId)) known.taskIds.push(taskId);
    if (typeof nodeId === "string" && known.nodes.length < NODES_MAX && !known.nodes.includes(nodeId)) {
      known.nodes.push(nodeId);
    }
  }
  return groups;
}

/** The same for failures that differ in numbers and ids only. */
export function fingerprintOf(functionName: string, errorType: string, message: string): string {
  const pattern = message.slice(0, 500)
    .replace(/\b[a-z]-[0-9a-f]{4,}[\w.-]*/g, "ID")
    .replace(/0x[0-9a-f]+|\d+(\.\d+)?/gi, "0");
  return `${functionName}\n${errorType}\n${pattern}`;
}
