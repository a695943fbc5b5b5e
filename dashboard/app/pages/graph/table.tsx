/**
 * The graph in words: the same nodes and numbers as a table, for keyboards, screen readers and sorting.
 * @module
 */
import type { GraphDto, GraphGroupDto } from "../../../api/graph.ts";
import { Age } from "../../components/age.tsx";
import { type Column, DataTable } from "../../components/data_table.tsx";
import { Id } from "../../components/id.tsx";
import { State } from "../../components/state.tsx";
import { bytes, count, duration } from "../../models/format.ts";
import { setParams } from "../../models/route.ts";
import { functionColourIndex } from "../../models/theme.ts";
import type { GroupRates } from "./rates.ts";
import { type GraphScene, heldOf, openOf, type SceneNode } from "./scene.ts";
import type { GraphState } from "./state.ts";

type GroupRow = Extract<SceneNode, { kind: "group" | "cloud" }>;
type TaskRow = Extract<SceneNode, { kind: "task" }>;

interface TableProps {
  readonly own: GraphState;
  readonly scene: GraphScene;
  readonly rates: GroupRates;
  readonly graph: GraphDto | null;
  readonly opened: GraphGroupDto | null;
}

export function GraphTable({ own, scene, rates, graph }: TableProps) {
  const tasks = scene.nodes.filter((node): node is TaskRow => node.kind === "task");
  if (tasks.length > 0) {
    return (
      <div class="canvas-table">
        <DataTable
          label="Tasks of the graph"
          rows={tasks}
          rowKey={(row) => row.key}
          columns={TASK_COLUMNS}
          one="task"
          many="tasks"
          empty="There is no task."
          sort={{ column: "hop", descending: false }}
        />
      </div>
    );
  }
  const groups = scene.nodes.filter((node): node is GroupRow =>
    node.kind === "group" || node.kind === "cloud"
  );
  return (
    <div class="canvas-table">
      <DataTable
        label="Groups of the graph"
        rows={groups}
        rowKey={(row) => row.key}
        columns={groupColumns(own, rates)}
        total={graph?.total ?? groups.length}
        one="group"
        many="groups"
        empty="There is no group."
        sort={{ column: "finished", descending: true }}
      />
    </div>
  );
}

function groupColumns(own: GraphState, rates: GroupRates): Column<GroupRow>[] {
  const number = (
    id: string,
    title: string,
    value: (row: GroupRow) => number,
    kind = "",
    optional = false,
  ): Column<GroupRow> => ({
    id,
    title,
    align: "num",
    optional,
    value,
    cell: (row) => <span class={value(row) === 0 ? "zero" : kind}>{count(value(row))}</span>,
  });
  return [
    {
      id: "name",
      title: "Group",
      value: (row) => row.name,
      cell: (row) => <NameCell row={row} own={own} />,
    },
    {
      id: "type",
      title: "Type",
      optional: true,
      value: (row) => row.group.type,
      cell: (row) => row.group.type,
    },
    number("finished", "Finished", (row) => row.group.finished),
    number("running", "Running", (row) => row.group.running, "running-text"),
    number("waiting", "Waiting", (row) => openOf(row.group) - row.group.running, "", true),
    number("failed", "Failed", (row) => row.group.failed, "failed-text"),
    {
      id: "rate",
      title: "Per second",
      align: "num",
      optional: true,
      value: (row) => rates.of(row.key),
      cell: (row) => rates.of(row.key) < 0.05 ? <span class="zero">–</span> : rates.of(row.key).toFixed(1),
    },
    {
      id: "run",
      title: "Ran",
      align: "num",
      optional: true,
      value: (row) => row.group.runMs,
      cell: (row) => duration(row.group.runMs),
    },
    {
      id: "held",
      title: "Held",
      align: "num",
      value: (row) => heldOf(row.group),
      cell: (row) => heldOf(row.group) === 0 ? <span class="zero">–</span> : bytes(heldOf(row.group)),
    },
    {
      id: "open",
      title: "",
      cell: (row) => row.group.type === "put" ? null : <OpenCell row={row} />,
    },
  ];
}

function NameCell({ row, own }: { row: GroupRow; own: GraphState }) {
  const select = (): void => {
    own.selected.value = { key: row.key, taskId: null };
  };
  return (
    <button type="button" class="plain name-button" onClick={select}>
      <i class={`key fn-${functionColourIndex(row.name)}`} aria-hidden="true" />
      {row.name}
    </button>
  );
}

function OpenCell({ row }: { row: GroupRow }) {
  const isOpen = row.kind === "cloud";
  return (
    <button
      type="button"
      aria-expanded={isOpen}
      onClick={() => setParams({ group: isOpen ? null : row.key }, true)}
    >
      {isOpen ? "Close" : "Open"}
    </button>
  );
}

const TASK_COLUMNS: readonly Column<TaskRow>[] = [
  { id: "name", title: "Task", value: (row) => row.name, cell: (row) => row.name },
  { id: "id", title: "Id", value: (row) => row.key, cell: (row) => <Id id={row.key} /> },
  {
    id: "hop",
    title: "Hop",
    help: "Below zero: what the task needs. Above: what needs it.",
    align: "num",
    value: (row) => row.hop,
    cell: (row) => String(row.hop),
  },
  {
    id: "state",
    title: "State",
    value: (row) => row.task.state,
    cell: (row) => <State state={row.task.state} />,
  },
  {
    id: "ran",
    title: "Ran",
    align: "num",
    value: (row) =>
      row.task.startMs === null || row.task.endMs === null ? null : row.task.endMs - row.task.startMs,
    cell: ({ task }) => <Age sinceMs={task.startMs} untilMs={task.endMs} />,
  },
  {
    id: "node",
    title: "Node",
    optional: true,
    value: (row) => row.task.nodeId,
    cell: (row) => <Id id={row.task.nodeId} />,
  },
  {
    id: "around",
    title: "",
    cell: (row) => (
      <button type="button" onClick={() => setParams({ task: row.key }, true)}>
        Around it
      </button>
    ),
  },
];
