/**
 * Actors: where each lives, how it fares, how often it was started again.
 * @module
 */
import type { ActorDto } from "../../api_types.ts";
import { actors } from "../models/cluster.ts";
import { count, duration, shortId } from "../models/format.ts";
import { useTopics } from "../models/subscriptions.ts";
import { State } from "./state.tsx";
import { Panel, Scroll, Showing } from "./panel.tsx";
import { Empty, Loading } from "./states.tsx";

export function Actors() {
  useTopics("actors");
  const table = actors.value;
  const rows = [...table?.rows ?? []].sort(liveFirst);
  return (
    <Panel id="actors" title="Actors" note={<Showing table={table} one="actor" many="actors" />}>
      {table === null ? <Loading /> : rows.length === 0
        ? (
          <Empty>
            No actor. A class that is started with <code>.remote()</code> appears here.
          </Empty>
        )
        : (
          <Scroll label="Actors">
            <table>
              <thead>
                <tr>
                  <th scope="col">Actor</th>
                  <th scope="col">State</th>
                  <th scope="col" class="num" title="Times it was started again, of how many it may be">
                    Restarts
                  </th>
                  <th scope="col" class="num" title="Calls at its process that have not begun">Mailbox</th>
                  <th scope="col" class="num" title="Calls that ended, over the last second">Calls/s</th>
                  <th scope="col" class="num" title="Mean run time of the calls that ended last">Mean</th>
                  <th scope="col">Node</th>
                  <th scope="col" class="num">Pid</th>
                  <th scope="col">Job</th>
                </tr>
              </thead>
              <tbody>{rows.map((row) => <ActorRow key={row.actorId} actor={row} />)}</tbody>
            </table>
          </Scroll>
        )}
    </Panel>
  );
}

function ActorRow({ actor }: { actor: ActorDto }) {
  return (
    <tr data-key={actor.actorId} class={actor.state === "DEAD" ? "gone" : ""}>
      <th scope="row" class="name">
        <span class="mark" aria-hidden="true">⬡</span>
        <span class="clip">{actor.className || "(unknown class)"}</span>
        {actor.name !== "" && <span class="tag" title={`namespace ${actor.namespace}`}>{actor.name}</span>}
        {actor.isDetached && <span class="tag">detached</span>}
        <div class="sub" title={actor.actorId}>
          <span class="mono">{shortId(actor.actorId)}</span>
          {actor.reprName !== null && ` ${actor.reprName}`}
        </div>
      </th>
      <td>
        <State state={actor.state} />
        {actor.deathMessage !== null && (
          <div class="sub wrap" title={actor.deathCause ?? ""}>{actor.deathMessage}</div>
        )}
      </td>
      <td class={`num ${actor.numRestarts === 0 ? "zero" : ""}`}>
        {count(actor.numRestarts)}{" "}
        <span class="muted">of {actor.maxRestarts < 0 ? "∞" : count(actor.maxRestarts)}</span>
      </td>
      <td class="num">{actor.mailboxDepth === null ? "–" : count(actor.mailboxDepth)}</td>
      <td class="num">{actor.callsPerSecond === null ? "–" : count(Math.round(actor.callsPerSecond))}</td>
      <td class="num">{actor.meanCallMs === null ? "–" : duration(actor.meanCallMs)}</td>
      <td class="mono" title={actor.nodeId ?? ""}>{actor.nodeId === null ? "–" : shortId(actor.nodeId)}</td>
      <td class="num">{actor.pid ?? "–"}</td>
      <td class="mono" title={actor.jobId}>{shortId(actor.jobId)}</td>
    </tr>
  );
}

const RANK: Record<ActorDto["state"], number> = {
  RESTARTING: 0,
  PENDING_CREATION: 1,
  DEPENDENCIES_UNREADY: 1,
  ALIVE: 2,
  DEAD: 3,
};

function liveFirst(a: ActorDto, b: ActorDto): number {
  return RANK[a.state] - RANK[b.state] ||
    (a.className < b.className ? -1 : a.className > b.className ? 1 : 0) ||
    (a.actorId < b.actorId ? -1 : 1);
}
