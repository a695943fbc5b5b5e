/**
 * The task graph from afar: functions as groups with exact counts and edges; and the recorded tasks of one group.
 * @module
 */
import type {
  GraphDto,
  GraphGroup,
  GraphGroupDto,
  GraphGroupEdge,
  GraphTask,
  GraphTaskEdge,
} from "../../../../dashboard/api/graph.ts";
import type { FunctionProfileDto } from "../../../../dashboard/api/tasks.ts";
import { FAILED, FINISHED, TYPES } from "./attempt_codes.ts";
import { NONE } from "./attempt_columns.ts";
import { type AttemptReader, kindName } from "./attempt_rows.ts";
import { groupIdOf, groupTypeOf, partsOfGroup, PUT_GROUP } from "./group_ids.ts";
import type { JobBook } from "./job_book.ts";
import { functionsOf } from "./job_profile.ts";
import { PUT_INDEX } from "./task_ids.ts";
import type { TaskTelemetry } from "./task_telemetry.ts";

const GROUPS_SHOWN = 200;
const EDGES_SHOWN = 1_000;
export const GROUP_TASKS: number = 2_000;

export function graphOf(telemetry: TaskTelemetry, book: JobBook): GraphDto {
  const functions = functionsOf(telemetry, book);
  const shown = functions.slice(0, GROUPS_SHOWN - 1);
  const groups: GraphGroup[] = shown.map(groupOf);
  const idByName = idsByName(shown);
  const edges: GraphGroupEdge[] = [];
  let put = 0;
  for (const { from, to, count, bytes } of book.counts.edges.groups.values()) {
    const source = from === "put" ? PUT_GROUP : idByName.get(from);
    const target = idByName.get(to);
    if (source === undefined || target === undefined) continue;
    if (source === PUT_GROUP) put += count;
    edges.push({ from: source, to: target, count, bytes });
  }
  edges.sort((a, b) => b.bytes + b.count - (a.bytes + a.count));
  if (put > 0) groups.push(putGroup());
  const total = functions.length + (put > 0 ? 1 : 0);
  return {
    jobId: book.jobId === "" ? null : book.jobId,
    version: book.version,
    groups,
    edges: edges.slice(0, EDGES_SHOWN),
    shown: groups.length,
    total,
  };
}

function groupOf({ id, name, type, runMs, ...row }: FunctionProfileDto): GraphGroup {
  const { pendingArgs, pendingNode, submitted, running, finished, failed } = row;
  const counts = { pendingArgs, pendingNode, submitted, running, finished, failed };
  return { id, name, type: groupTypeOf(type), ...counts, runMs, nodes: {} };
}

function putGroup(): GraphGroup {
  const none = { pendingArgs: 0, pendingNode: 0, submitted: 0, running: 0, finished: 0, failed: 0 };
  return { id: PUT_GROUP, name: "put", type: "put", ...none, runMs: 0, nodes: {} };
}

/** Edges name functions: of two with one name the task goes first, then the method. */
function idsByName(functions: readonly FunctionProfileDto[]): Map<string, string> {
  const ids = new Map<string, string>();
  for (const type of ["ACTOR_CREATION_TASK", "ACTOR_TASK", "NORMAL_TASK"]) {
    for (const row of functions) if (row.type === type) ids.set(row.name, row.id);
  }
  return ids;
}

/** @throws {RangeError} for what is no group of tasks. */
export function groupTasksOf(
  telemetry: TaskTelemetry,
  book: JobBook,
  group: string,
  limit: number,
): GraphGroupDto {
  const parts = partsOfGroup(group);
  if (parts === null && group !== PUT_GROUP) {
    throw new RangeError(`there is no group ${JSON.stringify(group.slice(0, 80))} in the graph`);
  }
  const found = parts === null ? [] : slotsOf(telemetry, book, parts.name, TYPES.indexOf(parts.type));
  const slots = sampleOf(telemetry, found, limit);
  const { edges, outside } = edgesAmong(telemetry, group, slots);
  return {
    group,
    name: parts?.name ?? "put",
    tasks: slots.map((slot) => graphTask(telemetry.reader, slot)),
    edges,
    outside,
    shown: slots.length,
    total: found.length,
  };
}

