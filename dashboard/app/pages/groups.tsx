/**
 * All placement groups: their bundles on the nodes, their state, and what those that wait are waiting for.
 * @module
 */
import type { GroupDto, PageOf } from "../../api/entities.ts";
import { Age } from "../components/age.tsx";
import { type Column, DataTable } from "../components/data_table.tsx";
import { Id } from "../components/id.tsx";
import { Panel } from "../components/panel.tsx";
import { State } from "../components/state.tsx";
import { Answer } from "../components/states.tsx";
import { links } from "../models/links.ts";
import { question, useQuery } from "../models/query.ts";
import { useTopics } from "../models/subscriptions.ts";
import { BundleStrip } from "./groups/bundles.tsx";

export function GroupsPage() {
  useTopics("nodes");
  const answer = useQuery<PageOf<GroupDto>>(question("groups/overview"));
  return (
    <Panel id="groups" title="Placement groups">
      <Answer of={answer}>
        {({ rows, total, dropped }) => (
          <DataTable
            label="Placement groups"
            rows={rows}
            rowKey={(row) => row.placementGroupId}
            columns={COLUMNS}
            total={total}
            dropped={dropped}
            one="group"
            many="groups"
            empty={
              <>
                No placement group. <code>placementGroup(bundles)</code>{" "}
                reserves resources on several nodes at once.
              </>
            }
            rowClass={(row) => (row.state === "REMOVED" ? "gone" : "")}
          />
        )}
      </Answer>
    </Panel>
  );
}

const COLUMNS: readonly Column<GroupDto>[] = [
  {
    id: "group",
    title: "Group",
    cell: (row) => (
      <>
        <a class="mono id" href={links.group(row.placementGroupId)} title={row.placementGroupId}>
          {row.name || row.placementGroupId}
        </a>
        {row.detached && <span class="tag">detached</span>}
        <div class="sub">{row.strategy}</div>
      </>
    ),
    value: (row) => row.name || row.placementGroupId,
  },
  {
    id: "state",
    title: "State",
    cell: (row) => (
      <>
        <State state={row.state} />
        {row.message !== "" && <div class="sub wrap">{row.message}</div>}
      </>
    ),
    value: (row) => `${row.state} ${row.message}`,
  },
  { id: "bundles", title: "Bundles by node", cell: (row) => <BundleStrip bundles={row.bundles} /> },
  {
    id: "count",
    title: "Bundles",
    align: "num",
    optional: true,
    cell: (row) => row.bundles.length,
    value: (row) => row.bundles.length,
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
    cell: (row) => <Age sinceMs={row.createdMs} untilMs={row.endedMs} />,
    value: (row) => row.createdMs,
  },
];
