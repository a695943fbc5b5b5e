/**
 * Worker processes with what they do: the actor that lives in one, or the function that it was leased for.
 * @module
 */
import type { WorkerDto } from "../../../api/entities.ts";
import { Age } from "../../components/age.tsx";
import { type Column, DataTable } from "../../components/data_table.tsx";
import { Id } from "../../components/id.tsx";
import { NodeName } from "../../components/node_name.tsx";
import { State } from "../../components/state.tsx";
import { bytes } from "../../models/format.ts";
import { links } from "../../models/links.ts";

export interface WorkerTableProps {
  readonly workers: readonly WorkerDto[];
  readonly total: number;
  readonly hasNodes?: boolean;
  readonly empty: string;
}

export function WorkerTable({ workers, total, hasNodes = false, empty }: WorkerTableProps) {
  return (
    <DataTable
      label="Worker processes"
      rows={workers}
      rowKey={(row) => row.workerId}
      columns={hasNodes ? [COLUMNS[0]!, NODE, ...COLUMNS.slice(1)] : COLUMNS}
      total={total}
      one="worker"
      many="workers"
      empty={empty}
      rowClass={(row) => (row.state === "DEAD" ? "gone" : "")}
    />
  );
}

const NODE: Column<WorkerDto> = {
  id: "node",
  title: "Node",
  cell: (row) => <NodeName id={row.nodeId} />,
  value: (row) => row.nodeId,
};

const COLUMNS: readonly Column<WorkerDto>[] = [
  {
    id: "worker",
    title: "Worker",
    cell: (row) => <Id id={row.workerId} />,
    value: (row) => row.workerId,
  },
  { id: "state", title: "State", cell: (row) => <State state={row.state} />, value: (row) => row.state },
  { id: "work", title: "Does", cell: (row) => <Work worker={row} />, value: (row) => row.work },
  {
    id: "memory",
    title: "Memory",
    help: "Its own, without the object store",
    align: "num",
    cell: (row) => row.rssBytes === null ? <span class="zero">–</span> : bytes(row.rssBytes),
    value: (row) => row.rssBytes,
  },
  {
    id: "cpu",
    title: "CPU",
    help: "Of one processor",
    align: "num",
    cell: (row) => row.cpuPercent === null ? <span class="zero">–</span> : `${Math.round(row.cpuPercent)} %`,
    value: (row) => row.cpuPercent,
  },
  {
    id: "pid",
    title: "Pid",
    align: "num",
    cell: (row) => row.pid ?? "–",
    value: (row) => row.pid,
  },
  {
    id: "runtime",
    title: "Runtime",
    optional: true,
    cell: (row) => row.runtime,
    value: (row) => row.runtime,
  },
  {
    id: "job",
    title: "Job",
    optional: true,
    cell: (row) => <Id id={row.jobId} />,
    value: (row) => row.jobId,
  },
  {
    id: "age",
    title: "Lived",
    align: "num",
    optional: true,
    cell: (row) => <Age sinceMs={row.startedMs} untilMs={row.endedMs} />,
    value: (row) => row.startedMs,
  },
];

/** What a worker does: a link to its actor, or to the tasks that run there. */
export function Work({ worker }: { worker: WorkerDto }) {
  const { actorId, work, workerId, state, exitDetail, placementGroupId, bundleIndex } = worker;
  if (state === "DEAD") return <span class="sub wrap">{exitDetail ?? "ended"}</span>;
  const inside = placementGroupId !== null && (
    <a class="tag" href={links.group(placementGroupId)} title={placementGroupId}>bundle {bundleIndex}</a>
  );
  if (actorId !== null) {
    return (
      <>
        <span class="mark" aria-hidden="true">⬡</span>
        <a href={links.actor(actorId)} title={actorId}>{work ?? "actor"}</a> {inside}
      </>
    );
  }
  if (work === null) return <span class="zero">{state === "LEASED" ? "leased" : "nothing"}</span>;
  return (
    <>
      <span class="mark" aria-hidden="true">ƒ</span>
      <a href={links.worker(workerId)}>{work}</a> {inside}
    </>
  );
}
