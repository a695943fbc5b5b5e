/**
 * The columns of tasks: a row for each attempt.
 * @module
 */
import type { TaskRow } from "../../../common/task_event.ts";
import {
  amount,
  BYTES,
  type Column,
  columnsOver,
  DETAIL,
  DURATION,
  listOf,
  mapOf,
  objectOf,
  oneOf,
  orNull,
  text,
  TIME,
  whole,
} from "./column.ts";

const column = columnsOver<TaskRow>();
const lateTime = { ...TIME, ...DETAIL };

export const TASK_COLUMNS: readonly Column<TaskRow>[] = [
  column("taskId", text, "The task.", (row) => row.taskId),
  column("attempt", whole, "How many attempts were before this one.", (row) => row.attempt),
  column("name", text, "The function, or Class.method.", (row) => row.name),
  column(
    "type",
    oneOf("NORMAL_TASK", "ACTOR_CREATION_TASK", "ACTOR_TASK"),
    "What was called.",
    (row) => row.type,
  ),
  column(
    "state",
    oneOf(
      "PENDING_ARGS_AVAIL",
      "PENDING_NODE_ASSIGNMENT",
      "SUBMITTED_TO_WORKER",
      "RUNNING",
      "FINISHED",
      "FAILED",
    ),
    "How far it has come.",
    (row) => row.state,
  ),
  column("jobId", text, "Its job.", (row) => row.jobId),
  column("nodeId", orNull(text), "Where it ran, once it has a worker.", (row) => row.nodeId),
  column("workerId", orNull(text), "The worker that ran it.", (row) => row.workerId),
  column("actorId", orNull(text), "The actor that was called, or created.", (row) => row.actorId),
  column("submittedMs", amount, "When it was submitted.", (row) => row.submittedMs, TIME),
  column("startMs", orNull(amount), "When user code began.", (row) => row.startMs, TIME),
  column("endMs", orNull(amount), "When it ended.", (row) => row.endMs, TIME),
  column(
    "durationMs",
    orNull(amount),
    "From the beginning of user code to its end.",
    ({ startMs, endMs }) => startMs !== null && endMs !== null ? endMs - startMs : null,
    DURATION,
  ),
  column("resultBytes", amount, "Size of its results.", (row) => row.resultBytes, BYTES),
  column("errorType", orNull(text), "Class of its error.", (row) => row.error?.type ?? null),
  column("errorMessage", orNull(text), "Its error, in words.", (row) => row.error?.message ?? null),
  column("parentTaskId", orNull(text), "The task that submitted it.", (row) => row.parentTaskId, DETAIL),
  column("pushedMs", orNull(amount), "When it left for its worker.", (row) => row.pushedMs, lateTime),
  column("args", listOf(text), "Refs among its arguments.", (row) => row.args, DETAIL),
  column(
    "labelSelector",
    orNull(mapOf(text)),
    "Labels that its node must have.",
    (row) => row.labelSelector ?? null,
    DETAIL,
  ),
  column(
    "fallbackStrategy",
    orNull(listOf(objectOf({ labelSelector: mapOf(text) }))),
    "Label selectors that are tried in turn.",
    (row) => row.fallbackStrategy ?? null,
    DETAIL,
  ),
];
