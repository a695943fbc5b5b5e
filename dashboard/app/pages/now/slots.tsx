/**
 * One cell per worker slot: its colour is the function that it runs, its shape what it is.
 * @module
 */
import type { SlotCell, SlotsDto } from "../../../api/now.ts";
import { Id } from "../../components/id.tsx";
import { Panel } from "../../components/panel.tsx";
import { Answer, Empty } from "../../components/states.tsx";
import { count } from "../../models/format.ts";
import { linkOf, links } from "../../models/links.ts";
import { useQuery } from "../../models/query.ts";
import { functionColourIndex } from "../../models/theme.ts";

/** Names in the legend. */
const NAMES_SHOWN = 10;

export function Slots() {
  const answer = useQuery<SlotsDto>("slots");
  const data = answer.value.data;
  const cells = data?.nodes.flatMap((node) => node.cells) ?? [];
  const busy = cells.filter((cell) => cell.state === "BUSY" || cell.state === "ACTOR").length;
  const note = cells.length === 0
    ? undefined
    : `${count(busy)} of ${count(cells.length)} in use${
      data!.left > 0 ? `, ${count(data!.left)} more not shown` : ""
    }`;
  return (
    <Panel id="slots" title="Workers" note={note}>
      <Answer of={answer}>
        {({ nodes, names }) =>
          cells.length === 0 ? <Empty>No worker runs: the first task starts one.</Empty> : (
            <>
              {nodes.filter((node) => node.cells.length > 0).map((node) => (
                <div key={node.nodeId} class="slot-row">
                  <span class="slot-node">
                    <Id id={node.nodeId} /> <span class="muted">{node.hostname}</span>
                  </span>
                  <span class="slot-cells">
                    {node.cells.map((cell) => <Cell key={cell.workerId} cell={cell} names={names} />)}
                  </span>
                </div>
              ))}
              <p class="legend">
                {names.slice(0, NAMES_SHOWN).map((name) => (
                  <span key={name}>
                    <i class={`key fn-${functionColourIndex(name)}`} aria-hidden="true" />
                    {name}
                  </span>
                ))}
                {names.length > NAMES_SHOWN && <span>and {count(names.length - NAMES_SHOWN)} more</span>}
                <span>
                  <i class="slot busy" aria-hidden="true" />busy
                </span>
                <span>
                  <i class="slot idle" aria-hidden="true" />idle
                </span>
              </p>
            </>
          )}
      </Answer>
    </Panel>
  );
}

function Cell({ cell, names }: { cell: SlotCell; names: readonly string[] }) {
  const name = cell.name === null ? null : names[cell.name]!;
  const colour = name === null ? "" : `fn-${functionColourIndex(name)}`;
  const text = `${cell.workerId}: ${name ?? cell.state.toLowerCase()}${
    cell.state === "ACTOR" ? " (actor)" : ""
  }`;
  const href = (cell.id === null ? null : linkOf(cell.id)) ?? links.worker(cell.workerId);
  return (
    <a
      class={`slot ${cell.state.toLowerCase()} ${colour}`}
      href={href}
      title={text}
      aria-label={text}
    />
  );
}
