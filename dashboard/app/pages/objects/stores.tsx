/**
 * The object store of each node: how full it is, and with what.
 * @module
 */
import type { ObjectsDto } from "../../../api/entities.ts";
import { NodeName } from "../../components/node_name.tsx";
import { Panel, Scroll } from "../../components/panel.tsx";
import { Empty } from "../../components/states.tsx";
import { StoreBar, StoreLegend } from "../../components/store_bar.tsx";
import { bytes, count } from "../../models/format.ts";

export function Stores({ about }: { about: ObjectsDto }) {
  const { stores, storesTotal, objects } = about;
  return (
    <Panel
      id="stores"
      title="Object stores"
      note={
        <>
          {count(objects)} {objects === 1 ? "object" : "objects"}, {bytes(about.bytes)}
          {storesTotal > stores.length && ` · showing ${stores.length} of ${count(storesTotal)} nodes`}
        </>
      }
      actions={<StoreLegend />}
    >
      {stores.length === 0
        ? <Empty>No node is alive: there is no store.</Empty>
        : (
          <Scroll label="Object stores by node">
            <table class="stores">
              <thead>
                <tr>
                  <th scope="col">Node</th>
                  <th scope="col" class="wide">In memory</th>
                  <th scope="col" class="num">Used</th>
                  <th scope="col" class="num optional">Free</th>
                  <th scope="col" class="num">On disk alone</th>
                  <th scope="col" class="num optional">In flight</th>
                  <th scope="col" class="num optional">Objects</th>
                </tr>
              </thead>
              <tbody>
                {stores.map((store) => {
                  const free = Math.max(0, store.capacityBytes - store.usedBytes);
                  return (
                    <tr key={store.nodeId} data-key={store.nodeId}>
                      <th scope="row">
                        <NodeName id={store.nodeId} />
                      </th>
                      <td class="wide">
                        <StoreBar store={store} />
                      </td>
                      <td class="num" data-bytes={store.usedBytes}>
                        {bytes(store.usedBytes)} <span class="muted">of {bytes(store.capacityBytes)}</span>
                      </td>
                      <td class="num optional">{bytes(free)}</td>
                      <Amount value={store.spilledBytes} kind="spilled" />
                      <Amount value={store.inFlightBytes} kind="in-flight" optional />
                      <td class={`num optional ${store.objects === 0 ? "zero" : ""}`}>
                        {count(store.objects)}
                      </td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </Scroll>
        )}
    </Panel>
  );
}

function Amount({ value, kind, optional }: { value: number; kind: string; optional?: boolean }) {
  return (
    <td
      class={`num ${optional ? "optional" : ""} ${value === 0 ? "zero" : ""}`}
      data-kind={kind}
      data-bytes={value}
    >
      {value === 0 ? "–" : bytes(value)}
    </td>
  );
}
