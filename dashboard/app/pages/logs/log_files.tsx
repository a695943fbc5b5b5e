/**
 * All log files, those that were written last first.
 * @module
 */
import type { LogFileRow } from "../../../api/logs.ts";
import { type Column, DataTable } from "../../components/data_table.tsx";
import { Id } from "../../components/id.tsx";
import { Panel } from "../../components/panel.tsx";
import { Answer } from "../../components/states.tsx";
import { bytes, clock } from "../../models/format.ts";
import { links } from "../../models/links.ts";
import { useQuery } from "../../models/query.ts";

const COLUMNS: readonly Column<LogFileRow>[] = [
  {
    id: "source",
    title: "Log of",
    cell: ({ source, file }) => <a class="mono" href={links.logs({ file })}>{source}</a>,
    value: ({ source }) => source,
  },
  {
    id: "node",
    title: "Node",
    optional: true,
    cell: ({ node }) => <Id id={node} />,
    value: ({ node }) => node,
  },
  {
    id: "pid",
    title: "Pid",
    align: "num",
    optional: true,
    cell: ({ pid }) => pid ?? "–",
    value: ({ pid }) => pid,
  },
  { id: "bytes", title: "Size", align: "num", cell: (row) => bytes(row.bytes), value: (row) => row.bytes },
  {
    id: "changed",
    title: "Written",
    align: "num",
    cell: ({ changedMs }) => clock(changedMs),
    value: ({ changedMs }) => changedMs,
  },
  {
    id: "raw",
    title: "",
    cell: ({ file }) => <a href={`./api/v1/logs/raw?id=${encodeURIComponent(file)}`} download>Download</a>,
  },
];

export function LogFiles() {
  const answer = useQuery<{ files: readonly LogFileRow[]; unreachable: readonly string[] }>("logs/files");
  return (
    <Panel id="log-files" title="Files" note="logs of ended workers are kept up to a bound">
      <Answer of={answer}>
        {({ files, unreachable }) => (
          <>
            {unreachable.length > 0 && <p class="note">{unreachable.join(", ")} did not answer.</p>}
            <DataTable
              label="Log files"
              one="file"
              many="files"
              rows={files}
              rowKey={({ file }) => file}
              columns={COLUMNS}
              empty="Nothing was written yet."
            />
          </>
        )}
      </Answer>
    </Panel>
  );
}
