/**
 * The stored objects of one function, one by one: chosen in the matrix.
 * @module
 */
import type { ListAnswer } from "../../../api_types.ts";
import { type Column, DataTable } from "../../components/data_table.tsx";
import { NodeName } from "../../components/node_name.tsx";
import { Panel } from "../../components/panel.tsx";
import { Answer } from "../../components/states.tsx";
import { bytes } from "../../models/format.ts";
import { links } from "../../models/links.ts";
import { question, useQuery } from "../../models/query.ts";

interface ObjectRow {
  readonly objectId: string;
  readonly bytes: number;
  readonly nodes: readonly string[];
  readonly spilled: readonly string[];
  readonly inFlight: readonly string[];
  readonly primary: string;
}

export function GroupObjects({ group }: { group: string }) {
  const answer = useQuery<ListAnswer>(question("objects", { filter: `producer=${group}`, limit: 200 }));
  return (
    <Panel
      id="group-objects"
      title={`Made by ${group}`}
      actions={<a href={links.objects()}>show all groups</a>}
    >
      <Answer of={answer}>
        {({ rows, total }) => (
          <DataTable
            label={`Objects made by ${group}`}
            rows={rows as unknown as readonly ObjectRow[]}
            rowKey={(row) => row.objectId}
            columns={COLUMNS}
            total={total}
            one="object"
            many="objects"
            sort={{ column: "bytes", descending: true }}
            empty="None of its objects is stored any more."
          />
        )}
      </Answer>
    </Panel>
  );
}

const COLUMNS: readonly Column<ObjectRow>[] = [
  {
    id: "object",
    title: "Object",
    cell: (row) => <a class="mono id" href={links.object(row.objectId)}>{row.objectId}</a>,
    value: (row) => row.objectId,
  },
  {
    id: "bytes",
    title: "Bytes",
    align: "num",
    cell: (row) => bytes(row.bytes),
    value: (row) => row.bytes,
  },
  {
    id: "primary",
    title: "Primary copy",
    cell: (row) => <NodeName id={row.primary} />,
    value: (row) => row.primary,
  },
  {
    id: "copies",
    title: "Copies",
    align: "num",
    cell: (row) => row.nodes.length,
    value: (row) => row.nodes.length,
  },
  {
    id: "where",
    title: "Besides",
    cell: (row) => (
      <>
        {row.spilled.length > 0 && `on disk alone at ${row.spilled.length} `}
        {row.inFlight.length > 0 && `on its way to ${row.inFlight.length}`}
      </>
    ),
  },
];
