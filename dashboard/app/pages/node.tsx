/**
 * One node: whether it is heard, what is promised and what is used, its workers and what they do, its store, its history.
 * @module
 */
import type { NodePageDto } from "../../api/entities.ts";
import { Age } from "../components/age.tsx";
import { FactList, Figures } from "../components/facts.tsx";
import { Panel } from "../components/panel.tsx";
import { Answer } from "../components/states.tsx";
import { State } from "../components/state.tsx";
import { StoreBar, StoreLegend } from "../components/store_bar.tsx";
import { hello } from "../models/cluster.ts";
import { detectorState } from "../models/detector.ts";
import { bytes, clock, count } from "../models/format.ts";
import { links } from "../models/links.ts";
import { question, useQuery } from "../models/query.ts";
import { useTopics } from "../models/subscriptions.ts";
import { DemandPanel } from "./nodes/demand.tsx";
import { LastHeard } from "./nodes/heartbeat.tsx";
import { ResourceMeters } from "./nodes/meters.tsx";
import { NodeEvents } from "./nodes/node_events.tsx";
import { Physical } from "./nodes/node_table.tsx";
import { WorkerTable } from "./nodes/worker_table.tsx";
import { Transfers } from "./objects/transfers.tsx";

export function NodePage({ id }: { id: string }) {
  useTopics("nodes");
  const answer = useQuery<NodePageDto>(question("nodes/one", { id }));
  return (
    <Answer of={answer}>
      {(page) => (
        <>
          <Head page={page} />
          {page.demand.length > 0 && <DemandPanel demand={page.demand} />}
          <Panel id="workers" title="Workers">
            <WorkerTable
              workers={page.workers}
              total={page.workersTotal}
              empty="No worker process: one starts with the first task."
            />
          </Panel>
          {page.transfers.length > 0 && (
            <Transfers about={{ transfers: page.transfers, transfersTotal: page.transfers.length }} />
          )}
          <NodeEvents events={[...page.events].reverse()} />
        </>
      )}
    </Answer>
  );
}

function Head({ page: { node, store } }: { page: NodePageDto }) {
  const isDead = node.state === "DEAD";
  const labels = Object.entries(node.labels);
  return (
    <Panel
      id="node"
      title={node.hostname}
      note={
        <>
          {node.isHeadNode && <span class="tag">head</span>} <span class="mono">{node.nodeId}</span>
        </>
      }
      actions={<a href={links.logs({ node: node.nodeId })}>logs of this node</a>}
    >
      <Figures
        figures={[
          { name: "State", value: <State state={detectorState(node)} /> },
          { name: "Heard", value: <LastHeard node={node} /> },
          { name: "Workers", value: isDead ? "–" : count(node.workers) },
          { name: "Objects", value: isDead ? "–" : count(store.objects) },
          {
            name: "Ended for memory",
            value: count(node.memoryKills),
            help: "Workers that the memory monitor ended",
          },
        ]}
      />
      {node.stateMessage !== "" && <p class="broken">{node.stateMessage}</p>}
      {node.drain !== null && (
        <p class="broken">
          It is being drained until {clock(node.drain.deadlineMs)}: {node.drain.reason}
        </p>
      )}
      {!isDead && (
        <div class="halves">
          <div>
            <h3>Promised to work</h3>
            <ResourceMeters resources={node.resources} />
          </div>
          <div>
            <h3>Really used</h3>
            <Physical node={node} />
          </div>
          <div class="store-cell">
            <h3>
              Object store <StoreLegend />
            </h3>
            <StoreBar store={store} />
            <div class="sub">
              {bytes(store.usedBytes)} of {bytes(store.capacityBytes)} used
              {store.spilledBytes > 0 && `, ${bytes(store.spilledBytes)} on disk alone`}
            </div>
          </div>
        </div>
      )}
      <FactList
        facts={[
          { name: "Address", value: <span class="mono">{node.address}</span> },
          { name: "Runtime", value: `${node.runtime}, pid ${node.pid}` },
          { name: "Version", value: hello.value?.version ?? "", help: "All nodes speak the head's version" },
          {
            name: "Joined",
            value: (
              <>
                <Age sinceMs={node.startedMs} /> ago
              </>
            ),
          },
          labels.length === 0 ? null : {
            name: "Labels",
            value: labels.map(([name, value]) => (
              <span class="tag" key={name}>
                {name}={value}
              </span>
            )),
          },
        ]}
      />
    </Panel>
  );
}
