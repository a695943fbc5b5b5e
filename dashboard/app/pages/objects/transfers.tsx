/**
 * Bytes between nodes as they go: from each row's node to each column's. What goes now is marked; the colour says how much has
 * gone in all. On the diagonal: from a node's disk back into its memory.
 * @module
 */
import type { ObjectsDto, TransferDto } from "../../../api/entities.ts";
import { NodeName } from "../../components/node_name.tsx";
import { Panel, Scroll } from "../../components/panel.tsx";
import { Empty } from "../../components/states.tsx";
import { bytes, count } from "../../models/format.ts";
import { heat } from "../../models/heat.ts";
import { nodeColourIndex } from "../../models/node_colours.ts";

/** Nodes on each side; those with the most traffic. */
const NODES_MAX = 24;

export function Transfers({ about }: { about: Pick<ObjectsDto, "transfers" | "transfersTotal"> }) {
  const { transfers, transfersTotal } = about;
  const nodes = busiest(transfers);
  const shown = nodes.slice(0, NODES_MAX);
  const byPair = new Map(transfers.map((pair) => [`${pair.from} ${pair.to}`, pair]));
  const largest = Math.max(1, ...transfers.map((pair) => pair.bytes));
  const total = transfers.reduce((sum, pair) => sum + pair.bytes, 0);
  const rate = transfers.reduce((sum, pair) => sum + pair.bytesPerSecond, 0);
  return (
    <Panel
      id="transfers"
      title="Transfers between nodes"
      note={transfers.length === 0 ? undefined : (
        <>
          {bytes(total)} so far
          {rate > 0 && <strong class="running-text">, {bytes(rate)}/s now</strong>}
          {transfersTotal > transfers.length &&
            `, showing ${transfers.length} of ${count(transfersTotal)} pairs`}
          {nodes.length > shown.length && `, ${shown.length} of ${nodes.length} nodes`}
        </>
      )}
    >
      {transfers.length === 0
        ? <Empty>Nothing has gone from node to node yet: every task found its arguments where it ran.</Empty>
        : (
          <Scroll label="Bytes from each node to each other">
            <table class="matrix transfers">
              <thead>
                <tr>
                  <th scope="col">From ↓ to →</th>
                  {shown.map((to) => (
                    <th scope="col" class="num cell" key={to}>
                      <NodeName id={to} />
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {shown.map((from) => (
                  <tr key={from} data-key={from}>
                    <th scope="row">
                      <NodeName id={from} />
                    </th>
                    {shown.map((to) => (
                      <Pair
                        key={to}
                        pair={byPair.get(`${from} ${to}`)}
                        to={to}
                        from={from}
                        largest={largest}
                      />
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        )}
    </Panel>
  );
}

interface PairProps {
  readonly pair: TransferDto | undefined;
  readonly from: string;
  readonly to: string;
  readonly largest: number;
}

function Pair({ pair, from, to, largest }: PairProps) {
  const isOwn = from === to;
  if (pair === undefined) return <td class={`num cell zero ${isOwn ? "own" : ""}`}>–</td>;
  const where = isOwn ? `from ${from}'s disk` : `${from} to ${to}`;
  return (
    <td
      class={`num cell heat ${isOwn ? "own" : ""} ${pair.bytesPerSecond > 0 ? "busy" : ""}`}
      style={{ "--heat": heat(pair.bytes, largest) }}
      data-to={to}
      data-bytes={pair.bytes}
      title={`${count(pair.transfers)} transfers ${where}`}
    >
      {bytes(pair.bytes)}
      <div class="sub">
        {pair.bytesPerSecond > 0
          ? <b class="running-text">{bytes(pair.bytesPerSecond)}/s</b>
          : isOwn
          ? "from disk"
          : `${count(pair.transfers)} ${pair.transfers === 1 ? "transfer" : "transfers"}`}
      </div>
    </td>
  );
}

/** In the order of their colours, once there are not too many. */
function busiest(transfers: readonly TransferDto[]): string[] {
  const sums = new Map<string, number>();
  for (const { from, to, bytes } of transfers) {
    for (const node of new Set([from, to])) sums.set(node, (sums.get(node) ?? 0) + bytes);
  }
  const order = [...nodeColourIndex.value.keys()];
  const nodes = [...sums].sort((a, b) => b[1] - a[1]).map(([node]) => node);
  return nodes.length > NODES_MAX ? nodes : nodes.sort((a, b) => order.indexOf(a) - order.indexOf(b));
}
