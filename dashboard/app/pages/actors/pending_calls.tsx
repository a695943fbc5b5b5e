/**
 * An actor's calls that are not done: which run, which wait, and why.
 * @module
 */
import type { ListAnswer } from "../../../api_types.ts";
import { Age } from "../../components/age.tsx";
import { type Column, DataTable } from "../../components/data_table.tsx";
import { Panel } from "../../components/panel.tsx";
import { State } from "../../components/state.tsx";
import { Answer } from "../../components/states.tsx";
import { Why } from "../../components/why.tsx";
import { links } from "../../models/links.ts";
import { question, useQuery } from "../../models/query.ts";

const LIMIT = 100;

interface CallRow {
  readonly taskId: string;
  readonly attempt: number;
  readonly name: string;
  readonly state: string;
  readonly submittedMs: number;
  readonly startMs: number | null;
}

export function PendingCalls({ actorId }: { actorId: string }) {
  const answer = useQuery<ListAnswer>(
    question("tasks", {
      filter: [`actorId=${actorId}`, "state!=FINISHED", "state!=FAILED"],
      limit: LIMIT,
    }),
  );
  return (
    <Panel id="pending-calls" title="Calls that are not done">
      <Answer of={answer}>
        {({ rows, total }) => (
          <DataTable
            label="Calls that are not done"
            rows={rows as unknown as readonly CallRow[]}
            rowKey={(row) => `${row.taskId} ${row.attempt}`}
            columns={COLUMNS}
            total={total}
            one="call"
            many="calls"
            empty="None is known. Calls that end soon are told of when they have ended: the mailbox counts all."
          />
        )}
      </Answer>
    </Panel>
  );
}

const COLUMNS: readonly Column<CallRow>[] = [
  {
    id: "call",
    title: "Call",
    cell: (row) => <a href={links.task(row.taskId)} title={row.taskId}>{row.name}</a>,
    value: (row) => row.name,
  },
  { id: "state", title: "State", cell: (row) => <State state={row.state} />, value: (row) => row.state },
  {
    id: "age",
    title: "Since",
    align: "num",
    cell: (row) => <Age sinceMs={row.startMs ?? row.submittedMs} />,
    value: (row) => row.submittedMs,
  },
  { id: "why", title: "", cell: (row) => <Why id={row.taskId} /> },
];
