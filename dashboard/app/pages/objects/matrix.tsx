/**
 * Stored objects: who made them, and on which nodes they are, in memory, on disk or on their way.
 * @module
 */
import type { ObjectGroupDto, ObjectsAtNode } from "../../../api_types.ts";
import type { ObjectsDto } from "../../../api/entities.ts";
import { Panel, Scroll } from "../../components/panel.tsx";
import { Empty } from "../../components/states.tsx";
import { bytes, count, shortId } from "../../models/format.ts";
import { heat } from "../../models/heat.ts";
import { links } from "../../models/links.ts";
import { nodeColourIndex } from "../../models/node_colours.ts";
import { route } from "../../models/route.ts";

/** Node columns; those with the most bytes. */
const COLUMNS_MAX = 12;

export function Matrix({ about }: { about: ObjectsDto }) {
  const { groups, groupsTotal } = about;
  const columns = nodeColumns(about);
  const largest = Math.max(
    1,
    ...groups.flatMap((row) => Object.values(row.nodes).map((sums) => sums.bytes + sums.inFlightBytes)),
  );
  const chosen = route.value.params.get("group");
  return (
    <Panel
      id="objects"
      title="Where objects are"
      note={
        <>
          {groupsTotal > groups.length && `showing ${count(groups.length)} of `}
          {count(groupsTotal)} {groupsTotal === 1 ? "group" : "groups"}
          {columns.left > 0 && `, ${COLUMNS_MAX} of ${COLUMNS_MAX + columns.left} nodes`}
          {about.untracked > 0 && `, ${count(about.untracked)} objects left out`}
        </>
      }
    >
      {groups.length === 0
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
                      <a class="mono" href={links.node(nodeId)}>{shortId(nodeId)}</a>
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {groups.map((row) => (
                  <GroupRow
                    key={row.producer}
                    row={row}
                    nodes={columns.shown}
                    largest={largest}
                    isChosen={chosen === row.producer}
                  />
                ))}
              </tbody>
            </table>
          </Scroll>
        )}
    </Panel>
  );
}

interface GroupRowProps {
  readonly row: ObjectGroupDto;
  readonly nodes: readonly string[];
  readonly largest: number;
  readonly isChosen: boolean;
}

function GroupRow({ row, nodes, largest, isChosen }: GroupRowProps) {
  return (
    <tr data-key={row.producer} class={isChosen ? "chosen" : ""}>
      <th scope="row" class="name" title={row.producer}>
        <a class="clip" href={links.objects({ group: row.producer })}>{row.producer}</a>
      </th>
      <td class="num">
        {count(row.objects)}
        <div class="sub">{copies(total(row, "objects"))}</div>
      </td>
      <td class="num">
        {bytes(row.bytes)}
        <Besides spilled={total(row, "spilledBytes")} inFlight={total(row, "inFlightBytes")} />
      </td>
      {nodes.map((nodeId) => (
        <Cell
          key={nodeId}
          sums={row.nodes[nodeId]}
          largest={largest}
          nodeId={nodeId}
        />
      ))}
    </tr>
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

/** Bytes on one node: the more, the stronger the colour, and the longer the bar. What is on disk is hatched, what is on its way pale. */
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
    <td class="num cell heat" title={title} style={{ "--heat": heat(sums.bytes + inFlightBytes, largest) }}>
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
function nodeColumns({ stores, storesTotal, groups }: ObjectsDto): { shown: string[]; left: number } {
  const held = new Map<string, number>(stores.map(({ nodeId }) => [nodeId, 0]));
  for (const row of groups) {
    for (const [nodeId, { bytes, inFlightBytes }] of Object.entries(row.nodes)) {
      held.set(nodeId, (held.get(nodeId) ?? 0) + bytes + inFlightBytes);
    }
  }
  const order = [...nodeColourIndex.value.keys()];
  const most = [...held].sort((a, b) => b[1] - a[1]).slice(0, COLUMNS_MAX).map(([nodeId]) => nodeId);
  most.sort((a, b) => order.indexOf(a) - order.indexOf(b));
  return { shown: most, left: Math.max(held.size, storesTotal) - most.length };
}
