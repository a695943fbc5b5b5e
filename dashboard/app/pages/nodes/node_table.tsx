/**
 * A row a node: what is promised of it (logical resources), what it really uses, and its store.
 * @module
 */
import type { NodeDto } from "../../../api_types.ts";
import type { NodesDto, StorePartsDto } from "../../../api/entities.ts";
import { NodeName } from "../../components/node_name.tsx";
import { Panel, Scroll } from "../../components/panel.tsx";
import { Empty } from "../../components/states.tsx";
import { StoreBar } from "../../components/store_bar.tsx";
import { bytes, count } from "../../models/format.ts";
import { Heartbeat } from "./heartbeat.tsx";
import { Meter, ResourceMeters } from "./meters.tsx";

export function NodeTable({ about }: { about: NodesDto }) {
  const { nodes, nodesTotal } = about;
  const stores = new Map(about.stores.map((store) => [store.nodeId, store]));
  return (
    <Panel
      id="nodes"
      title="Nodes"
      note={nodesTotal > nodes.length
        ? `showing ${nodes.length} of ${count(nodesTotal)}`
        : `${count(nodesTotal)} ${nodesTotal === 1 ? "node" : "nodes"}`}
    >
      {nodes.length === 0
        ? (
          <Empty>
            No node has joined yet. <code>mobula start --address HOST:PORT</code> adds one.
          </Empty>
        )
        : (
          <Scroll label="Nodes">
            <table class="nodes">
              <thead>
                <tr>
                  <th scope="col">Node</th>
                  <th scope="col">State</th>
                  <th scope="col" title="What running work was promised">Resources held</th>
                  <th scope="col" title="What the host really uses">CPU and memory</th>
                  <th scope="col">Object store</th>
                  <th scope="col" class="num">Workers</th>
                </tr>
              </thead>
              <tbody>
                {nodes.map((node) => <Row key={node.nodeId} node={node} store={stores.get(node.nodeId)} />)}
              </tbody>
            </table>
          </Scroll>
        )}
    </Panel>
  );
}

function Row({ node, store }: { node: NodeDto; store: StorePartsDto | undefined }) {
  const isDead = node.state === "DEAD";
  return (
    <tr data-key={node.nodeId} class={isDead ? "gone" : ""}>
      <th scope="row">
        <NodeName id={node.nodeId} />
        {node.isHeadNode && <span class="tag">head</span>}
        <div class="sub">
          {node.hostname} · {node.runtime} · pid {node.pid}
        </div>
      </th>
      <td>
        <Heartbeat node={node} />
        {node.stateMessage !== "" && <div class="sub wrap">{node.stateMessage}</div>}
        {node.drain !== null && <div class="sub wrap">drained: {node.drain.reason}</div>}
      </td>
      <td>{!isDead && <ResourceMeters resources={node.resources} />}</td>
      <td>{!isDead && <Physical node={node} />}</td>
      <td class="store-cell">
        {store !== undefined && (
          <>
            <StoreBar store={store} />
            <div class="sub">
              {bytes(store.usedBytes)} of {bytes(store.capacityBytes)}
              {store.spilledBytes > 0 && `, ${bytes(store.spilledBytes)} on disk`}
            </div>
          </>
        )}
      </td>
      <td class="num">{isDead ? "–" : count(node.workers)}</td>
    </tr>
  );
}

export function Physical({ node }: { node: NodeDto }) {
  const { cpuPercent, rssBytes, memoryBytes, diskBytes, diskFreeBytes } = node;
  return (
    <div class="meters">
      <Meter name="CPU" used={cpuPercent} total={100} text={`${Math.round(cpuPercent)} %`} rest="CPU" />
      <Meter
        name="Memory"
        used={rssBytes}
        total={memoryBytes}
        text={bytes(rssBytes)}
        rest={memoryBytes > 0 ? `of ${bytes(memoryBytes)}` : "memory"}
      />
      {diskBytes > 0 && (
        <Meter
          name="Disk"
          used={diskBytes - diskFreeBytes}
          total={diskBytes}
          text={bytes(diskBytes - diskFreeBytes)}
          rest={`of ${bytes(diskBytes)} disk`}
        />
      )}
    </div>
  );
}
