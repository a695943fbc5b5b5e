/**
 * Stored objects: who made them, and on which nodes they are, in memory, on disk or on their way.
 * @module
 */
import type { ObjectGroupDto, ObjectsAtNode } from "../../api_types.ts";
import { nodes, objects } from "../models/cluster.ts";
import { bytes, count, shortId } from "../models/format.ts";
import { nodeColourIndex } from "../models/node_colours.ts";
import { useTopics } from "../models/subscriptions.ts";
import { Panel, Scroll, Showing } from "./panel.tsx";
import { Empty, Loading } from "./states.tsx";

/** Node columns; those with the most bytes. */
const COLUMNS_MAX = 12;

export function Objects() {
  useTopics("objects", "nodes");
  const table = objects.value;
  const rows = [...table?.rows ?? []].sort((a, b) => b.bytes - a.bytes || (a.producer < b.producer ? -1 : 1));
  const columns = nodeColumns(rows);
  const largest = Math.max(
    1,
    ...rows.flatMap((row) => Object.values(row.nodes).map((sums) => sums.bytes + sums.inFlightBytes)),
  );
  return (
    <Panel
      id="objects"
      title="Objects by function and node"
      note={
        <>
          <Showing table={table} one="group" many="groups" />
          {columns.left > 0 && ` · ${COLUMNS_MAX} of ${COLUMNS_MAX + columns.left} nodes shown`}
        </>
      }
    >
      {table === null ? <Loading /> : rows.length === 0
        ? (
          <Empty>
            No stored object. Values of 100 KiB and more, and what is put, are kept here while someone refers
            to them.
          </Empty>
        )
        : (
          <Scroll label="Objects by producing function and node">
            <table class="matrix">
              <thead>
                <tr>
                  <th scope="col">Made by</th>
                  <th scope="col" class="num">Objects</th>
                  <th scope="col" class="num" title="Of one copy of each">Bytes</th>
                  {columns.shown.map((nodeId) => (
                    <th scope="col" class="num cell" key={nodeId} title={nodeId}>
                      <span class={`key node-${nodeColourIndex.value.get(nodeId) ?? 0}`} aria-hidden="true" />
                      {shortId(nodeId)}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {rows.map((row) => (
                  <tr key={row.producer} data-key={row.producer}>
                    <th scope="row" class="name" title={row.producer}>
                      <span class="clip">{row.producer}</span>
                    </th>
                    <td class="num">
                      {count(row.objects)}
                      <div class="sub">{copies(total(row, "objects"))}</div>
                    </td>
                    <td class="num">
                      {bytes(row.bytes)}
                      <Besides spilled={total(row, "spilledBytes")} inFlight={total(row, "inFlightBytes")} />
                    </td>
                    {columns.shown.map((nodeId) => (
                      <Cell key={nodeId} sums={row.nodes[nodeId]} largest={largest} nodeId={nodeId} />
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

function total(row: ObjectGroupDto, what: "objects" | "spilledBytes" | "inFlightBytes"): number {
  return Object.values(row.nodes).reduce((sum, sums) => sum + sums[what], 0);
}

function copies(number: number): string {
  return `${count(number)} ${number === 1 ? "copy" : "copies"}`;
}

/** Bytes of copies that are on disk alone, and of those on their way to a node. */
function Besides({ spilled, inFlight }: { spilled: number; inFlight: number }) {
  return (
    <>
      {spilled > 0 && <div class="sub" data-kind="spilled">{bytes(spilled)} spilled</div>}
      {inFlight > 0 && <div class="sub" data-kind="in-flight">+ {bytes(inFlight)} in flight</div>}
    </>
  );
}

interface CellProps {
  readonly sums: ObjectsAtNode | undefined;
  readonly largest: number;
  readonly nodeId: string;
}

/** Bytes on one node, with a bar from the left: long bars are where the data is. What is on disk is hatched, what is on its way pale. */
function Cell({ sums, largest, nodeId }: CellProps) {
  if (sums === undefined) return <td class="num cell zero">–</td>;
  const { objects, inFlight, spilledBytes, inFlightBytes } = sums;
  const title = `${count(objects)} ${objects === 1 ? "object" : "objects"} on ${nodeId}` +
    (inFlight === 0 ? "" : `, ${count(inFlight)} on the way`);
  const colour = `node-${nodeColourIndex.value.get(nodeId) ?? 0}`;
  const part = (kind: string, size: number) =>
    size > 0 && (
      <span
        class={`part ${kind} ${colour}`}
        data-bytes={size}
        style={{ width: `${Math.max(1, size / largest * 100)}%` }}
      />
    );
  return (
    <td class="num cell" title={title}>
      <span class="fill parts" aria-hidden="true">
        {part("in-memory", sums.bytes - spilledBytes)}
        {part("on-disk", spilledBytes)}
        {part("in-flight", inFlightBytes)}
      </span>
      <span class="over-fill">{bytes(sums.bytes)}</span>
      <Besides spilled={spilledBytes} inFlight={inFlightBytes} />
    </td>
  );
}

/** Nodes that are alive, in the order of their colours; those that hold most when there are too many. */
function nodeColumns(rows: readonly ObjectGroupDto[]): { shown: string[]; left: number } {
  const held = new Map<string, number>();
  for (const node of nodes.value?.rows ?? []) if (node.state !== "DEAD") held.set(node.nodeId, 0);
  for (const row of rows) {
    for (const [nodeId, { bytes, inFlightBytes }] of Object.entries(row.nodes)) {
      held.set(nodeId, (held.get(nodeId) ?? 0) + bytes + inFlightBytes);
    }
  }
  const most = [...held].sort((a, b) => b[1] - a[1]).slice(0, COLUMNS_MAX).map(([nodeId]) => nodeId);
  const index = (nodeId: string): number => [...nodeColourIndex.value.keys()].indexOf(nodeId);
  return { shown: most.sort((a, b) => index(a) - index(b)), left: held.size - most.length };
}
