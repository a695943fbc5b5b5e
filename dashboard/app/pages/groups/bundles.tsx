/**
 * Bundles drawn: as a strip of cells in the colours of their nodes, and as a matrix of bundles and nodes.
 * @module
 */
import type { BundleDto, GroupPageDto, WorkerDto } from "../../../api/entities.ts";
import { NodeName } from "../../components/node_name.tsx";
import { Panel, Scroll } from "../../components/panel.tsx";
import { count, quantity } from "../../models/format.ts";
import { nodeColourIndex } from "../../models/node_colours.ts";
import { Work } from "../nodes/worker_table.tsx";

/** Cells of a strip, rows of the matrix. */
const STRIP_MAX = 48;
const ROWS_MAX = 200;

export function BundleStrip({ bundles }: { bundles: readonly BundleDto[] }) {
  const shown = bundles.slice(0, STRIP_MAX);
  return (
    <span class="bundle-strip">
      {shown.map(({ index, nodeId, resources }) => (
        <span
          key={index}
          class={`bundle ${nodeId === null ? "unplaced" : `node-${nodeColourIndex.value.get(nodeId) ?? 0}`}`}
          data-node={nodeId ?? ""}
          title={`bundle ${index}: ${words(resources)}, ${nodeId ?? "not placed"}`}
        />
      ))}
      {bundles.length > shown.length && <span class="muted">+{count(bundles.length - shown.length)}</span>}
    </span>
  );
}

/** A row a bundle, a column a node: where each is reserved, and what runs in it. */
export function BundleMatrix({ page }: { page: GroupPageDto }) {
  const { group, workers } = page;
  const nodes = [...new Set(group.bundles.flatMap(({ nodeId }) => nodeId === null ? [] : [nodeId]))];
  const shown = group.bundles.slice(0, ROWS_MAX);
  const inside = new Map<number, WorkerDto[]>();
  for (const worker of workers) {
    const index = worker.bundleIndex ?? -1;
    inside.set(index, [...inside.get(index) ?? [], worker]);
  }
  return (
    <Panel
      id="bundles"
      title="Bundles and nodes"
      note={shown.length < group.bundles.length
        ? `showing ${shown.length} of ${count(group.bundles.length)} bundles`
        : `${count(shown.length)} ${shown.length === 1 ? "bundle" : "bundles"}`}
    >
      <Scroll label="Bundles and the nodes that hold them">
        <table class="matrix bundles">
          <thead>
            <tr>
              <th scope="col">Bundle</th>
              <th scope="col">Reserves</th>
              {nodes.map((nodeId) => (
                <th scope="col" key={nodeId}>
                  <NodeName id={nodeId} />
                </th>
              ))}
              {nodes.length === 0 && <th scope="col">Node</th>}
            </tr>
          </thead>
          <tbody>
            {shown.map((bundle) => (
              <tr key={bundle.index} data-key={bundle.index}>
                <th scope="row">{bundle.index}</th>
                <td>{words(bundle.resources)}</td>
                {nodes.length === 0 && <td class="muted">not placed</td>}
                {nodes.map((nodeId) => (
                  <Place
                    key={nodeId}
                    nodeId={nodeId}
                    isHere={bundle.nodeId === nodeId}
                    workers={inside.get(bundle.index) ?? []}
                  />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

interface PlaceProps {
  readonly nodeId: string;
  readonly isHere: boolean;
  readonly workers: readonly WorkerDto[];
}

function Place({ nodeId, isHere, workers }: PlaceProps) {
  if (!isHere) return <td class="zero">·</td>;
  return (
    <td class="placed" data-node={nodeId}>
      <span class={`bundle node-${nodeColourIndex.value.get(nodeId) ?? 0}`} aria-hidden="true" />
      {workers.length === 0
        ? <span class="muted">reserved, nothing runs in it</span>
        : workers.map((worker) => (
          <span class="inside" key={worker.workerId}>
            <Work worker={{ ...worker, placementGroupId: null }} />
          </span>
        ))}
    </td>
  );
}

function words(resources: Readonly<Record<string, number>>): string {
  return Object.entries(resources).map(([name, value]) => `${quantity(name, value)} ${name}`).join(", ") ||
    "nothing";
}
