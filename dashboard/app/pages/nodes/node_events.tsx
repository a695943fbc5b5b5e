/**
 * What happened to nodes: joined, silent, back, drained, died.
 * @module
 */
import type { NodeEventDto } from "../../../api/entities.ts";
import { Age } from "../../components/age.tsx";
import { NodeName } from "../../components/node_name.tsx";
import { Panel, Scroll } from "../../components/panel.tsx";
import { clock } from "../../models/format.ts";

/** Signs beside the words, so that colour is not all. */
const SIGNS: Readonly<Record<NodeEventDto["kind"], string>> = {
  joined: "+",
  back: "↑",
  suspect: "?",
  draining: "…",
  "drain cancelled": "↑",
  drained: "–",
  died: "×",
  fenced: "∅",
};

/** `events`: the newest first. */
export function NodeEvents({ events }: { events: readonly NodeEventDto[] }) {
  if (events.length === 0) return null;
  return (
    <Panel id="node-events" title="What happened">
      <Scroll label="Events of nodes">
        <table class="events">
          <tbody>
            {events.map((event, i) => (
              <tr key={i} data-kind={event.kind}>
                <th scope="row">
                  <time dateTime={new Date(event.atMs).toISOString()}>{clock(event.atMs)}</time>
                </th>
                <td class={`event ${event.kind.replace(" ", "-")}`}>
                  <span class="sign" aria-hidden="true">{SIGNS[event.kind]}</span> {event.kind}
                </td>
                <td>
                  <NodeName id={event.nodeId} />
                </td>
                <td class="wrap">{event.message}</td>
                <td class="num optional">
                  <Age sinceMs={event.atMs} /> ago
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}
