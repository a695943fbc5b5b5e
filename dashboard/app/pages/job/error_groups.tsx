/**
 * Failures that look alike, once each.
 * @module
 */
import type { ErrorGroupDto, ProfileDto } from "../../../api/tasks.ts";
import { type Column, DataTable } from "../../components/data_table.tsx";
import { Id } from "../../components/id.tsx";
import { Panel } from "../../components/panel.tsx";
import { clock, count } from "../../models/format.ts";
import { links } from "../../models/links.ts";

/** Tasks that are named for one group. */
const TASKS_NAMED = 3;

const COLUMNS: readonly Column<ErrorGroupDto>[] = [
  {
    id: "error",
    title: "Error",
    value: (row) => `${row.functionName} ${row.errorType} ${row.message}`,
    cell: (row) => (
      <div class="error-text">
        <span class="failed-text">{row.errorType}</span> in {row.functionName}
        <div class="message wrap">{row.message}</div>
      </div>
    ),
  },
  {
    id: "count",
    title: "Failures",
    align: "num",
    value: (row) => row.count,
    cell: (row) => <Times group={row} />,
  },
  {
    id: "first",
    title: "First",
    align: "num",
    optional: true,
    value: (row) => row.firstMs,
    cell: (row) => clock(row.firstMs),
  },
  { id: "last", title: "Last", align: "num", value: (row) => row.lastMs, cell: (row) => clock(row.lastMs) },
  {
    id: "tasks",
    title: "Tasks",
    cell: (row) => (
      <span class="row-links">{row.taskIds.slice(0, TASKS_NAMED).map((id) => <Id key={id} id={id} />)}</span>
    ),
  },
];

/** How often, and what failed because of it. */
export function Times({ group: { count: own, dependants = 0 } }: { group: ErrorGroupDto }) {
  return (
    <>
      {count(own)}
      {dependants > 0 && (
        <div class="sub" data-dependants={dependants}>
          and {count(dependants)} {dependants === 1 ? "dependant" : "dependants"} failed with it
        </div>
      )}
    </>
  );
}

export function ErrorGroups({ profile }: { profile: ProfileDto }) {
  if (profile.errors.length === 0) return null;
  return (
    <Panel
      id="errors"
      title="Errors"
      actions={<a href={links.errors({ job: profile.jobId })}>All errors</a>}
    >
      <DataTable
        label="Errors of this job"
        one="kind of error"
        many="kinds of errors"
        rows={profile.errors}
        total={profile.errorsTotal}
        rowKey={(row) => row.fingerprint}
        columns={COLUMNS}
        empty="Nothing failed."
      />
    </Panel>
  );
}
