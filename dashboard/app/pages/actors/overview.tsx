/**
 * Actors counted by state and class. Each count leads to the list of those that it counts.
 * @module
 */
import type { ActorClassDto, ActorsOverviewDto } from "../../../api/entities.ts";
import { Panel, PartsBar, Scroll } from "../../components/panel.tsx";
import { count } from "../../models/format.ts";
import { links } from "../../models/links.ts";
import { ACTOR_STATES, type ActorState } from "../../models/actor_machine.ts";
import { State } from "../../components/state.tsx";

/** Classes that are drawn; the list below has them all. */
const CLASSES_SHOWN = 12;

type States = ActorsOverviewDto["states"];

export function ActorsOverview({ about }: { about: ActorsOverviewDto }) {
  const classes = about.classes.slice(0, CLASSES_SHOWN);
  return (
    <Panel
      id="actor-classes"
      title="Actors by state and class"
      note={about.classesTotal > classes.length
        ? `showing ${classes.length} of ${count(about.classesTotal)} classes`
        : undefined}
    >
      <ul class="state-counts">
        {ACTOR_STATES.filter((state) => (about.states[state] ?? 0) > 0).map((state) => (
          <li key={state} data-state={state}>
            <a href={links.actors({ filter: `state=${state}` })}>
              <b>{count(about.states[state]!)}</b>
              <State state={state} />
            </a>
          </li>
        ))}
      </ul>
      <Scroll label="Actors by class">
        <table>
          <thead>
            <tr>
              <th scope="col">Class</th>
              <th scope="col" class="bar-column">States</th>
              <th scope="col" class="num">Actors</th>
              <th scope="col" class="num">Alive</th>
              <th scope="col" class="num">Waiting</th>
              <th scope="col" class="num">Dead</th>
              <th scope="col" class="num" title="All restarts of those that are remembered">Restarts</th>
            </tr>
          </thead>
          <tbody>{classes.map((row) => <ClassRow key={row.className} row={row} />)}</tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

function ClassRow({ row }: { row: ActorClassDto }) {
  const { className, states, total, restarts } = row;
  return (
    <tr data-key={className}>
      <th scope="row" class="name">
        <a class="clip" href={links.actors({ filter: `className=${className}` })}>
          {className || "(unknown class)"}
        </a>
      </th>
      <td class="bar-column">
        <StatesBar states={states} />
      </td>
      <td class="num">{count(total)}</td>
      <Number value={states.ALIVE ?? 0} />
      <Number value={waiting(states)} />
      <Number value={states.DEAD ?? 0} />
      <Number value={restarts} />
    </tr>
  );
}

function Number({ value }: { value: number }) {
  return <td class={`num ${value === 0 ? "zero" : ""}`}>{count(value)}</td>;
}

function waiting(states: States): number {
  return (states.DEPENDENCIES_UNREADY ?? 0) + (states.PENDING_CREATION ?? 0) + (states.RESTARTING ?? 0);
}

const PART_OF: Readonly<Record<ActorState, string>> = {
  DEPENDENCIES_UNREADY: "waiting",
  PENDING_CREATION: "waiting",
  ALIVE: "finished",
  RESTARTING: "running",
  DEAD: "dead",
};

function StatesBar({ states }: { states: States }) {
  const parts = ACTOR_STATES.map((state) => ({
    kind: PART_OF[state],
    size: states[state] ?? 0,
    label: state,
  })).filter(({ size }) => size > 0);
  const label = parts.map((part) => `${count(part.size)} ${part.label.toLowerCase()}`).join(", ");
  return <PartsBar parts={parts} label={label} />;
}