/** Recorded tasks of a function: of each its newest attempt, roughly in the order in which they came. */
function slotsOf({ store }: TaskTelemetry, book: JobBook, name: string, type: number): number[] {
  const { job, kind, flags, owner, sequence, attempt } = store.columns.a;
  const isKind = new Uint8Array(store.kinds.size);
  for (let i = 0; i < isKind.length; i++) isKind[i] = kindName(store.kinds.text(i)) === name ? 1 : 0;
  const slots: number[] = [];
  for (let slot = 0; slot < store.size; slot++) {
    if (isKind[kind[slot]!] === 0 || (flags[slot]! >> 3) !== type) continue;
    if (book.index >= 0 && job[slot] !== book.index) continue;
    const isNewest = store.find(owner[slot]!, sequence[slot]!, attempt[slot]! + 1) === NONE;
    if (isNewest) slots.push(slot);
  }
  return slots;
}

/** Failed and open ones first (of these the newest), of the rest every n-th. */
function sampleOf({ store }: TaskTelemetry, slots: readonly number[], limit: number): number[] {
  if (slots.length <= limit) return [...slots];
  const { flags } = store.columns.a;
  const code = (slot: number) => flags[slot]! & 7;
  const failed = slots.filter((slot) => code(slot) === FAILED).slice(-Math.ceil(limit / 4));
  const open = slots.filter((slot) => code(slot) < FINISHED).slice(-Math.ceil(limit / 4));
  const rest = slots.filter((slot) => code(slot) === FINISHED);
  const room = Math.min(rest.length, limit - failed.length - open.length);
  const sampled = Array.from({ length: room }, (_, i) => rest[Math.floor(i * rest.length / room)]!);
  return [...failed, ...open, ...sampled];
}

function edgesAmong(
  { store, reader }: TaskTelemetry,
  group: string,
  slots: readonly number[],
): Pick<GraphGroupDto, "edges" | "outside"> {
  const { cells } = store;
  const { args } = store.columns.a;
  const shown = new Set(slots);
  const edges = new Map<string, GraphTaskEdge>();
  const outside = new Map<string, number>();
  for (const slot of slots) {
    const to = reader.taskId(slot);
    for (let cell = args[slot]!; cell !== NONE; cell = cells.next[cell]!) {
      const producer = cells.index[cell] === PUT_INDEX
        ? NONE
        : store.newest(cells.owner[cell]!, cells.sequence[cell]!);
      if (producer !== NONE && shown.has(producer)) {
        const from = reader.taskId(producer);
        const key = `${from} ${to}`;
        edges.set(key, { from, to, count: (edges.get(key)?.count ?? 0) + 1 });
        continue;
      }
      const from = producer === NONE
        ? cells.index[cell] === PUT_INDEX ? PUT_GROUP : null
        : groupIdOf(reader.name(producer), reader.type(producer));
      // What made it is not recorded; or it is of this group, and not among those that are shown.
      if (from !== null && from !== group) outside.set(from, (outside.get(from) ?? 0) + 1);
    }
  }
  return {
    edges: [...edges.values()],
    outside: [...outside].map(([from, count]) => ({ from, to: group, count })),
  };
}

/** One attempt as a node of the graph. */
export function graphTask(reader: AttemptReader, slot: number): GraphTask {
  return {
    taskId: reader.taskId(slot),
    attempt: reader.store.columns.a.attempt[slot]!,
    name: reader.name(slot),
    type: reader.type(slot),
    state: reader.state(slot),
    nodeId: reader.nodeId(slot),
    actorId: reader.actorId(slot),
    startMs: reader.startMs(slot),
    endMs: reader.endMs(slot),
  };
}
