/**
 * What nobody can run now, and why: wishes for resources by name and shape.
 * @module
 */
import type { DemandDto } from "../../../api_types.ts";
import { NodeName } from "../../components/node_name.tsx";
import { Panel, Scroll } from "../../components/panel.tsx";
import { cluster } from "../../models/cluster.ts";
import { count, quantity } from "../../models/format.ts";
import { links } from "../../models/links.ts";

export function Demand() {
  const demand = cluster.value?.demand ?? [];
  if (demand.length === 0) return null;
  return <DemandPanel demand={demand} hasNodes />;
}

interface DemandPanelProps {
  readonly demand: readonly (Pick<DemandDto, "name" | "count" | "reason"> & Partial<DemandDto>)[];
  readonly hasNodes?: boolean;
}

export function DemandPanel({ demand, hasNodes = false }: DemandPanelProps) {
  return (
    <Panel id="demand" title="Waits for resources" note="and why">
      <Scroll label="What waits for resources">
        <table>
          <thead>
            <tr>
              <th scope="col">Work</th>
              <th scope="col" class="num">Waiting</th>
              {hasNodes && <th scope="col">Needs</th>}
              {hasNodes && <th scope="col">Asked at</th>}
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {demand.map(({ name, count: waiting, reason, resources, nodeId }, i) => (
              <tr key={i} data-key={name}>
                <th scope="row" class="name">
                  <a class="clip" href={links.tasks({ filter: `name=${name}` })}>{name}</a>
                </th>
                <td class="num">{count(waiting)}</td>
                {hasNodes && <td>{needs(resources ?? {})}</td>}
                {hasNodes && (
                  <td>
                    <NodeName id={nodeId ?? null} />
                  </td>
                )}
                <td class="wrap">{reason}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

function needs(resources: Readonly<Record<string, number>>): string {
  const words = Object.entries(resources).map(([name, value]) => `${quantity(name, value)} ${name}`);
  return words.length === 0 ? "nothing" : words.join(", ");
}
