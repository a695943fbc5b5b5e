/**
 * Nodes: what each has, uses and holds.
 * @module
 */
import type { NodeDto, ResourceUse } from "../../api_types.ts";
import { nodes } from "../models/cluster.ts";
import { bytes, count, quantity, shortId } from "../models/format.ts";
import { nodeColourIndex } from "../models/node_colours.ts";
import { useTopics } from "../models/subscriptions.ts";
import { Panel, PartsBar, Scroll, Showing } from "./panel.tsx";
import { State } from "./state.tsx";
import { Empty, Loading } from "./states.tsx";

export function Nodes() {
  useTopics("nodes");
  const table = nodes.value;
  const rows = [...table?.rows ?? []].sort(aliveFirst);
  return (
    <Panel id="nodes" title="Nodes" note={<Showing table={table} one="node" many="nodes" />}>
      {table === null ? <Loading /> : rows.length === 0
        ? (
          <Empty>
            No node has joined yet. <code>mobula start --address HOST:PORT</code> adds one.
          </Empty>
        )
        : (
          <Scroll label="Nodes">
            <table>
              <thead>
                <tr>
                  <th scope="col">Node</th>
                  <th scope="col">State</th>
                  <th scope="col">Resources held</th>
                  <th scope="col" class="meter-column">Object store</th>
                  <th scope="col" class="num">CPU</th>
                  <th scope="col" class="num">Memory</th>
                  <th scope="col" class="num">Workers</th>
                </tr>
              </thead>
              <tbody>{rows.map((row) => <NodeTableRow key={row.nodeId} node={row} />)}</tbody>
            </table>
          </Scroll>
        )}
    </Panel>
  );
}

function NodeTableRow({ node }: { node: NodeDto }) {
  const colour = nodeColourIndex.value.get(node.nodeId) ?? 0;
  const isDead = node.state === "DEAD";
  return (
    <tr data-key={node.nodeId} class={isDead ? "gone" : ""}>
      <th scope="row" class="name">
        <span class={`key node-${colour}`} aria-hidden="true" />
        <span class="mono" title={node.nodeId}>{shortId(node.nodeId)}</span>
        {node.isHeadNode && <span class="tag">head</span>}
        <div class="sub">
          {node.hostname} · {node.address} · {node.runtime} · pid {node.pid}
        </div>
      </th>
      <td>
        <State state={node.state} />
        {node.stateMessage !== "" && <div class="sub wrap">{node.stateMessage}</div>}
      </td>
      <td>
        {!isDead && (
          <div class="meters">
            {Object.entries(node.resources).map(([name, use]) => (
              <Resource key={name} name={name} use={use} />
            ))}
          </div>
        )}
      </td>
      <td class="meter-column">{!isDead && <StoreMeter node={node} />}</td>
      <td class="num">{isDead ? "–" : `${Math.round(node.cpuPercent)} %`}</td>
      <td class="num">{isDead ? "–" : bytes(node.rssBytes)}</td>
      <td class="num">{isDead ? "–" : count(node.workers)}</td>
    </tr>
  );
}

function StoreMeter({ node }: { node: NodeDto }) {
  const [used, whole] = [bytes(node.storeUsedBytes), bytes(node.storeBytes)];
  return (
    <>
      <div class="meter">
        <PartsBar
          whole={node.storeBytes}
          parts={[{ kind: "data", size: node.storeUsedBytes, label: "used" }]}
          label={`${used} of ${whole}`}
        />
        <span>
          {used} <span class="muted">of {whole}</span>
        </span>
      </div>
      <div class="sub">
        {count(node.storeObjects)} {node.storeObjects === 1 ? "object" : "objects"}
        {node.storeSpilledBytes > 0 && `, ${bytes(node.storeSpilledBytes)} on disk`}
      </div>
    </>
  );
}

function Resource({ name, use }: { name: string; use: ResourceUse }) {
  const label = `${quantity(name, use.used)} of ${quantity(name, use.total)}`;
  return (
    <div class="meter">
      <PartsBar
        whole={use.total}
        parts={[{ kind: use.used > use.total ? "over" : "used", size: use.used, label }]}
        label={`${name}: ${label}`}
      />
      <span>
        {quantity(name, use.used)} <span class="muted">of {quantity(name, use.total)} {name}</span>
      </span>
    </div>
  );
}

function aliveFirst(a: NodeDto, b: NodeDto): number {
  const rank = (node: NodeDto): number => (node.state === "DEAD" ? 2 : node.isHeadNode ? 0 : 1);
  return rank(a) - rank(b) || a.startedMs - b.startedMs || (a.nodeId < b.nodeId ? -1 : 1);
}
