/**
 * One placement group: where its bundles are, what it waits for, and who is inside.
 * @module
 */
import type { ActorDto } from "../../api_types.ts";
import type { GroupPageDto } from "../../api/entities.ts";
import { Age } from "../components/age.tsx";
import { type Column, DataTable } from "../components/data_table.tsx";
import { FactList, Figures } from "../components/facts.tsx";
import { Id } from "../components/id.tsx";
import { NodeName } from "../components/node_name.tsx";
import { Panel } from "../components/panel.tsx";
import { Answer } from "../components/states.tsx";
import { State } from "../components/state.tsx";
import { Why } from "../components/why.tsx";
import { count, duration } from "../models/format.ts";
import { links } from "../models/links.ts";
import { question, useQuery } from "../models/query.ts";
import { useTopics } from "../models/subscriptions.ts";
import { BundleMatrix } from "./groups/bundles.tsx";
import { WorkerTable } from "./nodes/worker_table.tsx";

export function GroupPage({ id }: { id: string }) {
  useTopics("nodes");
  const answer = useQuery<GroupPageDto>(question("groups/one", { id }));
  return (
    <Answer of={answer}>
      {(page) => (
        <>
          <Head page={page} />
          <BundleMatrix page={page} />
          <Panel id="workers" title="Workers inside">
            <WorkerTable
              workers={page.workers}
              total={page.workers.length}
              hasNodes
              empty="Nothing runs in its bundles now."
            />
          </Panel>
          <Panel id="actors" title="Actors inside">
            <DataTable
              label="Actors of the group"
              rows={page.actors}
              rowKey={(row) => row.actorId}
              columns={ACTOR_COLUMNS}
              total={page.actorsTotal}
              one="actor"
              many="actors"
              empty="No actor lives, or waits, in it."
            />
          </Panel>
        </>
      )}
    </Answer>
  );
}

function Head({ page: { group } }: { page: GroupPageDto }) {
  const isWaiting = group.state !== "CREATED" && group.state !== "REMOVED";
  const placed = group.bundles.filter(({ nodeId }) => nodeId !== null).length;
  return (
    <Panel
      id="group"
      title={group.name || "Placement group"}
      note={
        <>
          {group.detached && <span class="tag">detached</span>}{" "}
          <span class="mono">{group.placementGroupId}</span>
        </>
      }
    >
      <Figures
        figures={[
          { name: "State", value: <State state={group.state} /> },
          { name: "Strategy", value: group.strategy },
          { name: "Placed", value: `${count(placed)} of ${count(group.bundles.length)}` },
          {
            name: "Ready after",
            value: group.readyMs === null ? "–" : duration(group.readyMs - group.createdMs),
          },
        ]}
      />
      {group.message !== "" && !isWaiting && <p class="broken">{group.message}</p>}
      {isWaiting && <Why id={group.placementGroupId} open />}
      <FactList
        facts={[
          { name: "Namespace", value: group.namespace },
          { name: "Job", value: <Id id={group.jobId} whole /> },
          { name: "Owner", value: <Id id={group.owner} whole />, help: "The process that made it" },
          { name: "Lived", value: <Age sinceMs={group.createdMs} untilMs={group.endedMs} /> },
        ]}
      />
    </Panel>
  );
}

const ACTOR_COLUMNS: readonly Column<ActorDto>[] = [
  {
    id: "actor",
    title: "Actor",
    cell: (row) => (
      <>
        <a href={links.actor(row.actorId)} title={row.actorId}>{row.className || "(unknown class)"}</a>
        {row.name !== "" && <span class="tag">{row.name}</span>}
      </>
    ),
    value: (row) => row.className,
  },
  { id: "state", title: "State", cell: (row) => <State state={row.state} />, value: (row) => row.state },
  { id: "node", title: "Node", cell: (row) => <NodeName id={row.nodeId} />, value: (row) => row.nodeId },
];
