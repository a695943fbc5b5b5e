/**
 * What ended in the chosen time range, by function: of the attempts that are recorded.
 * @module
 */
import type { SummaryAnswer } from "../../../api/state.ts";
import { type Column, DataTable } from "../../components/data_table.tsx";
import { Panel } from "../../components/panel.tsx";
import { Answer } from "../../components/states.tsx";
import { filterText } from "../../models/filter_text.ts";
import { count, duration } from "../../models/format.ts";
import { links } from "../../models/links.ts";
import { question, useQuery } from "../../models/query.ts";
import type { TimeRange } from "../../models/range.ts";

interface Row {
  readonly name: string;
  readonly finished: number;
  readonly failed: number;
  readonly runMs: number;
}

export function RangeFunctions({ range: { fromMs, toMs } }: { range: TimeRange }) {
  const filter = [`endMs>${Math.floor(fromMs)}`, `endMs<${Math.ceil(toMs)}`];
  const answer = useQuery<SummaryAnswer>(question("summary/tasks", { by: "name,state", filter }));
  const from = String(Math.floor(fromMs)), to = String(Math.ceil(toMs));
  const columns: readonly Column<Row>[] = [
    {
      id: "name",
      title: "Function",
      value: (row) => row.name,
      cell: (row) => (
        <a class="clip" href={links.tasks({ filter: filterText([`name=${row.name}`]), from, to })}>
          {row.name}
        </a>
      ),
    },
    {
      id: "finished",
      title: "Finished",
      align: "num",
      value: (row) => row.finished,
      cell: (row) => count(row.finished),
    },
    {
      id: "failed",
      title: "Failed",
      align: "num",
      value: (row) => row.failed,
      cell: (row) => <span class={row.failed === 0 ? "zero" : "failed-text"}>{count(row.failed)}</span>,
    },
    {
      id: "run",
      title: "Time in it",
      align: "num",
      value: (row) => row.runMs,
      cell: (row) => duration(row.runMs),
    },
  ];
  return (
    <Panel id="range-functions" title="Ended in this time" note="recorded attempts">
      <Answer of={answer}>
        {(summary) => (
          <DataTable
            label="Functions in the chosen time"
            one="function"
            many="functions"
            rows={rowsOf(summary)}
            rowKey={(row) => row.name}
            columns={columns}
            sort={{ column: "run", descending: true }}
            empty="No attempt ended in this time."
          />
        )}
      </Answer>
    </Panel>
  );
}

function rowsOf({ rows }: SummaryAnswer): Row[] {
  const byName = new Map<string, Row>();
  for (const group of rows) {
    const name = String(group["name"]);
    const before = byName.get(name) ?? { name, finished: 0, failed: 0, runMs: 0 };
    const measured = group["durationMs"] as { sum?: number } | undefined;
    const number = Number(group["count"]);
    byName.set(name, {
      name,
      finished: before.finished + (group["state"] === "FINISHED" ? number : 0),
      failed: before.failed + (group["state"] === "FAILED" ? number : 0),
      runMs: before.runMs + (measured?.sum ?? Number(group["runMs"] ?? 0)),
    });
  }
  return [...byName.values()];
}
