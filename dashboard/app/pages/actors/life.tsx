/**
 * An actor's life: the machine of its states, with the present one and the ways that it went, and the same as a list with
 * times and reasons.
 * @module
 */
import type { ActorEventDto, ActorPageDto } from "../../../api/entities.ts";
import { ageText } from "../../components/age.tsx";
import { NodeName } from "../../components/node_name.tsx";
import { Panel, Scroll } from "../../components/panel.tsx";
import { State } from "../../components/state.tsx";
import { type ActorState, type MachineHistory, machineHistory } from "../../models/actor_machine.ts";
import { clock, count, duration } from "../../models/format.ts";
import { headNow } from "../../models/head_clock.ts";

export function Life({ page }: { page: ActorPageDto }) {
  const { events, eventsDropped } = page;
  const history = machineHistory(events, headNow.value);
  return (
    <Panel
      id="life"
      title="Its life"
      note={
        <>
          {count(events.length)} {events.length === 1 ? "event" : "events"}
          {eventsDropped > 0 && `, ${count(eventsDropped)} in between are no longer remembered`}
        </>
      }
    >
      <Scroll label="States of the actor">
        <Machine history={history} />
      </Scroll>
      <Scroll label="Events of the actor">
        <table>
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">State</th>
              <th scope="col" class="num">For</th>
              <th scope="col" class="num" title="Which construction">Incarnation</th>
              <th scope="col">Node</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {events.map((event, i) => (
              <EventRow key={i} event={event} before={events[i - 1]} next={events[i + 1]} />
            )).reverse()}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

interface EventRowProps {
  readonly event: ActorEventDto;
  readonly before: ActorEventDto | undefined;
  readonly next: ActorEventDto | undefined;
}

function EventRow({ event, before, next }: EventRowProps) {
  const isPlaced = before?.state === event.state && before.incarnation === event.incarnation;
  const isOver = event.state === "DEAD";
  const ms = Math.max(0, (next?.atMs ?? headNow.value) - event.atMs);
  return (
    <tr data-state={event.state} class={isOver ? "gone" : ""}>
      <th scope="row">
        <time dateTime={new Date(event.atMs).toISOString()}>{clock(event.atMs)}</time>
      </th>
      <td>
        {isPlaced ? <span class="muted">given to a node</span> : <State state={event.state} />}
      </td>
      <td class="num">
        {next !== undefined ? duration(ms) : isOver ? "" : ageText(ms)}
      </td>
      <td class="num">{count(event.incarnation)}</td>
      <td>
        <NodeName id={event.nodeId} />
      </td>
      <td class="wrap">
        {!isPlaced && event.cause !== null && (
          <>
            <strong>{event.cause}</strong> {event.message}
          </>
        )}
      </td>
    </tr>
  );
}

interface Box {
  readonly state: ActorState;
  readonly title: string;
  readonly x: number;
  readonly y: number;
}

const WIDTH = 142;
const HEIGHT = 48;
const BOXES: readonly Box[] = [
  { state: "DEPENDENCIES_UNREADY", title: "needs arguments", x: 8, y: 44 },
  { state: "PENDING_CREATION", title: "starting", x: 206, y: 44 },
  { state: "ALIVE", title: "alive", x: 404, y: 44 },
  { state: "DEAD", title: "dead", x: 602, y: 44 },
  { state: "RESTARTING", title: "restarting", x: 404, y: 156 },
];

/** Ways between the boxes, where their count stands, and whether they are drawn before they were ever gone. */
const WAYS: Readonly<
  Record<string, { readonly path: string; readonly at: [number, number]; readonly rare?: true }>
> = {
  "DEPENDENCIES_UNREADY>PENDING_CREATION": { path: "M150 68 H204", at: [177, 60] },
  // Its arguments were there at once, and its row tells of the first start only.
  "DEPENDENCIES_UNREADY>ALIVE": { path: "M79 44 C79 4, 440 4, 440 42", at: [260, 10], rare: true },
  "PENDING_CREATION>ALIVE": { path: "M348 68 H402", at: [375, 60] },
  "ALIVE>DEAD": { path: "M546 68 H600", at: [573, 60] },
  "ALIVE>RESTARTING": { path: "M448 92 V154", at: [434, 127] },
  "RESTARTING>ALIVE": { path: "M502 156 V94", at: [516, 127] },
  "RESTARTING>DEAD": { path: "M546 180 H673 V94", at: [610, 172] },
  "PENDING_CREATION>RESTARTING": { path: "M277 92 V180 H402", at: [340, 172], rare: true },
  "PENDING_CREATION>DEAD": { path: "M300 44 C300 10, 640 10, 640 42", at: [540, 14], rare: true },
  "DEPENDENCIES_UNREADY>DEAD": { path: "M79 44 C79 -8, 690 -8, 690 42", at: [380, 2], rare: true },
  "DEAD>RESTARTING": { path: "M700 92 V196 H548", at: [630, 208], rare: true },
};

function Machine({ history }: { history: MachineHistory }) {
  const ways = Object.entries(WAYS).filter(([way, { rare }]) => !rare || history.ways.has(way));
  return (
    <svg
      class="machine"
      viewBox={ways.some(([, { rare }]) => rare) ? "0 0 752 214" : "0 32 752 182"}
      role="img"
      aria-label={said(history)}
    >
      <defs>
        {["way", "way-gone"].map((id) => (
          <marker
            key={id}
            id={id}
            viewBox="0 0 8 8"
            refX="7"
            refY="4"
            markerWidth="7"
            markerHeight="7"
            orient="auto"
          >
            <path class={`${id}-head`} d="M0 0 L8 4 L0 8 z" />
          </marker>
        ))}
      </defs>
      {ways.map(([way, { path, at }]) => {
        const times = history.ways.get(way) ?? 0;
        return (
          <g key={way} class={times > 0 ? "way gone" : "way"} data-way={way}>
            <path d={path} marker-end={`url(#${times > 0 ? "way-gone" : "way"})`} />
            {times > 1 && <text x={at[0]} y={at[1]}>{count(times)} ×</text>}
          </g>
        );
      })}
      {BOXES.map((box) => <StateBox key={box.state} box={box} history={history} />)}
    </svg>
  );
}

function StateBox({ box: { state, title, x, y }, history }: { box: Box; history: MachineHistory }) {
  const { visits, ms } = history.states[state];
  const isNow = history.now === state;
  const type = isNow ? "now" : visits > 0 ? "been" : "never";
  const time = state === "DEAD" ? "" : isNow ? ageText(ms) : duration(ms);
  return (
    <g class={`box ${type} ${state.toLowerCase()}`} data-state={state} data-visits={visits}>
      <rect x={x} y={y} width={WIDTH} height={HEIGHT} rx="5" />
      <text x={x + WIDTH / 2} y={y + (visits === 0 ? 29 : 21)} class="title">{title}</text>
      {visits > 0 && (
        <text x={x + WIDTH / 2} y={y + 38} class="detail">
          {visits > 1 ? `${count(visits)} × ` : ""}
          {time}
        </text>
      )}
    </g>
  );
}

function said({ states, now }: MachineHistory): string {
  const been = BOXES.filter(({ state }) => states[state].visits > 0)
    .map(({ state, title }) => `${title} ${states[state].visits} times`);
  const present = BOXES.find(({ state }) => state === now)?.title ?? "unknown";
  return `The actor is ${present}. It was ${been.join(", ")}.`;
}
