/**
 * Who keeps objects alive: the largest ones with all that refer to them, and the same added up by where they were made. All
 * nodes and processes are asked for it.
 * @module
 */
import { useState } from "preact/hooks";
import type { MemoryReport, MemoryRow } from "../../../api/memory.ts";
import { type Column, DataTable } from "../../components/data_table.tsx";
import { Id } from "../../components/id.tsx";
import { NodeName } from "../../components/node_name.tsx";
import { Panel, type PanelProps } from "../../components/panel.tsx";
import { Answer, Empty, Failed } from "../../components/states.tsx";
import { bytes, count, duration } from "../../models/format.ts";
import { HOLDER_KINDS, holderSums, siteGroups } from "../../models/holders.ts";
import { links } from "../../models/links.ts";
import { ask, question, useQuery } from "../../models/query.ts";

/** More than these, and they are asked for by a click: the answer is a walk over all of them, in every process. */
const ASKED_BY_ITSELF_MAX = 2_000;

/** `total`: objects and actors that are counted in the cluster. */
export function Holders({ total }: { total: number }) {
  return total <= ASKED_BY_ITSELF_MAX ? <LiveHolders /> : <AskedHolders total={total} />;
}

function LiveHolders() {
  const answer = useQuery<MemoryReport>(question("objects/holders"));
  return (
    <HoldersPanel note="the largest first; all nodes and processes are asked every few seconds">
      <Answer of={answer}>{(report) => <Report report={report} />}</Answer>
    </HoldersPanel>
  );
}

function AskedHolders({ total }: { total: number }) {
  const [report, setReport] = useState<MemoryReport | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [isAsking, setAsking] = useState(false);
  const run = async (): Promise<void> => {
    setAsking(true);
    try {
      setReport(await ask<MemoryReport>(question("objects/holders")));
      setProblem(null);
    } catch (error) {
      setProblem((error as Error).message);
    }
    setAsking(false);
  };
  const button = (
    <button type="button" disabled={isAsking} onClick={() => void run()}>
      {isAsking ? "Asking…" : report === null ? "Ask all nodes" : "Ask again"}
    </button>
  );
  return (
    <HoldersPanel note="the largest first" actions={button}>
      {problem !== null && <Failed message={problem} />}
      {report !== null ? <Report report={report} /> : (
        <Empty>
          There are {count(total)}{" "}
          objects and actors: their nodes and processes are asked when you want to know.
        </Empty>
      )}
    </HoldersPanel>
  );
}

type HoldersPanelProps = Pick<PanelProps, "note" | "actions" | "children">;

function HoldersPanel(props: HoldersPanelProps) {
  return <Panel id="holders" title="Who keeps objects alive" {...props} />;
}

function Report({ report }: { report: MemoryReport }) {
  const rows = report.rows.filter(({ state }) => state !== "ACTOR");
  return (
    <>
      <Silent report={report} />
      <Sites rows={rows} />
      <DataTable
        label="Objects and who holds them"
        rows={rows}
        rowKey={(row) => row.objectId}
        columns={COLUMNS}
        total={rows.length + leftOf(report)}
        one="object"
        many="objects"
        sort={{ column: "bytes", descending: true }}
        empty="Nobody holds an object. Values that never left their process are not counted."
      />
    </>
  );
}

/** Call sites are recorded when MOBULA_RECORD_CALL_SITES=1 is set. */
function Sites({ rows }: { rows: readonly MemoryRow[] }) {
  const groups = siteGroups(rows).slice(0, 8);
  if (groups.length === 0) return null;
  const isRecorded = groups.some(({ site }) => site !== null);
  return (
    <div class="sites">
      <table>
        <caption>
          By where they were made
          {!isRecorded && (
            <span class="muted hint">
              set <code>MOBULA_RECORD_CALL_SITES=1</code> to see the lines of your program
            </span>
          )}
        </caption>
        <tbody>
          {groups.map(({ producer, site, objects, bytes: size }) => (
            <tr key={`${producer} ${site}`}>
              <th scope="row" class="name">{producer}</th>
              <td class="mono">{site ?? ""}</td>
              <td class="num">{count(objects)} {objects === 1 ? "object" : "objects"}</td>
              <td class="num">{bytes(size)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Silent({ report }: { report: MemoryReport }) {
  const { unreachable, silent } = report;
  if (unreachable.length + silent.length === 0) return null;
  return (
    <p class="footnote">
      No answer in time from {[...unreachable, ...silent].slice(0, 5).map((id) => (
        <span key={id}>
          <Id id={id} />
          {" "}
        </span>
      ))}
      {unreachable.length + silent.length > 5 && `and ${unreachable.length + silent.length - 5} others`}
      : what they hold is told by their agents alone, or missing.
    </p>
  );
}

const COLUMNS: readonly Column<MemoryRow>[] = [
  {
    id: "object",
    title: "Object",
    cell: (row) => (
      <a class="mono id" href={links.object(row.objectId)} title={row.objectId}>{row.objectId}</a>
    ),
    value: (row) => row.objectId,
  },
  {
    id: "bytes",
    title: "Bytes",
    align: "num",
    cell: (row) => bytes(row.bytes),
    value: (row) => row.bytes,
  },
  { id: "producer", title: "Made by", cell: (row) => row.producer, value: (row) => row.producer },
  {
    id: "nodes",
    title: "Nodes",
    cell: (row) => row.nodes.map(({ nodeId }) => <NodeName key={nodeId} id={nodeId} />),
    value: (row) => row.nodes.map(({ nodeId }) => nodeId).join(" "),
  },
  {
    id: "holders",
    title: "Held by",
    help: "References by kind",
    cell: (row) => <HolderTags row={row} />,
    value: (row) => holderSums(row.holders).map(([kind]) => HOLDER_KINDS[kind].title).join(" "),
  },
  {
    id: "age",
    title: "Age",
    align: "num",
    optional: true,
    cell: (row) => row.ageMs === null ? <span class="zero">–</span> : duration(row.ageMs),
    value: (row) => row.ageMs,
  },
];

export function HolderTags({ row }: { row: Pick<MemoryRow, "holders"> }) {
  const sums = holderSums(row.holders);
  if (sums.length === 0) return <span class="zero">nobody</span>;
  return (
    <span class="holder-tags">
      {sums.map(([kind, number]) => (
        <span key={kind} class={`holder ${kind.toLowerCase()}`} title={HOLDER_KINDS[kind].help}>
          {HOLDER_KINDS[kind].title}
          {number > 1 && ` × ${number}`}
        </span>
      ))}
    </span>
  );
}

/** The largest come first: where some without bytes were told of (actors), all that is stored was. */
function leftOf({ rows, left }: MemoryReport): number {
  return rows.some(({ bytes }) => bytes === 0) ? 0 : left;
}
